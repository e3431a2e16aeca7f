//! Replay: whether an operation that happened is the one that is requested.

use super::debit::Charge;
use super::hold::CapturePart;
use super::operation::{Ask, Attempt};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::Quantity;
use crate::domain::meters::Meters;
use crate::domain::{Catalog, Credits, Entry, EntryKind, Refusal};

/// Checks that an operation that happened is the one that is requested. The request is compared,
/// not its price: a retry after a change of the catalog replays. `named_by`: the catalog that gave
/// the entry its numbers, as a name of a model may mean another one by now.
///
/// # Errors
/// [`Refusal::OperationReused`].
pub fn replay(attempt: &Attempt<'_>, entry: &Entry, named_by: &Catalog) -> Result<(), Refusal> {
    let request = attempt.request;
    let same = match (&request.ask, &entry.kind) {
        (Ask::Debit(charge), EntryKind::Debit { action, quantity }) => {
            same_charge(charge, named_by, (*action, *quantity), -entry.available)
        }
        (Ask::Hold { charge, life }, EntryKind::Held { action, quantity, expires_at }) => {
            same_charge(charge, named_by, (*action, *quantity), entry.held)
                && *expires_at - entry.at == *life
        }
        (
            Ask::Capture { hold, part, ends, beyond },
            EntryKind::Captured { hold: before, quantity, credits, ends: ended, uncharged, .. },
        ) => {
            let same_part = match part {
                CapturePart::Quantity(asked) => Quantity::Units(*asked) == *quantity,
                CapturePart::Meters(asked) => {
                    let before = quantity.call().map(|(_, meters)| meters);
                    before.is_some() && Meters::read(asked).ok() == before
                }
                CapturePart::Credits(asked) => {
                    *quantity == Quantity::NONE && *asked == *credits + *uncharged
                }
            };
            // What a call cost beyond its hold is left uncharged, whether or not it might ask.
            let called = quantity.call().is_some();
            let within = entry.beyond().is_zero() && (uncharged.is_zero() || called);
            // A capture of all that was held ends the hold, whether or not it asked for that; and
            // one that asked for no more than was held left no trace of whether it might.
            hold == before && same_part && (!ends || *ended) && (*beyond || within)
        }
        (Ask::Release { hold }, EntryKind::Released { hold: before }) => hold == before,
        // A lifetime shorter than the hold had anyway left no trace.
        (Ask::Extend { hold, life }, EntryKind::Extended { hold: before, expires_at }) => {
            hold == before && *life <= *expires_at - entry.at
        }
        _ => false,
    };
    let subjects =
        matches!(entry.kind, EntryKind::Captured { .. }) || entry.subjects == request.subjects;
    match same && subjects && entry.user == request.user && entry.reference == request.reference {
        true => Ok(()),
        false => Err(Refusal::OperationReused),
    }
}

fn same_charge(
    charge: &Charge,
    named_by: &Catalog,
    (action, quantity): (Option<ActionNumber>, Quantity),
    credits: Credits,
) -> bool {
    match charge {
        Charge::Action { .. } | Charge::Call { .. } => {
            action.is_some() && charge.identified(named_by) == action.map(|of| (of, quantity))
        }
        Charge::Credits(asked) => action.is_none() && *asked == credits,
    }
}
