//! Customers, and the card that each has saved.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::Instant;

use super::known::PAYER;
use super::memory::Memory;
use super::wire::{Form, Reply, error, inner, missing, place, seconds, shown, text};

/// How the saved card of a customer answers to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Card {
    Works,
    Declines,
    /// Its date has passed.
    Expired,
    /// The bank wants the customer to confirm each payment.
    AsksCustomer,
    /// The money takes days.
    TakesDays,
    /// There is none.
    Removed,
}

impl Card {
    pub const ALL: [Card; 6] = [
        Card::Works,
        Card::Declines,
        Card::Expired,
        Card::AsksCustomer,
        Card::TakesDays,
        Card::Removed,
    ];

    /// The label of its button.
    pub(super) fn label(self) -> &'static str {
        match self {
            Card::Works => "The card works",
            Card::Declines => "The card declines",
            Card::Expired => "The card has expired",
            Card::AsksCustomer => "The bank asks the customer at each payment",
            Card::TakesDays => "Payments by the card take days",
            Card::Removed => "Remove the card",
        }
    }

    /// The card of a customer: it works until something else is set.
    pub(super) fn of(memory: &Memory, customer: &Value) -> Card {
        let known = place(&memory.customers, customer).map(|at| &memory.customers[at]);
        let card = known.and_then(|customer| {
            let method = &customer["invoice_settings"]["default_payment_method"];
            let set = serde_json::from_value(customer["local_card"].clone()).ok();
            (!method.is_null()).then(|| set.unwrap_or(Card::Works))
        });
        card.unwrap_or(Card::Removed)
    }
}

/// A customer without a card. `made_s`: when, in seconds.
pub(super) fn object(id: &str, email: Value, metadata: Value, made_s: i64) -> Value {
    json!({
        "id": id, "object": "customer", "livemode": false, "created": made_s, "email": email,
        "address": null, "balance": 0, "currency": null, "default_source": null,
        "delinquent": false, "description": null, "discount": null,
        "invoice_settings": { "custom_fields": null, "default_payment_method": null,
            "footer": null, "rendering_options": null },
        "metadata": metadata, "name": null, "phone": null, "preferred_locales": [],
        "shipping": null, "tax_exempt": "none",
    })
}

/// An earlier version saved the ids of customers alone: completes them.
pub(super) fn complete(memory: &mut Memory) {
    for customer in &mut memory.customers {
        if let Some(id) = customer.as_str() {
            *customer = object(id, Value::Null, json!({}), 0);
        }
    }
}

/// Makes a customer. Returns its id.
pub(super) fn make(memory: &mut Memory, email: Value, metadata: Value, now: Instant) -> Value {
    let id = memory.name("cus");
    memory.customers.push(object(&id, email, metadata, seconds(now)));
    id.into()
}

/// Saves a card with a customer, as the one to charge from now on. Returns its id.
pub(super) fn save_card(memory: &mut Memory, customer: &Value, now: Instant) -> Value {
    let id = memory.name("pm");
    memory.payment_methods.push(json!({
        "id": id, "object": "payment_method", "livemode": false, "created": seconds(now),
        "type": "card", "customer": customer, "metadata": {},
        "billing_details": { "address": null, "email": PAYER, "name": null, "phone": null,
            "tax_id": null },
        "allow_redisplay": "limited", "local_last4": "4242",
    }));
    if let Some(at) = place(&memory.customers, customer) {
        let customer = &mut memory.customers[at];
        customer["invoice_settings"]["default_payment_method"] = id.clone().into();
        customer["local_card"] = json!(Card::Works);
    }
    id.into()
}

/// Sets how a customer's card answers from now on; a removed one is made anew.
pub(super) fn set_card(memory: &mut Memory, at: usize, card: Card, now: Instant) {
    let id = memory.customers[at]["id"].clone();
    let has = !memory.customers[at]["invoice_settings"]["default_payment_method"].is_null();
    match card {
        Card::Removed => {
            let settings = &mut memory.customers[at]["invoice_settings"];
            settings["default_payment_method"] = Value::Null;
        }
        _ if !has => drop(save_card(memory, &id, now)),
        _ => {}
    }
    memory.customers[at]["local_card"] = json!(card);
}

/// The country of a customer, for its taxes.
pub(super) fn country(memory: &Memory, customer: &Value) -> Option<String> {
    let at = place(&memory.customers, customer)?;
    let country = memory.customers[at]["address"]["country"].as_str()?;
    Some(country.to_owned())
}

pub(super) fn set_country(memory: &mut Memory, customer: &Value, country: &str) {
    if let Some(at) = place(&memory.customers, customer) {
        memory.customers[at]["address"] = json!({ "city": null, "country": country,
            "line1": null, "line2": null, "postal_code": null, "state": null });
    }
}

/// `POST customers`.
pub(super) fn create(memory: &mut Memory, form: &Form, now: Instant) -> Reply {
    let email = form.get("email").map_or(Value::Null, |email| json!(email));
    let id = make(memory, email, inner(form, "metadata"), now);
    if let Some(country) = form.get("address[country]") {
        set_country(memory, &id, country);
    }
    (200, memory.customers.last().cloned().map(shown).unwrap_or_default())
}

/// Checks that the customer of a request exists. Without one it returns null.
pub(super) fn of_form(memory: &Memory, form: &Form) -> Result<Value, Reply> {
    let Some(id) = form.get("customer") else { return Ok(Value::Null) };
    match place(&memory.customers, &json!(id)) {
        Some(_) => Ok(json!(id)),
        None => Err((400, missing("customer", id))),
    }
}

/// The saved card of a request, which must be one of the customer's own.
pub(super) fn card_of_form(memory: &Memory, form: &Form, customer: &Value) -> Result<Value, Reply> {
    let id = form.get("payment_method").cloned().unwrap_or_default();
    let known = memory.payment_methods.iter().find(|method| method["id"] == *id);
    match known {
        None => Err((400, missing("PaymentMethod", &id))),
        Some(method) if text(method, "customer") != customer.as_str().unwrap_or_default() => {
            Err((400, error("The payment method does not belong to the customer.", None)))
        }
        Some(method) => Ok(method["id"].clone()),
    }
}
