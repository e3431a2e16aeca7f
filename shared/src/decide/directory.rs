//! The directory: the writes of an account's row, by which operators find the account.
//!
//! The row is not part of the account's item, so a debit pays nothing for it. An operator's request
//! writes the names, relay writes the state from the stream, and neither reads the row.

use super::{Expect, Field, RowKey, RowWrite, Seen, Write};
use crate::domain::{Account, AccountId, AccountNames, AccountState, Seq};

/// A row of the directory as an audit found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    None,
    /// With what is wrong with it.
    Unreadable(String),
    /// It names this entry.
    At(Seq),
}

impl Found {
    /// That the row is still as it was found. A row that cannot be read cannot be compared.
    fn again(&self) -> Expect {
        match self {
            Found::None => Expect::Absent,
            Found::Unreadable(_) => Expect::Any,
            Found::At(seq) => Expect::Is(Seen::Seq(*seq)),
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Found::None => f.write_str("none"),
            Found::Unreadable(problem) => write!(f, "a row that cannot be read: {problem}"),
            Found::At(seq) => write!(f, "entry {seq}"),
        }
    }
}

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

/// The write that repairs the row of an account, if it is as it was found: with the state as of
/// entry `seq`.
pub fn repaired(account: &AccountId, state: AccountState, seq: Seq, found: &Found) -> Write {
    let (key, state) = (RowKey::Directory(account.clone()), Field::State(state, seq));
    Write::row(RowWrite::Set(key, state, found.again()))
}

/// Deletes the row of an account that does not exist, if the row is as it was found.
pub fn removed(account: &AccountId, found: &Found) -> Write {
    Write::row(RowWrite::Delete(RowKey::Directory(account.clone()), found.again()))
}
