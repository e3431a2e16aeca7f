//! Changes as data: what to write, and on what condition.

use super::mend::Mend;
use super::refund::Refund;
use super::tally::Tally;
use crate::domain::catalog::ActionNumber;
use crate::domain::ledger::Stretch;
use crate::domain::payment::{Customer, Decided};
use crate::domain::{
    Account, AccountId, Credits, Entry, Gate, Held, Instant, Key, Note, OperationId, Order,
    Payment, Seq,
};

/// One conditional write: committed whole or not at all, in one request to DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Account(AccountChange),
    /// A page, if there is none under its key.
    Page(Page),
    /// A name for an id, if the key has none yet, or if it is still the one to replace.
    Name(Name),
    /// An account that was not there, with the receipt of its opening.
    Open(Receipt, Box<Account>),
    /// A receipt that was not there, and with it the account.
    Receipted(Receipt, AccountChange),
    /// A receipt that was not there, what was given back so far, and the account.
    Refund(Receipt, Refund),
    /// The usage of days, if each is as it was read.
    Tally(Tally),
    /// An order that was not there, with its receipt.
    Order(Receipt, Box<Order>),
    /// What Stripe has told about an order that is there.
    Told(OperationId, Told),
    /// A payment, if it is as it was read, and with it its order, its account, and whether it waits
    /// for an operator.
    Payment(Box<PaymentChange>),
    /// An event that cannot be read, if it was not kept before.
    Keep(UnreadEvent),
    /// What an operator decided about an event that was kept.
    Decide(UnreadEvent, Decided),
    /// The next version of the catalog, if the one in force is the version before it.
    Publish(Edition),
    /// A customer comes in by a link, if nobody has.
    Enter(Entrance),
    /// Something of the ledger is put right, after the tables were restored.
    Mend(Mend),
}

/// A change of one account that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    pub account: AccountId,
    /// All of them hold, or nothing is written.
    pub when: Vec<Guard>,
    pub then: Vec<Step>,
}

/// A condition on the account as it is when the write arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// At least so much is available.
    Covers(Credits),
    /// The line still means at this instant what it meant when it was laid out.
    ValidAt(Instant),
    GateIs(Gate),
    /// Nothing younger than this instant has left for a page.
    FloorBelow(Instant),
    /// No entry after this one has left for a page.
    PagedAtMost(Seq),
    /// Exactly so many entries have left for pages.
    PagedIs(Seq),
    /// The list has room for so many more entries.
    RoomFor(usize),
    /// The operation is not among the recent entries.
    New(OperationId),
    /// Nothing happened since this entry.
    SeqIs(Seq),
    /// This entry was the latest settle.
    SettledIs(Seq),
    /// Fewer holds than this are open.
    HoldsBelow(usize),
    /// The hold is as it was read.
    HoldIs(OperationId, Held),
    DebtIs(Credits),
}

/// A part of what a write does to the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds to what is available; a debit adds less than nothing.
    Add(Credits),
    /// Counts the credits as consumed by the action; 0 is none. At most once an action.
    Consume(ActionNumber, Credits),
    /// The next entry of the ledger.
    Append(Entry),
    /// Something to fold in; the line is not valid until that is done.
    Notes(Vec<Note>),
    SetGate(Gate),
    SetDebt(Credits),
    SetHold(OperationId, Held),
    DropHold(OperationId),
    /// The account as settled: line, notes, holds, consumption, standing, what is available, and
    /// until when that is so. The entry that records it is a step of its own.
    Settle(Box<Account>),
    /// The oldest entries leave: they are in a page.
    Trim {
        count: usize,
        paged: Seq,
        floor: Instant,
        page_time: Instant,
    },
}

/// Consecutive entries in their final place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub account: AccountId,
    /// Orders the pages: the stamp of the first entry, or of a page before if that is later.
    pub time: Instant,
    /// The number of the first entry.
    pub first: Seq,
    pub entries: Vec<Entry>,
    /// The balance after the last entry.
    pub available: Credits,
    pub held: Credits,
}

impl Page {
    /// The number of the last entry.
    pub fn last(&self) -> Seq {
        self.first + self.entries.len() as Seq - 1
    }

    pub fn stretch(self) -> Stretch {
        let Page { first, entries, available, held, .. } = self;
        Stretch { first, entries, available, held }
    }
}

/// What a key that is not an id stands for. Kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub account: AccountId,
    pub key: Key,
    pub id: OperationId,
    /// The id that the key had, and that can never be applied any more.
    pub replaces: Option<OperationId>,
}

/// That an operation of an operator happened, by its key. Kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub account: AccountId,
    pub key: Key,
    pub id: OperationId,
    /// What was asked, in one line: the same key with another request is refused.
    pub content: String,
}

/// What Stripe has told about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Where the customer pays.
    Url(String),
    /// The session ended without a payment.
    Expired,
}

/// A payment as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentChange {
    /// As it is to be. Its version is the one that was read, and is counted on by the write.
    pub payment: Payment,
    /// The order that learns of it.
    pub order: Option<OperationId>,
    /// Whether it begins (true) or ceases to wait for an operator, with what there is to know.
    pub parks: Option<(bool, String)>,
    /// The customer that its account gets to be known as.
    pub customer: Option<Customer>,
    /// The change of its account.
    pub change: Option<AccountChange>,
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
pub struct Edition {
    pub version: u32,
    /// The catalog in TOML.
    pub text: String,
}

/// That a customer came in by a link: it does not work again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    pub account: AccountId,
    pub link: OperationId,
    /// The session that was opened by it.
    pub session: OperationId,
    /// When the link expires.
    pub expires_at: Instant,
}
