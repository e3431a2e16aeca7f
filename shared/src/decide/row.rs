//! Rows of the ledger and their keys.

use crate::domain::auto_top_up::Consent;
use crate::domain::ledger::EntryRun;
use crate::domain::limit::{FirstReached, OwnLimits};
use crate::domain::payment::Customer;
use crate::domain::reconcile::ReconcileState;
use crate::domain::service_key::{RevokedKey, ServiceKey};
use crate::domain::subscription::{Billing, SubscriptionId};
use crate::domain::usage::DayUsage;
use crate::domain::{
    AccountId, AutoTopUp, Credits, Entry, Instant, Key, KeySpace, OperationId, Order, Orders,
    Payment, Seq, Subject,
};

/// A row of the ledger, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Segment(Segment),
    KeyAlias(KeyAlias),
    IdempotencyRecord(IdempotencyRecord),
    /// The credits of a debit or a capture that were given back so far.
    Returned(AccountId, OperationId, Credits),
    /// The limits of an account's own.
    Limits(AccountId, OwnLimits),
    /// The name of a subject that counts have by its hash.
    Subject(AccountId, Subject),
    /// The first charge that a limit did not let pass in a window.
    Reached(Box<FirstReached>),
    /// The usage of a day.
    Day(AccountId, Box<DayUsage>),
    Order(Box<Order>),
    /// The latest orders of an account.
    Orders(AccountId, Orders),
    /// The auto top-up of an account.
    AutoTopUp(Box<AutoTopUp>),
    /// A consent to auto top-up. Never deleted.
    Consent(AccountId, Box<Consent>),
    /// The place of an account's auto top-up among those that `reconcile` looks at.
    AutoDue(AccountId, Instant),
    Payment(Box<Payment>),
    /// Stripe's id for a buyer of an account.
    Customer(Customer),
    /// The account that a Stripe customer belongs to, by Stripe's id.
    CustomerAccount(AccountId, String),
    /// An account's subscriptions.
    Billing(Box<Billing>),
    /// The account that a subscription belongs to, by Stripe's id.
    SubscriptionAccount(AccountId, SubscriptionId),
    /// The place of an order or a payment among all of them.
    PaymentPlace(PlacedPayment),
    /// Its place among those of its account.
    AccountPaymentPlace(PlacedPayment),
    /// A payment or an event waits for an operator.
    Mark(Mark),
    Event(UnreadEvent),
    /// The catalog in force.
    Catalog(CatalogVersion),
    /// A catalog under its version. Never deleted.
    CatalogVersion(CatalogVersion),
    /// A rate table of a catalog, under its name and that catalog's version. Never deleted.
    RateTable {
        version: u32,
        name: String,
        text: String,
    },
    Redemption(Redemption),
    /// A service key among all of them. Never deleted.
    ServiceKey {
        key: Box<ServiceKey>,
        sealed_by: String,
    },
    /// A service key that is revoked.
    RevokedKey(RevokedKey),
    /// How far reconcile has come.
    Reconcile(ReconcileState),
    /// A row that `repair` quarantined: a person can still read it.
    Quarantined(Box<Row>),
}

/// The key of a row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// The time and the first number in its key.
    Segment(AccountId, Instant, Seq),
    IdempotencyRecord(AccountId, KeySpace, Key),
    Returned(AccountId, OperationId),
    Limits(AccountId),
    Order(OperationId),
    AutoDue(AccountId, Instant),
    Event(String),
    Mark(Instant, String),
    Redemption(AccountId, OperationId),
    /// An account's row in the directory.
    Directory(AccountId),
}

/// The place of an order in the listings of payments; or of a payment that is not the one that its
/// order names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedPayment {
    pub account: AccountId,
    /// When it was placed, or first heard of.
    pub at: Instant,
    /// The id of the order or of the payment.
    pub id: String,
}

/// A payment or an event that waits for an operator. Marks are in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: Instant,
    /// The id of the payment or of the event.
    pub id: String,
    /// The problem, in one line.
    pub problem: String,
}

impl Row {
    /// Whether a writer that finds the row there can tell that it wrote it, or need not know.
    pub fn tells_its_writer(&self) -> bool {
        matches!(
            self,
            Row::Segment(_)
                | Row::KeyAlias(_)
                | Row::Redemption(_)
                | Row::Day(..)
                | Row::Subject(..)
                | Row::Reached(_)
                | Row::ServiceKey { .. }
                | Row::RevokedKey(_)
        )
    }
}

/// The count of what was given back of a debit or a capture, so that nothing is given back twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    pub debit: OperationId,
    pub before: Credits,
    pub after: Credits,
}

/// Consecutive archived entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub account: AccountId,
    /// Orders the segments: the stamp of the first entry, or the time of a segment before if that
    /// is later.
    pub time: Instant,
    /// The number of the first entry.
    pub first: Seq,
    pub entries: Vec<Entry>,
    /// The balance after the last entry.
    pub available: Credits,
    pub held: Credits,
}

impl Segment {
    /// The number of the last entry.
    pub fn last(&self) -> Seq {
        self.first + self.entries.len() as Seq - 1
    }

    pub fn run(&self) -> EntryRun<'_> {
        let Segment { first, entries, available, held, .. } = self;
        EntryRun { first: *first, entries, available: *available, held: *held }
    }
}

/// The id of an operation whose key is not an id itself. Never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAlias {
    pub account: AccountId,
    pub key: Key,
    pub id: OperationId,
    /// The id that the key had before, which can never be applied any more.
    pub replaces: Option<OperationId>,
}

/// The record, by its key, of an operation whose key has no alias. Never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub account: AccountId,
    pub space: KeySpace,
    pub key: Key,
    pub id: OperationId,
    /// The request in one line: the same key with another request is refused.
    pub content: String,
}

/// A signed event that cannot be read. It is kept whole until an operator or a later version can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadEvent {
    /// Stripe's id of the event, or a hash of the body if it has none.
    pub id: String,
    pub body: String,
    pub problem: String,
    pub at: Instant,
}

/// One published version of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogVersion {
    pub version: u32,
    /// The catalog in TOML.
    pub text: String,
}

/// A session that a link opened in a browser. The link opens no other session, and the session is
/// valid until the customer leaves it or it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    pub account: AccountId,
    /// The id of the session and of the link.
    pub id: OperationId,
    /// The HTML document whose button opened it: the button pressed twice opens the same session.
    pub by: OperationId,
    pub expires_at: Instant,
    /// Whether the customer left.
    pub left: bool,
}
