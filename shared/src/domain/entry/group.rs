//! The groups of entries: each kind is in one of them, so together they are the whole ledger.

use super::EntryKind;

/// What entries are about, for a person who looks for some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryGroup {
    /// Credits spent, held and given back.
    Usage,
    /// Credits that were paid for, and payments whose money went back.
    Purchases,
    /// The account and its plan: credits that arrive and expire with time.
    Renewals,
    /// Acts of the company's own people and programs.
    Adjustments,
}

impl EntryGroup {
    pub const ALL: [EntryGroup; 4] =
        [EntryGroup::Usage, EntryGroup::Purchases, EntryGroup::Renewals, EntryGroup::Adjustments];

    /// The word for it in a query.
    pub fn name(self) -> &'static str {
        match self {
            EntryGroup::Usage => "usage",
            EntryGroup::Purchases => "purchases",
            EntryGroup::Renewals => "renewals",
            EntryGroup::Adjustments => "adjustments",
        }
    }
}

impl EntryKind {
    /// The group that it is in.
    pub fn group(&self) -> EntryGroup {
        match self {
            EntryKind::Debit { .. }
            | EntryKind::Held { .. }
            | EntryKind::Captured { .. }
            | EntryKind::Released { .. }
            | EntryKind::Extended { .. }
            | EntryKind::Refunded { .. } => EntryGroup::Usage,
            EntryKind::ToppedUp { .. } | EntryKind::Reversed { .. } => EntryGroup::Purchases,
            EntryKind::Opened { .. }
            | EntryKind::TimePassed { .. }
            | EntryKind::PlanChanged { .. } => EntryGroup::Renewals,
            EntryKind::Granted { .. }
            | EntryKind::Revoked { .. }
            | EntryKind::Frozen
            | EntryKind::Unfrozen
            | EntryKind::DebtWaived { .. }
            | EntryKind::LimitSet { .. }
            | EntryKind::Unknown { .. } => EntryGroup::Adjustments,
        }
    }
}
