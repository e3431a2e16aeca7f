//! Payments: what was ordered, what Stripe has said about it, and the credits that are due for it.
//!
//! Credits are a function of what is said, and what is said is joined: by the names of Stripe's
//! objects and by Stripe's own amounts, never counted by event. A join of sets and of maxima does
//! not depend on the order, the number or the delay of the events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::money::Money;
use super::period::months_later;
use super::{AccountId, Credits, Instant, OperationId};

/// What a customer asks for, to order a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    pub pack: String,
    /// Who orders, as the session says.
    pub user: Option<String>,
    /// Where Stripe sends the customer back to, as the session says.
    pub return_url: String,
    /// Whether real money is asked for: by the key that Stripe is asked with.
    pub live: bool,
}

/// A pack, as it was offered to an account: what is paid for is what was ordered, whatever the
/// catalog says by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OperationId,
    pub account: AccountId,
    pub pack: String,
    pub credits: Credits,
    pub price: Money,
    pub expires_after_months: u32,
    /// The version of the catalog that offered it.
    pub catalog: u32,
    /// Whether real money is asked for: by the key that the order was placed with.
    pub live: bool,
    /// Who ordered, as the session says.
    pub user: Option<String>,
    /// Where Stripe sends the customer back to. It is the order's and no later session's: Stripe
    /// takes the order's key once more only for the same request.
    pub return_url: String,
    /// Stripe's customer of the account, if one was known by then.
    pub customer: Option<String>,
    /// Whether Stripe makes an invoice of it.
    pub invoice: bool,
    pub at: Instant,
    /// Where the customer pays, once Stripe has told.
    pub url: Option<String>,
    /// The payment, once Stripe has told.
    pub intent: Option<IntentId>,
    /// The session ended without a payment.
    pub expired: bool,
}

impl Order {
    /// When its credits are gone: so many months after it was placed, as it was shown.
    pub fn expires_at(&self) -> Instant {
        months_later(self.at, self.expires_after_months)
    }

    /// Where it stands while no payment for it is known.
    pub fn state(&self) -> State {
        if self.expired { State::Expired } else { State::Open }
    }
}

/// What one message of Stripe is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one of them is there at a time, and nearly all are payments"
)]
pub enum Said {
    Payment {
        intent: IntentId,
        facts: Facts,
    },
    /// The session of an order ended without a payment.
    Expired {
        order: OperationId,
    },
}

/// Stripe's name for a payment: everything that it says about one names its payment intent. Where
/// there was nothing to pay there is none, and the session's name stands for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a payment intent, or of a session without one")]
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
        // A session's name is the longer one: Stripe's have 66 characters.
        let known = text.starts_with("pi_") || text.starts_with("cs_");
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

/// What Stripe has said about a payment so far. Two of them are joined to one that has both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The orders and accounts that the payment was said to be for: one each, or it is parked.
    pub orders: BTreeSet<OperationId>,
    pub accounts: BTreeSet<String>,
    /// Whether it was said to be in live mode (true), or in test mode: one of them, or it is parked.
    pub modes: BTreeSet<bool>,
    /// The customer has done what there was to do.
    pub submitted: bool,
    /// The payment did not come through.
    pub failed: bool,
    /// What was paid: one amount, or it is parked.
    pub paid: BTreeSet<Money>,
    /// What charges say was refunded of them, by charge: it counts what failed later, too.
    pub returned: BTreeMap<String, Money>,
    pub refunds: BTreeMap<String, Refund>,
    pub disputes: BTreeMap<String, Dispute>,
    /// Where Stripe shows the receipt of its charge.
    pub receipt: Option<String>,
    /// Stripe's name for who paid.
    pub customer: Option<String>,
}

/// A refund, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refund {
    pub stage: RefundStage,
    pub money: Money,
}

/// The stages of a refund, each later than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundStage {
    /// Under way, or done: the money is on its way back.
    Going,
    /// Failed or canceled, which may come after it was done: the money came back to us.
    Undone,
}

/// A dispute, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dispute {
    pub stage: DisputeStage,
    pub money: Money,
}

/// The stages of a dispute, each later than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeStage {
    /// A question of the bank: no money was moved.
    Inquiry,
    /// The money was taken back, until it is decided.
    Open,
    Lost,
    /// The money came back to us. After a loss only if the bank changed its mind.
    Won,
}

impl RefundStage {
    const ALL: [RefundStage; 2] = [RefundStage::Going, RefundStage::Undone];

    pub fn name(self) -> &'static str {
        match self {
            RefundStage::Going => "going",
            RefundStage::Undone => "undone",
        }
    }

    pub fn named(name: &str) -> Option<RefundStage> {
        RefundStage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl DisputeStage {
    const ALL: [DisputeStage; 4] =
        [DisputeStage::Inquiry, DisputeStage::Open, DisputeStage::Lost, DisputeStage::Won];

    pub fn name(self) -> &'static str {
        match self {
            DisputeStage::Inquiry => "inquiry",
            DisputeStage::Open => "open",
            DisputeStage::Lost => "lost",
            DisputeStage::Won => "won",
        }
    }

    pub fn named(name: &str) -> Option<DisputeStage> {
        DisputeStage::ALL.into_iter().find(|stage| stage.name() == name)
    }

    fn takes(self) -> bool {
        matches!(self, DisputeStage::Open | DisputeStage::Lost)
    }
}

impl Facts {
    /// Both, as one. In any order, any number of times, it comes to the same.
    pub fn join(&mut self, other: Facts) {
        self.orders.extend(other.orders);
        self.accounts.extend(other.accounts);
        self.modes.extend(other.modes);
        self.submitted |= other.submitted;
        self.failed |= other.failed;
        self.paid.extend(other.paid);
        latest(&mut self.returned, other.returned);
        latest(&mut self.refunds, other.refunds);
        latest(&mut self.disputes, other.disputes);
        self.receipt = self.receipt.take().max(other.receipt);
        self.customer = self.customer.take().max(other.customer);
    }

    /// What was paid, as far as was said. Of several amounts, which park it, the largest.
    pub fn paid(&self) -> Option<Money> {
        self.paid.last().copied()
    }

    /// All the money that was said to move, either way.
    fn moved(&self) -> impl Iterator<Item = Money> {
        let refunds = self.refunds.values().map(|refund| refund.money);
        let disputes = self.disputes.values().map(|dispute| dispute.money);
        let paid = self.paid.iter().copied();
        paid.chain(self.returned.values().copied()).chain(refunds).chain(disputes)
    }

    /// What of the paid amount is ours to keep, in its smallest unit. What was said in another
    /// currency, which parks it, takes nothing.
    ///
    /// A charge counts what was refunded of it, and takes back what failed; refunds tell the same one
    /// by one. Whichever of them has been heard of, the larger is true: all that was refunded of the
    /// charges, less what failed of it since.
    pub fn kept(&self) -> u64 {
        let Some(paid) = self.paid() else { return 0 };
        let same = |money: Money| (money.currency == paid.currency).then_some(money.minor);
        let sum = |amounts: &mut dyn Iterator<Item = Money>| {
            amounts.filter_map(same).fold(0_u64, |sum, minor| sum.saturating_add(minor))
        };
        let refunds = |stage| {
            let refunds = self.refunds.values().filter(move |refund| refund.stage == stage);
            sum(&mut refunds.map(|refund| refund.money))
        };
        let returned = sum(&mut self.returned.values().copied());
        let refunded =
            refunds(RefundStage::Going).max(returned.saturating_sub(refunds(RefundStage::Undone)));
        let disputes = self.disputes.values().filter(|dispute| dispute.stage.takes());
        let disputed = sum(&mut disputes.map(|dispute| dispute.money));
        paid.minor.saturating_sub(refunded).saturating_sub(disputed)
    }
}

fn latest<T: Ord + Copy>(known: &mut BTreeMap<String, T>, said: BTreeMap<String, T>) {
    for (name, value) in said {
        known.entry(name).and_modify(|known| *known = value.max(*known)).or_insert(value);
    }
}

/// The credits that are due while `kept` of `paid` are ours to keep: in proportion, rounded down to a
/// whole micro-credit. All of them for all of it, even if there was nothing to pay.
///
/// What is taken back or given back is the difference of two such amounts, so that the parts always
/// sum to the whole, however many they are.
pub fn due(credits: Credits, paid: u64, kept: u64) -> Credits {
    if kept >= paid {
        return credits;
    }
    let micro = i128::from(credits.micro()) * i128::from(kept) / i128::from(paid);
    Credits::from_micro(i64::try_from(micro).expect("at most the credits that were ordered"))
}

/// A payment: what was said about it, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub intent: IntentId,
    pub facts: Facts,
    /// The credits of it that are in the account now.
    pub applied: Credits,
    /// How much of its credits had been used when they were over: what was due then, less what lapsed.
    /// None: they are not over, or what is due has not changed since.
    pub used: Option<Credits>,
    /// What an operator decided, after it was parked.
    pub decided: Option<Decided>,
    /// Counts the writes of it; 0: it was never written.
    pub version: u64,
    /// When it was first heard of.
    pub at: Instant,
}

/// What an operator decides about a parked payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub verdict: Verdict,
    pub reason: String,
    pub actor: Option<String>,
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts as what was ordered.
    Released,
    /// No credits for it.
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

/// The customer that Stripe knows an account as, in live mode or in test mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub account: AccountId,
    pub live: bool,
    /// Stripe's name for it.
    pub id: String,
}

/// What is wrong with a payment, by what was ordered.
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

    /// The order that it is for, if one is known. Of several, which parks it, the first.
    pub fn order(&self) -> Option<OperationId> {
        self.facts.orders.first().copied()
    }

    /// The grant that its credits are: of the first payment of an order the order itself. A second one
    /// that was released all the same is a grant of its own.
    pub fn grant(&self, order: &Order) -> OperationId {
        match &order.intent {
            Some(first) if *first != self.intent => {
                let digest = Sha256::digest(self.intent.as_str());
                let mut random = [0; 10];
                random.copy_from_slice(&digest[..10]);
                OperationId::mint(order.at, random)
            }
            _ => order.id,
        }
    }

    /// What differs from the order.
    pub fn mismatches(&self, order: &Order) -> Vec<Mismatch> {
        let Facts { orders, accounts, modes, paid, .. } = &self.facts;
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
            (Mismatch::Amount, paid.iter().any(|paid| paid.minor != price.minor)),
        ];
        wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(mismatch, _)| mismatch).collect()
    }

    /// Whether it waits for an operator: something differs, and nobody has decided.
    pub fn is_parked(&self, order: &Order) -> bool {
        self.decided.is_none() && !self.mismatches(order).is_empty()
    }

    /// The credits that are due for it now.
    pub fn due(&self, order: &Order) -> Credits {
        let paid = self.facts.paid();
        let due =
            paid.map_or(Credits::ZERO, |paid| due(order.credits, paid.minor, self.facts.kept()));
        match self.decided.as_ref().map(|decided| decided.verdict) {
            Some(Verdict::Released) => due,
            Some(Verdict::Dismissed) => Credits::ZERO,
            // What is parked gives no credits, whatever was heard of it first.
            None if self.is_parked(order) => Credits::ZERO,
            None => due,
        }
    }

    /// What arrives in its account, or is taken back, when what is due of it changes. What nobody used
    /// of credits that are over is not owed, whatever becomes of the money for it.
    pub fn moves(&self, before: Credits, due: Credits) -> Credits {
        let Some(used) = self.used else { return due - before };
        let owed = |due: Credits| (used - due).max(Credits::ZERO);
        owed(before) - owed(due)
    }

    /// Where it stands, for the customer.
    pub fn state(&self, order: &Order) -> State {
        let facts = &self.facts;
        match () {
            () if self.is_parked(order) => State::Parked,
            () if !facts.paid.is_empty() => State::Credited,
            () if facts.failed => State::Failed,
            () if facts.submitted => State::Processing,
            () => State::Open,
        }
    }
}

/// Where a checkout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The customer has not paid yet.
    Open,
    /// The customer has done what there was to do; the money is on its way.
    Processing,
    /// Paid, and the credits have arrived. What was refunded or disputed since is taken back.
    Credited,
    /// The money did not come.
    Failed,
    /// The session ended without a payment.
    Expired,
    /// Something differs from what was ordered: an operator looks at it.
    Parked,
}
