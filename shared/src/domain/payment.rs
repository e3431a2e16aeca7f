//! Payments: the order, the facts that Stripe's notices gave, and the credits that are due.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::currency::Currency;
use super::entry::Explanation;
pub use super::facts::{Cause, Dispute, DisputeStage, Facts, Refund, RefundStage, due};
use super::instant::Span;
use super::money::Money;
use super::period::end_of_day_after;
use super::tax::Tax;
use super::topup::InvoiceId;
use super::{AccountId, Credits, Instant, OperationId};

/// For how long an order can be paid: as long as a Stripe session stays open by default
/// (docs.stripe.com/api/checkout/sessions/create, `expires_at`).
pub const OPEN_FOR: Span = Span::from_s(24 * 3600);

/// A customer's request to order a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    pub pack: String,
    /// The currency to pay in. None: the preferred one, if the pack is sold in it, or its first.
    pub currency: Option<Currency>,
    /// The currency that the session prefers.
    pub preferred: Option<Currency>,
    /// Who orders, as the session says.
    pub user: Option<String>,
    /// Where Stripe sends the customer back to, as the session says.
    pub return_url: String,
    /// Whether it asks for real money: the key of the request to Stripe decides.
    pub live: bool,
}

/// A pack, as it was offered to an account: the customer pays for what was ordered, even if the
/// catalog has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OperationId,
    pub account: AccountId,
    /// Its name in the catalog: of a pack, or of a top-up plan.
    pub pack: String,
    pub credits: Credits,
    pub price: Money,
    /// How Stripe taxes it: then more than the price may be paid.
    pub tax: Tax,
    pub expires_after_months: u32,
    /// The version of the catalog that offered it.
    pub catalog: u32,
    /// Whether it asks for real money: the key that the order was placed with decides.
    pub live: bool,
    /// Who ordered, as the session says.
    pub user: Option<String>,
    /// Where Stripe sends the customer back to. It belongs to the order, not to a later session:
    /// Stripe accepts the order's key again only for the same request.
    pub return_url: String,
    /// The Stripe customer of the buyer, if one was known when the order was placed.
    pub customer: Option<String>,
    /// Whether Stripe makes an invoice for it.
    pub invoice: bool,
    /// Whether auto top-up placed it: a saved card is charged, and nobody is sent to a page.
    pub auto: bool,
    pub at: Instant,
    /// Where the customer pays, once Stripe has sent it.
    pub url: Option<String>,
    /// The payment, once Stripe has sent it.
    pub intent: Option<IntentId>,
    /// The session ended without a payment.
    pub expired: bool,
    /// The invoice of a top-up plan that it was made from, when that was paid. Such an order has no
    /// session.
    pub from_invoice: Option<InvoiceId>,
}

impl Order {
    /// When its credits expire: at the end of the day on which so many months have passed since it
    /// was placed, as the customer was shown.
    pub fn expires_at(&self) -> Instant {
        end_of_day_after(self.at, self.expires_after_months)
    }

    /// The state of the order, from its payment (if one is known), its session and the time.
    pub fn state(&self, payment: Option<&Payment>, now: Instant) -> State {
        match payment.map_or(State::Open, |payment| payment.state(self)) {
            State::Open if self.from_invoice.is_some() => State::Processing,
            State::Open if self.expired || self.at + OPEN_FOR <= now => State::Expired,
            state => state,
        }
    }
}

/// The subject of one message from Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one of them is there at a time, and nearly all are payments"
)]
pub enum PaymentNotice {
    Payment {
        intent: IntentId,
        facts: Facts,
    },
    /// The session of an order ended without a payment.
    Expired {
        order: OperationId,
    },
}

/// Stripe's id of a payment: every message about one names its payment intent. Where there was
/// nothing to pay there is no intent, and the id of the session or the invoice stands for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a payment intent, or of a session or an invoice without one")]
pub struct IntentIdError;

impl IntentId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IntentId {
    type Err = IntentIdError;

    fn from_str(text: &str) -> Result<IntentId, IntentIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        // A session's id is the longer one: Stripe's have 66 characters.
        let known = ["pi_", "cs_", "in_"].iter().any(|prefix| text.starts_with(prefix));
        let fits = known && text.len() <= 128 && text.bytes().all(plain);
        fits.then(|| IntentId(text.to_owned())).ok_or(IntentIdError)
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for IntentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A payment: the facts that Stripe's notices gave, and what Scrip did about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub intent: IntentId,
    pub facts: Facts,
    /// The credits of it that are applied to the account now.
    pub applied: Credits,
    /// How many of its credits had been used when they expired: those due then, less those that
    /// expired. None: they have not expired, or the credits due have not changed since.
    pub used: Option<Credits>,
    /// An operator's decision, after it was parked.
    pub decided: Option<Decided>,
    /// The number of times it was written; 0: never.
    pub version: u64,
    /// When its first notice came.
    pub at: Instant,
}

/// An operator's decision about a parked payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub verdict: Verdict,
    pub explanation: Explanation,
    pub actor: Option<String>,
    pub at: Instant,
}

impl Decided {
    /// Whether `other` is the same decision by the same person in the same words: then it is sent
    /// again, because its answer was lost.
    pub fn is_again(&self, other: &Decided) -> bool {
        *self == Decided { at: self.at, ..other.clone() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts as if it matched the order.
    Released,
    /// It gives no credits.
    Dismissed,
}

impl Verdict {
    pub const ALL: [Verdict; 2] = [Verdict::Released, Verdict::Dismissed];

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Released => "released",
            Verdict::Dismissed => "dismissed",
        }
    }
}

/// The Stripe customer of one buyer of an account, in live mode or in test mode: the address and
/// the cards that one buyer gave Stripe are not another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub account: AccountId,
    /// Who buys, as the session says.
    pub subject: String,
    pub live: bool,
    /// Stripe's id of it.
    pub id: String,
}

/// A difference between a payment and its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    Order,
    Account,
    Livemode,
    Currency,
    Amount,
}

impl Mismatch {
    pub fn name(self) -> &'static str {
        match self {
            Mismatch::Order => "order",
            Mismatch::Account => "account",
            Mismatch::Livemode => "livemode",
            Mismatch::Currency => "currency",
            Mismatch::Amount => "amount",
        }
    }
}

impl Payment {
    pub fn new(intent: IntentId, at: Instant) -> Payment {
        let (facts, applied) = (Facts::default(), Credits::ZERO);
        Payment { intent, facts, applied, used: None, decided: None, version: 0, at }
    }

    /// The order that it is for, if one is known. If there are several, which parks it: the first.
    pub fn order(&self) -> Option<OperationId> {
        self.facts.orders.first().copied()
    }

    /// The id of the grant of its credits. For the first payment of an order it is the order's id;
    /// a second payment that an operator released is a grant of its own.
    pub fn grant(&self, order: &Order) -> OperationId {
        match &order.intent {
            Some(first) if *first != self.intent => {
                let digest = Sha256::digest(self.intent.as_str());
                let mut random = [0; 10];
                random.copy_from_slice(&digest[..10]);
                OperationId::own(order.at, random)
            }
            _ => order.id,
        }
    }

    /// The differences from the order.
    pub fn mismatches(&self, order: &Order) -> Vec<Mismatch> {
        let Facts { orders, accounts, modes, paid, priced, .. } = &self.facts;
        let price = order.price;
        let wrong = [
            (
                Mismatch::Order,
                orders.iter().any(|id| *id != order.id)
                    || order.intent.as_ref().is_some_and(|intent| *intent != self.intent),
            ),
            (Mismatch::Account, accounts.iter().any(|account| account != order.account.as_str())),
            (Mismatch::Livemode, modes.iter().any(|live| *live != order.live)),
            (Mismatch::Currency, self.facts.moved().any(|money| money.currency != price.currency)),
            (Mismatch::Amount, order.tax.differs(price, paid, priced)),
        ];
        wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(mismatch, _)| mismatch).collect()
    }

    /// Whether it waits for an operator: something differs, and nobody has decided.
    pub fn is_parked(&self, order: &Order) -> bool {
        self.decided.is_none() && !self.mismatches(order).is_empty()
    }

    /// The credits that are due for it now.
    pub fn due(&self, order: &Order) -> Credits {
        let paid = self.facts.paid().filter(|_| self.is_priced(order));
        let due =
            paid.map_or(Credits::ZERO, |paid| due(order.credits, paid.minor, self.facts.kept()));
        match self.decided.as_ref().map(|decided| decided.verdict) {
            Some(Verdict::Released) => due,
            Some(Verdict::Dismissed) => Credits::ZERO,
            // A parked payment gives no credits, whichever notice came first.
            None if self.is_parked(order) => Credits::ZERO,
            None => due,
        }
    }

    /// The credits that are to be applied now, of which `applied` are. If the payment names two
    /// orders, nobody knows whose credits they are: nothing moves.
    pub fn now_due(&self, order: &Order, applied: Credits) -> Credits {
        match self.facts.orders.len() {
            1 => self.due(order),
            _ => applied,
        }
    }

    /// Whether credits of it may have been taken back before: money for it has moved back, or an
    /// operator decided about it.
    pub fn went_back(&self) -> bool {
        let Facts { returned, refunds, disputes, .. } = &self.facts;
        let moved = !(returned.is_empty() && refunds.is_empty() && disputes.is_empty());
        moved || self.decided.is_some()
    }

    /// The credits that arrive in its account, or are taken back (negative), when the credits due
    /// change from `before` to `due`. Expired credits that nobody used are never owed, even if the
    /// money for them goes back.
    pub fn moves(&self, before: Credits, due: Credits) -> Credits {
        let Some(used) = self.used else { return due - before };
        let owed = |due: Credits| (used - due).max(Credits::ZERO);
        owed(before) - owed(due)
    }

    /// Whether it is known what the paid amount is for. With tax, only a session says so, unless an
    /// operator has released the payment.
    fn is_priced(&self, order: &Order) -> bool {
        let untaxed = order.tax.behavior.is_none();
        untaxed || !self.facts.priced.is_empty() || self.is_decided(Verdict::Released)
    }

    fn is_decided(&self, verdict: Verdict) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.verdict == verdict)
    }

    /// The state of its order by this payment alone, without the time.
    fn state(&self, order: &Order) -> State {
        let facts = &self.facts;
        match () {
            () if self.is_parked(order) => State::Parked,
            () if self.is_decided(Verdict::Dismissed) => State::Dismissed,
            () if !facts.paid.is_empty() && self.is_priced(order) => State::Credited,
            () if !facts.paid.is_empty() => State::Processing,
            () if facts.failed => State::Failed,
            () if facts.submitted => State::Processing,
            () => State::Open,
        }
    }
}

/// The state of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The customer has not paid yet.
    Open,
    /// The customer has done their part; the money is on its way.
    Processing,
    /// Paid, and the credits have arrived. Credits refunded or disputed since are taken back.
    Credited,
    /// The payment failed.
    Failed,
    /// It was not paid in time.
    Expired,
    /// Something differs from what was ordered: an operator looks at it.
    Parked,
    /// An operator has looked at it: no credits arrive for it.
    Dismissed,
}

impl State {
    pub const ALL: [State; 7] = [
        State::Open,
        State::Processing,
        State::Credited,
        State::Failed,
        State::Expired,
        State::Parked,
        State::Dismissed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Processing => "processing",
            State::Credited => "credited",
            State::Failed => "failed",
            State::Expired => "expired",
            State::Parked => "parked",
            State::Dismissed => "dismissed",
        }
    }
}
