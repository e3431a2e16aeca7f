//! Rows of the ledger, as they are kept, and where each of them is.

use crate::domain::ledger::EntryRun;
use crate::domain::payment::Customer;
use crate::domain::usage::DayUsage;
use crate::domain::{
    AccountId, Credits, Entry, Instant, Key, KeySpace, OperationId, Order, Orders, Payment, Seq,
};

/// A row of the ledger, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Segment(Segment),
    KeyAlias(KeyAlias),
    IdempotencyRecord(IdempotencyRecord),
    /// What was given back so far of a debit or a capture.
    Returned(AccountId, OperationId, Credits),
    /// The usage of a day.
    Day(AccountId, Box<DayUsage>),
    Order(Box<Order>),
    /// The latest orders of an account.
    Orders(AccountId, Orders),
    Payment(Box<Payment>),
    /// Stripe's name for a buyer of an account.
    Customer(Customer),
    /// That a payment or an event waits for an operator.
    Mark(Mark),
    Event(UnreadEvent),
    /// The catalog in force.
    Catalog(CatalogVersion),
    /// The same under its version, for ever.
    CatalogVersion(CatalogVersion),
    Redemption(Redemption),
    /// A row that `repair` took out of its place: a person can still read it.
    Aside(Box<Row>),
}

/// Where a row of the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// By the time and the first number in its key.
    Segment(AccountId, Instant, Seq),
    IdempotencyRecord(AccountId, KeySpace, Key),
    Returned(AccountId, OperationId),
    Order(OperationId),
    Event(String),
    Mark(Instant, String),
    Redemption(AccountId, OperationId),
}

/// That a payment or an event waits for an operator, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: Instant,
    /// Of the payment, or of the event.
    pub id: String,
    /// What there is to know, in one line.
    pub problem: String,
}

impl Row {
    /// Whether its writer, when it finds the row there, can tell that it wrote it, or need not know.
    pub fn tells_its_writer(&self) -> bool {
        matches!(self, Row::Segment(_) | Row::KeyAlias(_) | Row::Redemption(_) | Row::Day(..))
    }
}

/// A count of what was given back of a debit or a capture: so that nothing is given back twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    pub debit: OperationId,
    pub before: Credits,
    pub after: Credits,
}

/// Consecutive entries in their final place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub account: AccountId,
    /// Orders the segments: the stamp of the first entry, or of a segment before if that is later.
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

/// The id that a key stands for which is no id itself. Never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAlias {
    pub account: AccountId,
    pub key: Key,
    pub id: OperationId,
    /// The id that the key had, and that can never be applied any more.
    pub replaces: Option<OperationId>,
}

/// The record, by its key, that an operation happened which has no name for its key. Never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub account: AccountId,
    pub space: KeySpace,
    pub key: Key,
    pub id: OperationId,
    /// What was asked, in one line: the same key with another request is refused.
    pub content: String,
}

/// A signed event that cannot be read: kept whole, until an operator or a later version can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadEvent {
    /// Stripe's name for it, or a hash of what was sent if it has none.
    pub id: String,
    pub body: String,
    pub problem: String,
    pub at: Instant,
}

/// One version of the catalog, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogVersion {
    pub version: u32,
    /// The catalog in TOML.
    pub text: String,
}

/// A session that a link opened in a browser: the link opens no other one, and the session is valid
/// until it is left or expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    pub account: AccountId,
    /// The session's, and the link's.
    pub id: OperationId,
    /// The HTML document whose button opened it: pressed twice, it opens the same session.
    pub by: OperationId,
    pub expires_at: Instant,
    /// Whether the customer left.
    pub left: bool,
}
