//! The form of packed bytes: flags and tags, and what can be wrong.

/// What is wrong with packed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    #[error("it ends too early")]
    Short,
    #[error("it goes on after its end")]
    Long,
    #[error("a number is out of range")]
    Number,
    #[error("a text is not UTF-8")]
    Text,
    #[error("it has an unknown tag")]
    Tag,
}

pub(super) type Result<T> = std::result::Result<T, PackedError>;

/// Which of these an entry has, in one byte.
pub(super) const HELD: u8 = 1;
pub(super) const USER: u8 = 2;
pub(super) const REFERENCE: u8 = 4;
pub(super) const REASON: u8 = 8;
pub(super) const KEY: u8 = 16;
pub(super) const MESSAGE: u8 = 32;

/// The tags of [`EntryKind`](crate::domain::What), for ever: 0 is not one, so that zeroed bytes are refused.
pub(super) mod tag {
    pub(in super::super) const OPENED: u8 = 1;
    pub(in super::super) const DEBIT: u8 = 2;
    pub(in super::super) const GRANTED: u8 = 3;
    // 4 was an advance that did not tell its burn order. It was never released, and is refused.
    pub(in super::super) const PLAN_CHANGED: u8 = 5;
    pub(in super::super) const FROZEN: u8 = 6;
    pub(in super::super) const UNFROZEN: u8 = 7;
    pub(in super::super) const ADVANCED: u8 = 8;
    pub(in super::super) const HELD: u8 = 9;
    pub(in super::super) const CAPTURED: u8 = 10;
    pub(in super::super) const RELEASED: u8 = 11;
    pub(in super::super) const EXTENDED: u8 = 12;
    pub(in super::super) const REFUNDED: u8 = 13;
    pub(in super::super) const TOPPED_UP: u8 = 14;
    pub(in super::super) const REVERSED: u8 = 15;
    pub(in super::super) const DEBT_WAIVED: u8 = 16;
    /// An advance that changed what is owed, and tells how at its end.
    pub(in super::super) const ADVANCED_DEBTS: u8 = 17;
}
