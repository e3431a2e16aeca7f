//! Splits the entry of an advance into parts, each with its cause in time or money.

use super::payment::Cause;
use super::{Credits, DebtChange, Entry, EntryKind, GrantId, GrantKind, Movement};

/// One thing that an advance did. The parts of an entry sum to its change of available, and to its
/// change of debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPart {
    pub did: Did,
    /// The kind of the grant that it is of, if it is of one.
    pub kind: Option<GrantKind>,
    /// The change of available.
    pub available: Credits,
    /// The change of debt.
    pub debt: Credits,
}

/// The cause of a part, in time or money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Holds lapsed, and the credits that they held came back.
    HoldEnded,
    /// The rest of a grant expired.
    Expired,
    /// A grant arrived.
    Renewed,
    /// The money of a payment went back.
    TakenBack(Cause),
    /// Bought credits repaid debt.
    Repaid,
}

impl Did {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Did::HoldEnded => "hold_ended",
            Did::Expired => "expired",
            Did::Renewed => "renewed",
            Did::TakenBack(cause) => taken_back(cause),
            Did::Repaid => "debt_repaid",
        }
    }
}

fn taken_back(cause: Cause) -> &'static str {
    match cause {
        Cause::Review => "payment_reviewed",
        Cause::Refund => "payment_refunded",
        Cause::Dispute => "payment_disputed",
    }
}

impl Entry {
    /// Why money moved, in one word. None: no money moved, or a payment was only paid.
    pub fn cause(&self) -> Option<&'static str> {
        match self.kind {
            EntryKind::Reversed { cause, .. } => Some(taken_back(cause)),
            EntryKind::ToppedUp { cause, .. } => cause.map(|cause| match cause {
                Cause::Review => "payment_released",
                Cause::Refund => "refund_failed",
                Cause::Dispute => "dispute_won",
            }),
            _ => None,
        }
    }

    /// The parts of an advance, in an order in which no credits leave before they arrive. Any other
    /// entry has none, nor has an advance that only wrote down what was already known.
    pub fn parts(&self) -> Vec<EntryPart> {
        let EntryKind::TimePassed { moved, lapsed, debts, .. } = &self.kind else {
            return Vec::new();
        };
        // Time moved all credits of a grant except those taken back from it or repaid with it.
        let taken = |grant: GrantId| -> Credits {
            let taken = debts.iter().filter_map(|change| match change {
                DebtChange::Reversed { taken, .. } => taken.as_ref(),
                DebtChange::Repaid { by, .. } => Some(by),
            });
            taken.filter(|taken| taken.id == grant).map(|taken| taken.left).sum()
        };
        let mut parts = Vec::new();
        let back = self.available - moved.iter().map(|moved| moved.credits).sum();
        if !lapsed.is_empty() {
            let (did, debt) = (Did::HoldEnded, Credits::ZERO);
            parts.push(EntryPart { did, kind: None, available: back, debt });
        }
        let by_time = moved.iter().map(|Movement { grant, kind, credits, .. }| {
            let available = *credits + taken(*grant);
            let did = if available < Credits::ZERO { Did::Expired } else { Did::Renewed };
            EntryPart { did, kind: Some(*kind), available, debt: Credits::ZERO }
        });
        let by_time: Vec<EntryPart> = by_time.filter(|part| !part.available.is_zero()).collect();
        for did in [Did::Expired, Did::Renewed] {
            by_time.iter().filter(|part| part.did == did).for_each(|part| add(&mut parts, *part));
        }
        for change in debts {
            let (did, gone) = match change {
                DebtChange::Reversed { cause, taken, .. } => {
                    let left = taken.as_ref().map_or(Credits::ZERO, |taken| taken.left);
                    (Did::TakenBack(*cause), left)
                }
                DebtChange::Repaid { by, .. } => (Did::Repaid, by.left),
            };
            let (available, debt) = (-gone, change.owed());
            if !(available.is_zero() && debt.is_zero()) {
                add(&mut parts, EntryPart { did, kind: None, available, debt });
            }
        }
        parts
    }
}

/// Adds a part to the one with the same cause and grant kind, or appends it.
fn add(parts: &mut Vec<EntryPart>, more: EntryPart) {
    match parts.iter_mut().find(|part| (part.did, part.kind) == (more.did, more.kind)) {
        Some(part) => {
            part.available += more.available;
            part.debt += more.debt;
        }
        None => parts.push(more),
    }
}
