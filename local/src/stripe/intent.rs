//! Payment intents: how a payment begins, and how it ends.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::charge;
use super::customer::{self, Card};
use super::invoice;
use super::memory::Memory;
use super::wire::{Form, Reply, amount, error, inner, seconds, shown, text};

/// The fields of a new payment.
pub(super) struct NewIntent {
    pub minor: Value,
    pub currency: Value,
    /// A customer, or null.
    pub customer: Value,
    /// The card to charge, or null.
    pub method: Value,
    pub metadata: Value,
    /// The invoice that it pays, or null.
    pub invoice: Value,
}

/// Makes a payment that waits for a card. Returns its place.
pub(super) fn make(memory: &mut Memory, new: NewIntent, now: Instant) -> usize {
    let id = memory.name("pi");
    memory.intents.push(json!({
        "id": id, "object": "payment_intent", "livemode": false, "created": seconds(now),
        "amount": new.minor, "amount_received": 0, "amount_capturable": 0,
        "currency": new.currency, "metadata": new.metadata,
        "status": "requires_payment_method", "capture_method": "automatic_async",
        "confirmation_method": "automatic", "payment_method_types": ["card"],
        "payment_method": new.method, "customer": new.customer, "canceled_at": null,
        "cancellation_reason": null, "client_secret": format!("{id}_secret_local"),
        "last_payment_error": null, "latest_charge": null, "local_invoice": new.invoice,
    }));
    memory.intents.len() - 1
}

/// Charges a saved card.
///
/// # Errors
/// Stripe's error, if the card is not charged: the payment waits for another one.
pub(super) fn attempt(
    memory: &mut Memory,
    at: usize,
    card: Card,
    now: Instant,
) -> Result<(), Value> {
    let (code, message) = match card {
        Card::Works => {
            arrive(memory, at, now);
            return Ok(());
        }
        Card::TakesDays => {
            process(memory, at, now);
            return Ok(());
        }
        Card::Declines => ("card_declined", "Your card was declined."),
        Card::Expired => ("expired_card", "Your card has expired."),
        Card::AsksCustomer => (
            "authentication_required",
            "Your card was declined. This transaction requires \
             authentication.",
        ),
        Card::Removed => ("missing_payment_method", "The customer has no payment method."),
    };
    let declined = if code == "card_declined" { "generic_decline" } else { code };
    let mut problem = json!({ "type": "card_error", "code": code, "decline_code": declined,
        "message": message });
    let intent = &mut memory.intents[at];
    if card != Card::Removed {
        intent["last_payment_error"] = problem.clone();
    }
    fail(memory, at, now);
    problem["payment_intent"] = shown(memory.intents[at].clone());
    Err(problem)
}

/// The payment takes days from now on.
pub(super) fn process(memory: &mut Memory, at: usize, now: Instant) {
    memory.intents[at]["status"] = "processing".into();
    let object = memory.intents[at].clone();
    memory.tell("payment_intent.processing", &object, now);
}

/// The payment fails: it waits for another card.
pub(super) fn fail(memory: &mut Memory, at: usize, now: Instant) {
    memory.intents[at]["status"] = "requires_payment_method".into();
    let object = memory.intents[at].clone();
    memory.tell("payment_intent.payment_failed", &object, now);
    if let Some(of) = invoice::place_of(memory, &object["local_invoice"]) {
        invoice::fail(memory, of, now);
    }
}

/// The money of a payment arrives: makes a charge, and pays the invoice that it is for.
pub(super) fn arrive(memory: &mut Memory, at: usize, now: Instant) {
    let charge = charge::make(memory, at, now);
    let intent = memory.intents[at].clone();
    memory.tell("payment_intent.succeeded", &intent, now);
    memory.tell("charge.succeeded", &charge, now);
    if let Some(of) = invoice::place_of(memory, &intent["local_invoice"]) {
        invoice::paid(memory, of, now);
    }
}

/// Whether a payment waits for a card, or for its customer.
pub(super) fn waits(intent: &Value) -> bool {
    ["requires_payment_method", "requires_action", "requires_confirmation"]
        .contains(&text(intent, "status"))
}

/// `POST payment_intents`: a payment by a saved card, while the customer is away.
pub(super) fn create(memory: &mut Memory, form: &Form, now: Instant) -> Reply {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let amount = amount(field("amount"), field("currency"));
    let money = match amount {
        Ok(money) => money,
        Err(refused) => return refused,
    };
    for name in ["off_session", "confirm"] {
        if field(name) != "true" {
            let message = format!("The local Stripe makes payments with {name}=true only.");
            return (400, error(&message, None));
        }
    }
    let checked = customer::of_form(memory, form).and_then(|customer| {
        customer::card_of_form(memory, form, &customer).map(|method| (customer, method))
    });
    let (customer, method) = match checked {
        Ok(known) => known,
        Err(refused) => return refused,
    };
    let card = Card::of(memory, &customer);
    let metadata = inner(form, "metadata");
    let (minor, currency) = (json!(money.minor), json!(money.currency.as_str()));
    let invoice = Value::Null;
    let new = NewIntent { minor, currency, customer, method, metadata, invoice };
    let at = make(memory, new, now);
    match attempt(memory, at, card, now) {
        Ok(()) => (200, shown(memory.intents[at].clone())),
        Err(problem) => (402, json!({ "error": problem })),
    }
}

/// `POST payment_intents/{id}/cancel`.
pub(super) fn cancel(memory: &mut Memory, at: usize, now: Instant) -> Reply {
    if !waits(&memory.intents[at]) {
        let status = text(&memory.intents[at], "status");
        let message = format!("You cannot cancel this PaymentIntent: its status is {status}.");
        return (400, error(&message, Some("payment_intent_unexpected_state")));
    }
    let intent = &mut memory.intents[at];
    intent["status"] = "canceled".into();
    intent["canceled_at"] = seconds(now).into();
    let object = intent.clone();
    memory.tell("payment_intent.canceled", &object, now);
    (200, shown(object))
}
