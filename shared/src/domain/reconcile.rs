//! How far reconcile has read what Stripe lists.

use super::Instant;

/// A list at Stripe that reconcile reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripeList {
    /// Events of sessions, payment intents and charges.
    PaymentEvents,
    /// Events of refunds and disputes.
    ReversalEvents,
    /// Events of subscriptions and their invoices.
    SubscriptionEvents,
    Charges,
    Sessions,
    Refunds,
    Disputes,
    /// All that there are.
    Subscriptions,
    /// The paid ones.
    Invoices,
}

impl StripeList {
    /// The lists of events. What names the order of a payment comes first: refunds and disputes do
    /// not name it.
    pub const EVENTS: [StripeList; 3] =
        [StripeList::PaymentEvents, StripeList::SubscriptionEvents, StripeList::ReversalEvents];
    /// The lists of objects, in such an order too.
    pub const OBJECTS: [StripeList; 4] =
        [StripeList::Charges, StripeList::Sessions, StripeList::Refunds, StripeList::Disputes];

    /// What is compared each day: the subscriptions, and what was paid for top-up plans.
    pub const DAILY: [StripeList; 2] = [StripeList::Subscriptions, StripeList::Invoices];

    /// The list that is read after this one. None: this is the last of its kind.
    pub fn next(self) -> Option<StripeList> {
        let after =
            |lists: &[StripeList]| lists.iter().skip_while(|list| **list != self).nth(1).copied();
        let objects = after(&StripeList::OBJECTS).or(after(&StripeList::DAILY));
        after(&StripeList::EVENTS).or(objects)
    }

    /// Whether it is compared each day, beside the events.
    pub fn is_daily(self) -> bool {
        StripeList::DAILY.contains(&self)
    }

    pub fn has_events(self) -> bool {
        StripeList::EVENTS.contains(&self)
    }

    /// Its word in the state row.
    pub fn word(self) -> &'static str {
        match self {
            StripeList::PaymentEvents => "payment_events",
            StripeList::ReversalEvents => "reversal_events",
            StripeList::SubscriptionEvents => "subscription_events",
            StripeList::Charges => "charges",
            StripeList::Sessions => "sessions",
            StripeList::Refunds => "refunds",
            StripeList::Disputes => "disputes",
            StripeList::Subscriptions => "subscriptions",
            StripeList::Invoices => "invoices",
        }
    }

    /// The list of this word. None: this version has no such list.
    pub fn of_word(word: &str) -> Option<StripeList> {
        let lists = StripeList::EVENTS.into_iter().chain(StripeList::OBJECTS);
        let lists = lists.chain(StripeList::DAILY);
        lists.into_iter().find(|list| list.word() == word)
    }
}

/// A position in the lists of one kind, which are read one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub list: StripeList,
    /// Only events and objects that were made before this instant, a whole second, are read.
    pub until: Instant,
    /// Stripe's id of the last one that was read of this list; None: from the beginning.
    pub after: Option<String>,
}

/// How far reconcile has come, over all its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileState {
    /// The number of writes of its row; 0: it has none yet.
    pub version: u64,
    /// All that Stripe reported before this instant is applied. None: no run has come to its end.
    pub through: Option<Instant>,
    /// When the subscriptions and the invoices were compared last. None: never.
    pub compared_at: Option<Instant>,
    /// Where that continues: after the events, which have their time.
    pub comparing: Option<Listing>,
    /// Where a run continues that did not come to its end.
    pub listing: Option<Listing>,
}
