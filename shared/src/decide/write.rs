//! Writes as data: the changes, and the conditions on which they are committed.

use super::row::{Mark, Returned, Row, RowKey};
use crate::domain::auto_top_up::Threshold;
use crate::domain::catalog::ActionNumber;
use crate::domain::limit::Counter;
use crate::domain::payment::{Decided, IntentId};
use crate::domain::{
    Account, AccountId, AccountNames, AccountState, Credits, Debts, Entry, EntryKind, Gate, Held,
    Instant, Key, OperationId, PendingChange, Seq,
};

/// One conditional write: committed whole or not at all, in one request to DynamoDB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// The guards and steps for an account, if it concerns one.
    pub account: Option<AccountWrite>,
    /// Rows of the ledger. The first whose condition fails is reported, before the account: an
    /// operation that happened is not refused because of what came later.
    pub rows: Vec<RowWrite>,
}

/// The guards and steps of a write for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountWrite {
    pub account: AccountId,
    /// All of them hold, or nothing is written.
    pub when: Vec<Guard>,
    /// Empty: the write only checks the guards.
    pub then: Vec<Step>,
}

/// The result of an operator's operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    Change(AccountWrite),
    /// The account is so already, by this entry.
    Already(OperationId),
    /// The same, with a row that is written as well.
    With(Box<Made>, RowWrite),
}

impl Made {
    /// The change, or the entry by which the account is so already; and the row.
    pub fn parts(self) -> (Result<AccountWrite, OperationId>, Option<RowWrite>) {
        match self {
            Made::Change(change) => (Ok(change), None),
            Made::Already(entry) => (Err(entry), None),
            Made::With(made, row) => (made.parts().0, Some(row)),
        }
    }
}

/// A conditional write of one row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowWrite {
    /// Writes the whole row.
    Put(Row, Expect),
    /// Sets a part of a row that exists.
    Set(RowKey, Field, Expect),
    Delete(RowKey, Expect),
}

/// The condition on a row as it is when the write arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// None: another part of the write has the condition, or a repair replaces a row that cannot be
    /// read, and so cannot be compared.
    Any,
    Absent,
    Present,
    /// Present, and this part of it is as it was read.
    Is(Seen),
    /// Absent; or this part of it is as it was read.
    AbsentOr(Seen),
    /// Present, and without this.
    Lacks(Missing),
    /// Absent; or the entry of an account that the row names is before this one.
    Before(Seq),
}

/// The part of a row that was read, to exclude a change in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The id in a key alias or an idempotency record.
    Id(OperationId),
    /// The version of a catalog, a payment, an account's orders or auto top-up, or reconcile's state.
    Version(u64),
    /// The last entry that a day's usage includes.
    Counted(Seq),
    /// The credits that were given back.
    Returned(Credits),
    /// The entries of a segment.
    Entries(Vec<Entry>),
    /// The entry that an account's row in the directory names.
    Seq(Seq),
}

/// The part that a row must not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An order's payment.
    Intent,
    /// What an operator decided about an event.
    Decision,
}

/// A part of a row that is set alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The address where the customer pays an order.
    Url(String),
    /// An order's session ended without a payment.
    Expired,
    /// An order's payment.
    Intent(IntentId),
    /// What an operator decided about an event.
    Decision(Decided),
    /// The customer left a session.
    Left,
    /// The names of an account in the directory; and its state as of an entry, where the row has
    /// none yet.
    Names { names: AccountNames, state: AccountState, seq: Seq },
    /// The state of an account in the directory, as of an entry.
    State(AccountState, Seq),
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

    /// A write of a new row.
    pub fn create(row: Row) -> Write {
        Write::row(RowWrite::Put(row, Expect::Absent))
    }
}

impl AccountWrite {
    /// Whether it changes an account that exists.
    pub fn updates(&self) -> bool {
        !matches!(self.then[..], [] | [Step::Open(_)])
    }

    /// A new account, where there is none.
    pub fn open(account: Box<Account>) -> AccountWrite {
        let id = account.id.clone();
        AccountWrite { account: id, when: vec![Guard::Absent], then: vec![Step::Open(account)] }
    }

    /// Joins several writes of one account into one: the credits to cover and the room needed add
    /// up, the earliest id counts, added and consumed credits are summed, and each write keeps its
    /// entry. A single write stays as it is. None: there is no write.
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

    /// Puts the caller's key on the entries that it appends, but for that of an advance, which is
    /// nobody's operation.
    pub fn keyed(&mut self, key: &Key) {
        let named = |entry: &mut Entry| {
            if !matches!(entry.kind, EntryKind::TimePassed { .. }) {
                entry.key = Some(key.as_str().to_owned());
            }
        };
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
    /// Adds the guard to those of a joined write.
    fn join(self, guards: &mut Vec<Guard>) {
        for known in guards.iter_mut() {
            match (known, &self) {
                (Guard::Covers(sum), Guard::Covers(credits)) => return *sum += *credits,
                (Guard::RoomFor(sum), Guard::RoomFor(count)) => return *sum += *count,
                (Guard::DedupFloorBelow(least), Guard::DedupFloorBelow(at)) => {
                    return *least = (*least).min(*at);
                }
                (
                    Guard::HasRoom { counter, room, credits, .. },
                    Guard::HasRoom { counter: other, room: least, credits: more, .. },
                ) if counter == other => {
                    // As if the one came after the other.
                    *room = (*room).min(*least - *credits);
                    return *credits += *more;
                }
                (known, guard) if known == guard => return,
                _ => {}
            }
        }
        guards.push(self);
    }
}

impl Step {
    /// Adds the step to those of a joined write.
    fn join(self, steps: &mut Vec<Step>) {
        for known in steps.iter_mut() {
            match (known, &self) {
                (Step::Add(sum), Step::Add(credits)) => return *sum += *credits,
                (Step::Consume(action, sum), Step::Consume(other, credits)) if action == other => {
                    return *sum += *credits;
                }
                (Step::Count(counter, sum), Step::Count(other, credits)) if counter == other => {
                    return *sum += *credits;
                }
                _ => {}
            }
        }
        steps.push(self);
    }
}

/// The guards and steps that give credits back to what is available. While something is owed, none
/// of them can be spent: the advance that has to come first repays it.
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
    /// Updates the count of what was given back, if it is as it was read.
    pub fn returned(account: &AccountId, count: &Returned) -> RowWrite {
        let before = match count.before {
            Credits::ZERO => Expect::Absent,
            before => Expect::Is(Seen::Returned(before)),
        };
        RowWrite::Put(Row::Returned(account.clone(), count.debit, count.after), before)
    }

    /// Creates a mark if it `begins`; deletes it if not.
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
    /// There is such an account.
    Present,
    /// Neither this entry nor a later one is archived; or there is no such account.
    KeepsFrom(Seq),
    /// At least so much is available.
    Covers(Credits),
    /// Less than so much is available.
    LacksFor(Credits),
    /// The burn order is valid until exactly then.
    ValidUntilIs(Instant),
    /// The burn order still means at this instant what it meant when it was advanced.
    ValidAt(Instant),
    GateIs(Gate),
    /// No id younger than this instant is archived.
    DedupFloorBelow(Instant),
    /// No entry after this one is archived.
    ArchivedAtMost(Seq),
    /// Exactly so many entries are archived.
    ArchivedIs(Seq),
    /// The account has room for so many more entries.
    RoomFor(usize),
    /// The operation is not among the recent entries.
    New(OperationId),
    /// This entry is the latest.
    SeqIs(Seq),
    /// This entry is the latest advance.
    AdvancedIs(Seq),
    /// Fewer holds than this are open.
    HoldsBelow(usize),
    /// The account's own limits are of this version.
    LimitsAre(u64),
    /// At most `room` was used of a limit: what it is above the credits that are to be counted. A
    /// count that is not there yet may begin, or may not.
    HasRoom {
        counter: Counter,
        room: Credits,
        credits: Credits,
        begins: bool,
    },
    /// More than this was used of a limit.
    LacksRoom(Counter, Credits),
    /// Exactly so much was used of a limit.
    UsedIs(Counter, Credits),
    UsedAtLeast(Counter, Credits),
    /// The hold is as it was read.
    HoldIs(OperationId, Held),
    /// The hold is as it was read, but for what parts took of its amount and quantity since.
    HoldTermsAre(OperationId, Held),
    /// More than these credits are left of what the hold holds and has not expired.
    HoldsMoreThan(OperationId, Credits),
    /// Less than this quantity of the hold was captured.
    CapturedBelow(OperationId, u64),
    DebtsAre(Debts),
}

/// One change that a write makes to the account.
#[expect(clippy::large_enum_variant, reason = "they are few, and nearly every write has its entry")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates the account. The only step of its write.
    Open(Box<Account>),
    /// Adds to what is available; a debit adds a negative amount.
    Add(Credits),
    /// Counts the credits as consumed by the action; action 0 is none. At most one step per action.
    Consume(ActionNumber, Credits),
    /// Adds to what was used of a limit; what is given back is a negative amount. At most one step
    /// per counter.
    Count(Counter, Credits),
    SetUsed(Counter, Credits),
    DropCount(Counter),
    SetLimitsVersion(u64),
    SetThreshold(Option<Threshold>),
    /// Appends the next entry of the ledger.
    Append(Entry),
    /// Adds pending changes; the burn order is not valid until an advance folds them in.
    AddPending(Vec<PendingChange>),
    /// Makes the burn order invalid until it is advanced: what came back has to repay what is owed
    /// first.
    Outdate,
    /// Extends how long the burn order is valid.
    ValidUntil(Instant),
    SetGate(Gate),
    SetDebts(Debts),
    SetHold(OperationId, Held),
    /// Sets all of a hold but what parts take of it: its amount, and how much was captured.
    SetHoldTerms(OperationId, Held),
    /// Takes these credits of a hold, and counts this quantity of its action as captured.
    TakeOfHold(OperationId, Credits, u64),
    DropHold(OperationId),
    /// The account as advanced: burn order, pending changes, holds, consumption, plan state, what
    /// is available, and until when that is valid. The entry that records it is a step of its own.
    Advance(Box<Account>),
    /// Drops the oldest entries: they are in a segment.
    Archive {
        count: usize,
        archived_seq: Seq,
        dedup_floor: Instant,
        archived_at: Instant,
    },
}
