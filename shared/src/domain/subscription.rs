//! Subscriptions at Stripe: what it says about those of an account, and which one its plan follows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::period::{Day, Period};
use super::{AccountId, Instant, NextPlan, PlanTerms};

/// Stripe's id of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a subscription")]
pub struct SubscriptionIdError;

impl SubscriptionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubscriptionId {
    type Err = SubscriptionIdError;

    fn from_str(text: &str) -> Result<SubscriptionId, SubscriptionIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = text.starts_with("sub_") && text.len() <= 128 && text.bytes().all(plain);
        fits.then(|| SubscriptionId(text.to_owned())).ok_or(SubscriptionIdError)
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stripe's word for how far a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Its first payment is not made yet,
    Incomplete,
    /// and was not made in time.
    IncompleteExpired,
    Trialing,
    Active,
    /// The latest invoice is not paid: Stripe tries again,
    PastDue,
    /// and has given up.
    Unpaid,
    /// Its trial ended, and there is nothing to pay with.
    Paused,
    Canceled,
}

impl SubscriptionStatus {
    pub const ALL: [SubscriptionStatus; 8] = [
        SubscriptionStatus::Incomplete,
        SubscriptionStatus::IncompleteExpired,
        SubscriptionStatus::Trialing,
        SubscriptionStatus::Active,
        SubscriptionStatus::PastDue,
        SubscriptionStatus::Unpaid,
        SubscriptionStatus::Paused,
        SubscriptionStatus::Canceled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SubscriptionStatus::Incomplete => "incomplete",
            SubscriptionStatus::IncompleteExpired => "incomplete_expired",
            SubscriptionStatus::Trialing => "trialing",
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::PastDue => "past_due",
            SubscriptionStatus::Unpaid => "unpaid",
            SubscriptionStatus::Paused => "paused",
            SubscriptionStatus::Canceled => "canceled",
        }
    }

    pub fn named(name: &str) -> Option<SubscriptionStatus> {
        SubscriptionStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether the customer has what it is for, or Stripe still tries to be paid for it.
    pub fn runs(self) -> bool {
        matches!(
            self,
            SubscriptionStatus::Trialing
                | SubscriptionStatus::Active
                | SubscriptionStatus::PastDue
                | SubscriptionStatus::Unpaid
        )
    }
}

/// So many of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionItem {
    /// Stripe's id of the price.
    pub price: String,
    pub quantity: u64,
}

/// A subscription, as Stripe said when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    /// The account that its metadata names.
    pub account: Option<String>,
    /// Stripe's id of who pays.
    pub customer: String,
    pub status: SubscriptionStatus,
    pub items: Vec<SubscriptionItem>,
    /// The period that runs, as Stripe bills it.
    pub cycle: Period,
    /// The instant that its cycles are counted from: in a trial its end, which is to come.
    pub anchored_at: Instant,
    /// When it ends, if that is decided.
    pub ends_at: Option<Instant>,
    /// What it is for from an instant on, if its schedule says so.
    pub then: Option<(Instant, Vec<SubscriptionItem>)>,
}

impl Subscription {
    /// The end of what is paid for: Scrip's periods end at the first instant of a day. None: it
    /// does not end, or ends on the day on which its cycle begins, which Stripe tells by itself.
    pub fn last_day(&self) -> Option<Instant> {
        self.ends_at.map(|at| Day::of(at).start()).filter(|at| *at > self.cycle.start)
    }
}

/// The subscription that an account's plan follows, and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    pub subscription: SubscriptionId,
    /// When the cycle began that the plan has followed.
    pub cycle_start: Instant,
    pub terms: PlanTerms,
    pub next: Option<NextPlan>,
}

/// A problem with an account's subscriptions that waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedSubscription {
    pub at: Instant,
    pub subscription: SubscriptionId,
    /// The problem in one line.
    pub problem: String,
}

/// What an account has at Stripe beside its packs, in live mode or in test mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    pub account: AccountId,
    pub live: bool,
    /// Stripe's id of who pays for the account: its portal changes card and subscriptions.
    pub customer: Option<String>,
    /// Those that run, and the one that is followed.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub followed: Option<Followed>,
    pub parked: Option<ParkedSubscription>,
    /// The number of times it was written; 0: never.
    pub version: u64,
}

impl Billing {
    /// That of an account of which Stripe has said nothing yet.
    pub fn new(account: AccountId, live: bool) -> Billing {
        let (customer, followed, parked) = (None, None, None);
        let subscriptions = BTreeMap::new();
        Billing { account, live, customer, subscriptions, followed, parked, version: 0 }
    }
}
