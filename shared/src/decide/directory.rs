//! The directory: the writes of an account's row, by which operators find the account.
//!
//! The row is not part of the account's item, so a debit pays nothing for it. An operator's request
//! writes the names, relay writes the state from the stream, and neither reads the row.

use super::{Expect, Field, RowKey, RowWrite, Seen, Write};
use crate::domain::{Account, AccountId, AccountNames, AccountState, Seq};

/// The write of an account's names. `account` is the account as it was seen: its state is shown
/// until relay has written one.
pub fn named(account: &Account, names: &AccountNames) -> RowWrite {
    let (state, seq) = (AccountState::of(account), account.seq);
    let names = Field::Names { names: names.clone(), state, seq };
    RowWrite::Set(RowKey::Directory(account.id.clone()), names, Expect::Any)
}

/// The state to write after a change of an account. `before`: the account as it was; None: it was
/// opened. None: the state is as it was.
pub fn changed(before: Option<&Account>, after: &Account) -> Option<AccountState> {
    let state = AccountState::of(after);
    let same = before.is_some_and(|before| AccountState::of(before) == state);
    (!same).then_some(state)
}

/// The write of an account's state as of entry `seq`. A write that comes late or again is refused.
pub fn state(account: &AccountId, state: AccountState, seq: Seq) -> Write {
    let (key, state) = (RowKey::Directory(account.clone()), Field::State(state, seq));
    Write::row(RowWrite::Set(key, state, Expect::Before(seq)))
}

/// The write that repairs the row of an account, if it is as it was read: with the state as of
/// entry `seq`. `found`: the entry that the row names; None: there is no row.
pub fn repaired(account: &AccountId, state: AccountState, seq: Seq, found: Option<Seq>) -> Write {
    let read = found.map_or(Expect::Absent, |found| Expect::Is(Seen::Seq(found)));
    let (key, state) = (RowKey::Directory(account.clone()), Field::State(state, seq));
    Write::row(RowWrite::Set(key, state, read))
}

/// Deletes the row of an account that does not exist, if the row is as it was read.
pub fn removed(account: &AccountId, found: Seq) -> Write {
    let key = RowKey::Directory(account.clone());
    Write::row(RowWrite::Delete(key, Expect::Is(Seen::Seq(found))))
}
