//! The parts of a service's request that say what to charge, and for how long to hold it.

use super::fields::{Fields, MODEL_BYTES, NAME_BYTES};
use crate::decide::debit::Charge;
use crate::decide::hold::{CapturePart, LONGEST_LIFE, SHORTEST_LIFE};
use crate::domain::instant::Span;

/// The lifetime of a hold.
pub(super) fn life(fields: &mut Fields) -> Option<Span> {
    let (shortest, longest) = (SHORTEST_LIFE.ms() / 1000, LONGEST_LIFE.ms() / 1000);
    let seconds = fields.integer("expires_in_s", shortest..=longest)?;
    Some(Span::from_s(seconds))
}

/// The captured part of a hold: a quantity of its action, or credits; never both, never neither.
pub(super) fn part(fields: &mut Fields) -> Option<CapturePart> {
    if fields.sent("meters") {
        return fields.counts("meters").map(CapturePart::Meters);
    }
    let sent = (fields.sent("quantity"), fields.sent("credits"));
    let (quantity, credits) = (fields.quantity("quantity"), fields.credits_or_none("credits"));
    match sent {
        (true, false) => quantity.map(CapturePart::Quantity),
        (false, true) => credits.map(CapturePart::Credits),
        (true, true) => {
            fields.wrong("credits", "cannot be combined with quantity");
            None
        }
        (false, false) => {
            fields.missing("quantity", "is required, unless credits is sent");
            None
        }
    }
}

/// The charge: an action with its quantity, or credits; never both, never neither.
pub(super) fn charge(fields: &mut Fields) -> Option<Charge> {
    let sent = (fields.sent("action") || fields.sent("quantity"), fields.sent("credits"));
    let action = fields.text("action", NAME_BYTES);
    if fields.sent("model") {
        let (model, meters) = (fields.text("model", MODEL_BYTES), fields.counts("meters"));
        let meters = fields.required("meters", meters);
        return Some(Charge::Call { action: action?, model: model?, meters: meters? });
    }
    let quantity = fields.quantity("quantity");
    let credits = fields.credits("credits");
    match sent {
        (true, false) => {
            let action = fields.required("action", action);
            let quantity = fields.required("quantity", quantity);
            Some(Charge::Action { action: action?, quantity: quantity? })
        }
        (false, true) => credits.map(Charge::Credits),
        (true, true) => {
            fields.wrong("credits", "cannot be combined with action and quantity");
            None
        }
        (false, false) => {
            fields.missing("action", "is required with quantity, unless credits is sent");
            None
        }
    }
}
