//! Writes as data: what to write, and on what condition.

use super::row::{Mark, Returned, Row, RowKey};
use crate::domain::catalog::ActionNumber;
use crate::domain::payment::{Decided, IntentId};
use crate::domain::{
    Account, AccountId, Credits, Debts, Entry, Gate, Held, Instant, Key, OperationId,
    PendingChange, Seq,
};

/// One conditional write: committed whole or not at all, in one request to DynamoDB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// What it asks and makes of an account, if of any.
    pub account: Option<AccountWrite>,
    /// Rows of the ledger. The first whose condition fails is told, before the account: an operation
    /// that happened is not refused by what came later.
    pub rows: Vec<RowWrite>,
}

/// What a write asks and makes of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountWrite {
    pub account: AccountId,
    /// All of them hold, or nothing is written.
    pub when: Vec<Guard>,
    /// Empty: the guards are all there is to it.
    pub then: Vec<Step>,
}

/// What an operator's operation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    Change(AccountWrite),
    /// It is so already, by this entry.
    Already(OperationId),
}

/// What a write makes of one row of the ledger, and on what condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowWrite {
    /// The row as it is to be.
    Put(Row, Expect),
    /// A part of a row that is there.
    Set(RowKey, Field, Expect),
    Delete(RowKey, Expect),
}

/// The condition on a row as it is when the write arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    Absent,
    Present,
    /// There, and this of it as it was read.
    Is(Seen),
    /// Not there; or this of it as it was read.
    AbsentOr(Seen),
    /// There, and without this.
    Lacks(Missing),
}

/// What is known of a row, so that nobody has changed it in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A name's or a receipt's.
    Id(OperationId),
    /// A catalog's, or a payment's.
    Version(u64),
    /// The last entry that was counted into a day.
    Counted(Seq),
    /// What was given back.
    Returned(Credits),
    /// A segment's entries.
    Entries(Vec<Entry>),
}

/// What a row may not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An order's payment.
    Intent,
    /// What an operator decided about an event.
    Decision,
}

/// A part of a row that is set by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Where the customer pays an order.
    Url(String),
    /// An order's session ended without a payment.
    Expired,
    /// An order's payment.
    Intent(IntentId),
    /// What an operator decided about an event.
    Decision(Decided),
    /// That the customer left a session.
    Left,
}

impl Write {
    /// A write of an account alone.
    pub fn account(account: AccountWrite) -> Write {
        Write { account: Some(account), rows: Vec::new() }
    }

    /// A write of one row.
    pub fn row(row: RowWrite) -> Write {
        Write { account: None, rows: vec![row] }
    }

    /// A row that was not there.
    pub fn create(row: Row) -> Write {
        Write::row(RowWrite::Put(row, Expect::Absent))
    }
}

impl AccountWrite {
    /// Whether it changes an account that is there.
    pub fn updates(&self) -> bool {
        !matches!(self.then[..], [] | [Step::Open(_)])
    }

    /// A new account, where there is none.
    pub fn open(account: Box<Account>) -> AccountWrite {
        let id = account.id.clone();
        AccountWrite { account: id, when: vec![Guard::Absent], then: vec![Step::Open(account)] }
    }

    /// Several writes of one account as one: what must be covered and what room is needed add up, the
    /// earliest id counts, what is added and consumed is summed, and each keeps its entry. A write by
    /// itself stays as it is. None of none.
    pub fn join(writes: Vec<AccountWrite>) -> Option<AccountWrite> {
        let mut writes = writes.into_iter();
        let mut joined = writes.next()?;
        for write in writes {
            debug_assert_eq!(joined.account, write.account);
            write.when.into_iter().for_each(|guard| guard.join(&mut joined.when));
            write.then.into_iter().for_each(|step| step.join(&mut joined.then));
        }
        Some(joined)
    }

    /// Gives the entries that it appends the caller's key.
    pub fn keyed(&mut self, key: &Key) {
        let named = |entry: &mut Entry| entry.key = Some(key.as_str().to_owned());
        for step in &mut self.then {
            match step {
                Step::Append(entry) => named(entry),
                Step::Open(account) => account.recent.iter_mut().for_each(named),
                _ => {}
            }
        }
    }
}

impl Guard {
    /// Takes its place among the guards of a joined write.
    fn join(self, guards: &mut Vec<Guard>) {
        for known in guards.iter_mut() {
            match (known, &self) {
                (Guard::Covers(sum), Guard::Covers(credits)) => return *sum += *credits,
                (Guard::RoomFor(sum), Guard::RoomFor(count)) => return *sum += *count,
                (Guard::DedupFloorBelow(least), Guard::DedupFloorBelow(at)) => {
                    return *least = (*least).min(*at);
                }
                (known, guard) if known == guard => return,
                _ => {}
            }
        }
        guards.push(self);
    }
}

impl Step {
    /// Takes its place among the steps of a joined write.
    fn join(self, steps: &mut Vec<Step>) {
        for known in steps.iter_mut() {
            match (known, &self) {
                (Step::Add(sum), Step::Add(credits)) => return *sum += *credits,
                (Step::Consume(action, sum), Step::Consume(other, credits)) if action == other => {
                    return *sum += *credits;
                }
                _ => {}
            }
        }
        steps.push(self);
    }
}

/// Credits that come back to what is available: what asks for it and what does it. While something is
/// owed nothing of them can be spent: the advance that has to come first repays it.
pub(super) fn give_back(account: &Account, credits: Credits) -> (Vec<Guard>, Vec<Step>) {
    if credits.is_zero() {
        return (Vec::new(), Vec::new());
    }
    let repays = (!account.debts.is_empty()).then_some(Step::Outdate);
    (
        vec![Guard::DebtsAre(account.debts.clone())],
        [Step::Add(credits)].into_iter().chain(repays).collect(),
    )
}

impl RowWrite {
    /// What was given back, counted on from what it was read to be.
    pub fn returned(account: &AccountId, count: &Returned) -> RowWrite {
        let before = match count.before {
            Credits::ZERO => Expect::Absent,
            before => Expect::Is(Seen::Returned(before)),
        };
        RowWrite::Put(Row::Returned(account.clone(), count.debit, count.after), before)
    }

    /// A mark, if it begins, or its end.
    pub fn mark(mark: Mark, begins: bool) -> RowWrite {
        match begins {
            true => RowWrite::Put(Row::Mark(mark), Expect::Absent),
            false => RowWrite::Delete(RowKey::Mark(mark.at, mark.id), Expect::Present),
        }
    }
}

/// A condition on the account as it is when the write arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// There is no such account.
    Absent,
    /// Neither this entry nor a later one has left for a segment; or there is no such account.
    KeepsFrom(Seq),
    /// At least so much is available.
    Covers(Credits),
    /// The burn order is valid until exactly then.
    ValidUntilIs(Instant),
    /// The burn order still means at this instant what it meant when it was laid out.
    ValidAt(Instant),
    GateIs(Gate),
    /// Nothing younger than this instant has left for a segment.
    DedupFloorBelow(Instant),
    /// No entry after this one has left for a segment.
    ArchivedAtMost(Seq),
    /// Exactly so many entries have left for segments.
    ArchivedIs(Seq),
    /// The list has room for so many more entries.
    RoomFor(usize),
    /// The operation is not among the recent entries.
    New(OperationId),
    /// Nothing happened since this entry.
    SeqIs(Seq),
    /// This entry was the latest advance.
    AdvancedIs(Seq),
    /// Fewer holds than this are open.
    HoldsBelow(usize),
    /// The hold is as it was read.
    HoldIs(OperationId, Held),
    DebtsAre(Debts),
}

/// A part of what a write does to the account.
#[expect(clippy::large_enum_variant, reason = "they are few, and nearly every write has its entry")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The account, whole and new. The only step of its write.
    Open(Box<Account>),
    /// Adds to what is available; a debit adds less than nothing.
    Add(Credits),
    /// Counts the credits as consumed by the action; 0 is none. At most once an action.
    Consume(ActionNumber, Credits),
    /// The next entry of the ledger.
    Append(Entry),
    /// Something to fold in; the burn order is not valid until that is done.
    AddPending(Vec<PendingChange>),
    /// The burn order is not valid until it is advanced: what came back has to repay what is owed first.
    Outdate,
    /// The burn order means the same for longer.
    ValidUntil(Instant),
    SetGate(Gate),
    SetDebts(Debts),
    SetHold(OperationId, Held),
    DropHold(OperationId),
    /// The account as advanced: line, notes, holds, consumption, standing, what is available, and
    /// until when that is so. The entry that records it is a step of its own.
    Advance(Box<Account>),
    /// The oldest entries leave: they are in a segment.
    Archive {
        count: usize,
        archived_seq: Seq,
        dedup_floor: Instant,
        archived_at: Instant,
    },
}
