//! The format of packed bytes: flags, tags and errors.

/// An error in packed bytes.
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

/// One byte of flags says which of these an entry has.
pub(super) const HELD: u8 = 1;
pub(super) const USER: u8 = 2;
pub(super) const REFERENCE: u8 = 4;
pub(super) const REASON: u8 = 8;
pub(super) const KEY: u8 = 16;
pub(super) const MESSAGE: u8 = 32;
/// Not of an operator's entry: it has no user, and its actor is in the user's place.
pub(super) const ACTOR: u8 = 64;
/// A second byte of flags follows.
pub(super) const MORE: u8 = 128;
/// In the second byte.
pub(super) const SUBJECTS: u8 = 1;
pub(super) const COUNTS: u8 = 2;
/// The subject and the kind of window of a count share a number: so many times the place of the
/// subject, and that of the kind.
pub(super) const PERS: u64 = 8;

/// Flags beside the number of a status: the seats follow the anchor,
pub(super) const SEATS: u8 = 0x40;
/// and the plan that is due to come follows them.
pub(super) const NEXT: u8 = 0x80;

/// The permanent tags of [`EntryKind`](crate::domain::EntryKind). 0 is not a tag, so zeroed bytes
/// are refused.
pub(super) mod tag {
    pub(in super::super) const OPENED: u8 = 1;
    pub(in super::super) const DEBIT: u8 = 2;
    pub(in super::super) const GRANTED: u8 = 3;
    // 4 was an advance without its burn order. It was never released, and is refused.
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
    /// An advance that changed a debt: the changes follow at its end.
    pub(in super::super) const ADVANCED_DEBTS: u8 = 17;
    /// From here on the length of the kind's fields comes before them, so that a version that does
    /// not know the kind can carry the entry along.
    pub(in super::super) const MEASURED: u8 = 18;
    pub(in super::super) const REVOKED: u8 = 18;
    /// A capture that left uncharged some of what it asked for beyond its hold.
    pub(in super::super) const CAPTURED_IN_PART: u8 = 19;
    /// Debits, holds and captures of a call of a model, with its meters.
    pub(in super::super) const DEBIT_OF_CALL: u8 = 20;
    pub(in super::super) const HELD_FOR_CALL: u8 = 21;
    pub(in super::super) const CAPTURED_OF_CALL: u8 = 22;
    /// A refund of a call: its model is beside the action.
    pub(in super::super) const REFUNDED_OF_CALL: u8 = 23;
    pub(in super::super) const LIMIT_SET: u8 = 24;
}
