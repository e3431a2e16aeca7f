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

/// The captured part of a hold: a quantity of its action, credits, or what its call consumed; one of
/// them.
pub(super) fn part(fields: &mut Fields) -> Option<CapturePart> {
    let consumed = fields.sent_consumed();
    let (by_quantity, by_credits) = (fields.sent("quantity"), fields.sent("credits"));
    let (quantity, credits) = (fields.quantity("quantity"), fields.credits_or_none("credits"));
    if let Some(consumed) = consumed {
        let meters = fields.consumed();
        let others = [("quantity", by_quantity), ("credits", by_credits)];
        return apart(fields, &others, consumed).then_some(CapturePart::Meters(meters?));
    }
    match (by_quantity, by_credits) {
        (true, false) => quantity.map(CapturePart::Quantity),
        (false, true) => credits.map(CapturePart::Credits),
        (true, true) => {
            fields.wrong("credits", "cannot be combined with quantity");
            None
        }
        (false, false) => {
            fields.missing("quantity", "is required, unless meters, usage or credits is sent");
            None
        }
    }
}

/// The charge: an action with its quantity, an action with a model and what its call consumed, or
/// credits; one of them.
pub(super) fn charge(fields: &mut Fields) -> Option<Charge> {
    let consumed = fields.sent_consumed();
    let called = if fields.sent("model") { Some("model") } else { consumed };
    let (by_quantity, by_credits) = (fields.sent("quantity"), fields.sent("credits"));
    let by_action = fields.sent("action");
    let action = fields.text("action", NAME_BYTES);
    let quantity = fields.quantity("quantity");
    let credits = fields.credits("credits");
    if let Some(called) = called {
        let (model, meters) = (fields.text("model", MODEL_BYTES), fields.consumed());
        let (action, model) = (fields.required("action", action), fields.required("model", model));
        let others = [("quantity", by_quantity), ("credits", by_credits)];
        let alone = apart(fields, &others, called);
        let call = Charge::Call { action: action?, model: model?, meters: meters? };
        return alone.then_some(call);
    }
    match (by_action || by_quantity, by_credits) {
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
            let problem = "is required with quantity, or with model and meters, unless credits is \
                           sent";
            fields.missing("action", problem);
            None
        }
    }
}

/// Whether none of the other fields was sent together with `field`. Each that was is recorded.
fn apart(fields: &mut Fields, others: &[(&str, bool)], field: &str) -> bool {
    let sent: Vec<_> = others.iter().filter(|(_, sent)| *sent).collect();
    for (other, _) in &sent {
        fields.wrong(other, format!("cannot be combined with {field}"));
    }
    sent.is_empty()
}
