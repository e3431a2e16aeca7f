//! Auto top-up: the consent of a customer, the card, and what was charged under it in a month.

use sha2::{Digest, Sha256};

use super::instant::Span;
use super::money::Money;
use super::period::month;
use super::{AccountId, Credits, Currency, Instant, OperationId, Seq};

/// After so many declines in succession it is off.
pub const MAX_DECLINES: u32 = 3;
/// For how long a request of the same setting is the same consent: Stripe keeps the page that saves
/// the card, and the key of its request, for a day.
pub const SAME_FOR: Span = Span::from_s(23 * 3600);
/// For how long Stripe is sent the request of a claim again: it keeps a key for a day.
const RESENT_FOR: Span = Span::from_s(23 * 3600);
/// How long after a claim `reconcile` asks Stripe about it: by then the answer or the webhook came.
pub const SETTLE_AFTER: Span = Span::from_s(600);

/// The threshold of an account whose auto top-up is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// A pack is bought when less than this is available.
    pub below: Credits,
    /// The number of the setting.
    pub set: u64,
}

/// What a customer sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub below: Credits,
    pub pack: String,
    /// The most that the card is charged in a calendar month (UTC).
    pub at_most: Money,
}

/// A customer's consent to charges of a saved card. Never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub id: OperationId,
    pub terms: Terms,
    /// Who consented, as the session says.
    pub by: String,
    pub at: Instant,
    /// The words that were consented to.
    pub words: String,
    /// Whether real money is charged: the key of the request to Stripe decides.
    pub live: bool,
    /// Where the customer came from, as the session says.
    pub return_url: String,
}

impl Consent {
    /// Whether `other` is the same setting by the same person, sent again.
    pub fn is_again(&self, other: &Consent) -> bool {
        let same = Consent { id: self.id, at: self.at, ..other.clone() };
        *self == same && other.at - self.at < SAME_FOR
    }
}

/// For how long a request that was sent may still reach Stripe.
const IN_FLIGHT: Span = Span::from_s(3_600);

/// A card that Stripe keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Stripe's ids of the customer and of the payment method.
    pub customer: String,
    pub payment_method: String,
}

/// Whether packs are bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    On(Card),
    /// Not before the customer has saved a card.
    NeedsCard,
    Off(OffReason),
}

impl State {
    pub fn name(&self) -> &'static str {
        match self {
            State::On(_) => "on",
            State::NeedsCard => "needs_card",
            State::Off(_) => "off",
        }
    }
}

/// Why it is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OffReason {
    /// A customer switched it off.
    Customer,
    /// An operator did.
    Operator,
    /// The card was declined [`MAX_DECLINES`] times in succession.
    Declined,
    /// A payment of the account was disputed.
    Dispute,
}

impl OffReason {
    pub const ALL: [OffReason; 4] =
        [OffReason::Customer, OffReason::Operator, OffReason::Declined, OffReason::Dispute];

    pub fn name(self) -> &'static str {
        match self {
            OffReason::Customer => "customer",
            OffReason::Operator => "operator",
            OffReason::Declined => "declined",
            OffReason::Dispute => "dispute",
        }
    }

    pub fn named(name: &str) -> Option<OffReason> {
        OffReason::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Why a pack was not bought, or not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// The bank declined the card, or Stripe does not have it any more.
    Declined,
    /// The bank asks for the customer to confirm the payment.
    AuthenticationRequired,
    /// The pack would take the month's charges over what the customer allows.
    CapReached,
    /// The pack is not sold any more.
    UnknownPack,
    /// The pack has another currency than the consent.
    CurrencyChanged,
    /// The consent is of the other mode of Stripe.
    LivemodeChanged,
    /// The account is closed to spending, or owes credits.
    AccountClosed,
    /// The account has too many grants or open checkouts.
    TooMany,
    /// Stripe cannot compute the tax: it has no address of the customer.
    TaxUnknown,
}

impl Failed {
    pub const ALL: [Failed; 9] = [
        Failed::Declined,
        Failed::AuthenticationRequired,
        Failed::CapReached,
        Failed::UnknownPack,
        Failed::CurrencyChanged,
        Failed::LivemodeChanged,
        Failed::AccountClosed,
        Failed::TooMany,
        Failed::TaxUnknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Failed::Declined => "declined",
            Failed::AuthenticationRequired => "authentication_required",
            Failed::CapReached => "cap_reached",
            Failed::UnknownPack => "unknown_pack",
            Failed::CurrencyChanged => "currency_changed",
            Failed::LivemodeChanged => "livemode_changed",
            Failed::AccountClosed => "account_closed",
            Failed::TooMany => "too_many",
            Failed::TaxUnknown => "tax_unknown",
        }
    }

    pub fn named(name: &str) -> Option<Failed> {
        Failed::ALL.into_iter().find(|failed| failed.name() == name)
    }
}

/// An order under way: what its payment will charge counts from when it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub order: OperationId,
    pub pack: String,
    pub credits: Credits,
    /// What the card is charged, tax included.
    pub price: Money,
    pub at: Instant,
    /// The first instant of the month for which it counts.
    pub month: Instant,
    pub card: Card,
}

impl Claim {
    /// Whether a request that was sent may still reach Stripe.
    pub fn is_in_flight(&self, now: Instant) -> bool {
        now - self.at < IN_FLIGHT
    }

    /// Whether the request that charges its card may be sent again. In another month it would be
    /// charged there, and count here.
    pub fn may_be_sent(&self, now: Instant) -> bool {
        now - self.at < RESENT_FOR && month(now).start <= self.month
    }
}

/// A claim that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub claim: Claim,
    /// None: it was paid.
    pub failed: Option<Failed>,
}

/// What was charged in a calendar month, and what was told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// The first instant of the month.
    pub from: Instant,
    /// The sums of the claims of the month that did not fail, by currency.
    pub charged: Vec<Money>,
    /// The reasons for which a pack was not ordered that are announced already.
    pub told: Vec<Failed>,
}

impl Month {
    /// The month of `now`; this one if it is later, by another clock.
    pub fn at(&self, now: Instant) -> Month {
        let from = month(now).start;
        match from > self.from {
            true => Month { from, ..Month::default() },
            false => self.clone(),
        }
    }

    /// What was charged in a currency.
    pub fn charged(&self, currency: Currency) -> Money {
        let charged = self.charged.iter().find(|charged| charged.currency == currency);
        charged.copied().unwrap_or(Money { currency, minor: 0 })
    }

    /// Counts a claim.
    pub fn count(&mut self, claim: &Claim) {
        let Money { currency, minor } = self.charged(claim.price.currency);
        self.set(Money { currency, minor: minor.saturating_add(claim.price.minor) });
    }

    /// Ceases to count a claim that failed. Of an earlier month it counts for nothing any more.
    pub fn uncount(&mut self, claim: &Claim) {
        let Money { currency, minor } = self.charged(claim.price.currency);
        if claim.month == self.from {
            self.set(Money { currency, minor: minor.saturating_sub(claim.price.minor) });
        }
    }

    fn set(&mut self, charged: Money) {
        self.charged.retain(|known| known.currency != charged.currency);
        self.charged.push(charged);
    }
}

/// What a write tells the rest of the company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// A claim ended.
    pub ended: bool,
    /// A pack is not ordered.
    pub refused: Option<Failed>,
    /// It is off from now on.
    pub off: bool,
}

/// The auto top-up of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoTopUp {
    pub account: AccountId,
    /// The latest consent.
    pub consent: Consent,
    pub state: State,
    /// How often it was set, or switched on by a card.
    pub set: u64,
    /// The order under way. There is one at most.
    pub claim: Option<Claim>,
    /// The claim that ended last.
    pub ended: Option<Ended>,
    /// The latest month of a claim, or of a pack that was not ordered.
    pub month: Month,
    /// The declines since the last paid claim or the latest consent.
    pub declines: u32,
    /// When `reconcile` looks at it.
    pub due: Option<Instant>,
    /// What the latest write of it tells.
    pub news: News,
    /// When it was written last, and what was available and held then.
    pub at: Instant,
    pub balance: (Credits, Credits),
    /// The number of times it was written; 0: never.
    pub version: u64,
}

impl AutoTopUp {
    /// The card, while it is on.
    pub fn card(&self) -> Option<&Card> {
        match &self.state {
            State::On(card) => Some(card),
            State::NeedsCard | State::Off(_) => None,
        }
    }

    /// The threshold of its account, while it is on.
    pub fn threshold(&self) -> Option<Threshold> {
        let below = self.consent.terms.below;
        self.card().map(|_| Threshold { below, set: self.set })
    }

    /// The claim of this order, while it is open.
    pub fn claim_of(&self, order: OperationId) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.order == order)
    }
}

/// A reason to look whether a pack is to be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The latest entry of the account, and its time.
    pub seq: Seq,
    pub at: Instant,
    /// The setting.
    pub set: u64,
    /// Whether what is available fell below the threshold here, or the setting is new: only then a
    /// card that was declined is charged again.
    pub fresh: bool,
}

impl Crossing {
    /// The id of its order: a record of a stream that comes again has the same.
    pub fn order(&self, account: &AccountId) -> OperationId {
        let digest = Sha256::digest(format!("auto {account} {} {}", self.seq, self.set));
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        OperationId::own(self.at, random)
    }
}
