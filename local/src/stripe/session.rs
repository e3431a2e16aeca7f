//! Checkout Sessions: the pages on which a customer pays, subscribes or saves a card.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::billing::{self, NewSubscription};
use super::customer;
use super::intent::{self, NewIntent};
use super::memory::Memory;
use super::subscription::automatic_tax;
use super::tax::{self, COUNTRIES, Tax};
use super::wire::{merged, number, place, seconds, shown, text};

/// The time that a session is open: Stripe's longest.
const OPEN_S: i64 = 24 * 60 * 60;

/// The fields of a new session.
pub(super) struct NewSession {
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    pub order: Value,
    pub metadata: Value,
    /// The metadata of the payment, the subscription or the setup intent.
    pub inner_metadata: Value,
    /// The product, as the customer reads it.
    pub product: String,
    pub minor: u64,
    pub currency: String,
    /// The price of a subscription, or null.
    pub price: Value,
    pub quantity: u64,
    pub trial_days: Option<i64>,
    /// What follows at the end of a trial without a card.
    pub without_card: String,
    pub success_url: String,
    pub cancel_url: String,
    /// A known customer, or null.
    pub customer: Value,
    /// `always`: a customer is made for each payment.
    pub customer_creation: String,
    pub invoice: bool,
    /// Whether a payment saves the card.
    pub saves_card: bool,
    pub is_taxed: bool,
    /// Of the price: `inclusive` or `exclusive`.
    pub tax_behavior: String,
}

pub(super) fn create(memory: &mut Memory, new: NewSession, now: Instant) -> Value {
    let id = memory.name("cs_test");
    let country = customer::country(memory, &new.customer);
    let subtotal = if new.trial_days.is_some() { 0 } else { new.minor * new.quantity };
    let status = if new.mode == "setup" { "no_payment_required" } else { "unpaid" };
    let base = &memory.base;
    let empty = json!({
        "adaptive_pricing": { "enabled": false }, "after_expiration": null, "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null,
            "terms_of_service_acceptance": null },
        "customer_details": null, "customer_email": null, "discounts": [], "invoice": null,
        "payment_intent": null, "payment_method_collection": "if_required",
        "payment_method_options": {}, "payment_method_types": ["card"],
        "phone_number_collection": { "enabled": false }, "setup_intent": null,
        "shipping_options": [], "subscription": null,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
    });
    let own = json!({
        "id": id, "object": "checkout.session", "livemode": false, "created": seconds(now),
        "mode": new.mode, "status": "open", "payment_status": status,
        "amount_subtotal": subtotal, "amount_total": subtotal, "currency": new.currency,
        "client_reference_id": new.order, "metadata": new.metadata,
        "automatic_tax": automatic_tax(new.is_taxed), "customer": new.customer,
        "customer_creation": new.customer_creation,
        "invoice_creation": { "enabled": new.invoice, "invoice_data": {} },
        "expires_at": seconds(now) + OPEN_S, "url": format!("{base}/_local/stripe/{id}"),
        "success_url": new.success_url, "cancel_url": new.cancel_url,
    });
    let local = json!({
        "local_payment_metadata": new.inner_metadata, "local_product": new.product,
        "local_price": new.price, "local_quantity": new.quantity,
        "local_trial_days": new.trial_days, "local_without_card": new.without_card,
        "local_saves_card": new.saves_card, "local_tax_behavior": new.tax_behavior,
    });
    let mut session = merged(merged(empty, own), local);
    if new.is_taxed && country.is_none() {
        session["automatic_tax"]["status"] = "requires_location_inputs".into();
    }
    if let Some(country) = country {
        set_country(&mut session, &country);
    }
    memory.sessions.push(session.clone());
    shown(session)
}

/// Sets the country of the customer of an open session, and the tax by it.
pub(super) fn set_country(session: &mut Value, country: &str) {
    session["local_country"] = country.into();
    if session["automatic_tax"]["enabled"] != true {
        return;
    }
    let subtotal = number(session, "amount_subtotal");
    let Tax { exclusive, inclusive } =
        tax::tax(subtotal, country, text(session, "local_tax_behavior"));
    session["automatic_tax"]["status"] = "complete".into();
    session["amount_total"] = (subtotal + exclusive).into();
    session["total_details"]["amount_tax"] = (exclusive + inclusive).into();
}

/// The customer pays, subscribes or saves the card, and the session is complete.
pub(super) fn pay(memory: &mut Memory, at: usize, now: Instant) {
    locate(memory, at);
    match text(&memory.sessions[at], "mode") {
        "subscription" => subscribe(memory, at, now),
        "setup" => save_card(memory, at, now),
        _ => {
            let intent = begin(memory, at, now);
            intent::arrive(memory, intent, now);
            complete(memory, at, "paid", now);
        }
    }
}

/// A customer who chose no country is in the first one.
pub(super) fn locate(memory: &mut Memory, at: usize) {
    let session = &mut memory.sessions[at];
    if session["automatic_tax"]["enabled"] == true && session["local_country"].is_null() {
        set_country(session, COUNTRIES[0].0);
    }
}

/// The payment of a session: one for all its attempts.
pub(super) fn begin(memory: &mut Memory, at: usize, now: Instant) -> usize {
    if let Some(known) = place(&memory.intents, &memory.sessions[at]["local_intent"]) {
        return known;
    }
    let session = &memory.sessions[at];
    let new = NewIntent {
        minor: session["amount_total"].clone(),
        currency: session["currency"].clone(),
        customer: session["customer"].clone(),
        method: Value::Null,
        metadata: session["local_payment_metadata"].clone(),
        invoice: Value::Null,
    };
    let intent = intent::make(memory, new, now);
    memory.sessions[at]["local_intent"] = memory.intents[intent]["id"].clone();
    intent
}

pub(super) fn complete(memory: &mut Memory, at: usize, paid: &str, now: Instant) {
    let session = &memory.sessions[at];
    let saves = session["local_saves_card"] == true;
    if session["customer_creation"] == "always" || saves {
        let customer = known_customer(memory, at, now);
        if saves {
            let method = customer::save_card(memory, &customer, now);
            if let Some(intent) = place(&memory.intents, &memory.sessions[at]["local_intent"]) {
                memory.intents[intent]["payment_method"] = method;
            }
        }
    }
    if memory.sessions[at]["invoice_creation"]["enabled"] == true {
        memory.sessions[at]["invoice"] = memory.name("in").into();
    }
    let session = &mut memory.sessions[at];
    session["payment_intent"] = session["local_intent"].clone();
    end(memory, at, paid, now);
}

/// The customer of a session, who is made if there is none yet.
fn known_customer(memory: &mut Memory, at: usize, now: Instant) -> Value {
    let known = memory.sessions[at]["customer"].clone();
    let customer = match place(&memory.customers, &known) {
        Some(_) => known,
        None => customer::make(memory, Value::Null, json!({}), now),
    };
    let session = &mut memory.sessions[at];
    session["customer"] = customer.clone();
    if let Some(country) = session["local_country"].as_str().map(str::to_owned) {
        customer::set_country(memory, &customer, &country);
    }
    customer
}

fn subscribe(memory: &mut Memory, at: usize, now: Instant) {
    let customer = known_customer(memory, at, now);
    let method = customer::save_card(memory, &customer, now);
    let session = memory.sessions[at].clone();
    let new = NewSubscription {
        customer: &customer,
        method: &method,
        price: &session["local_price"],
        quantity: &session["local_quantity"],
        metadata: &session["local_payment_metadata"],
        trial_days: session["local_trial_days"].as_i64(),
        without_card: text(&session, "local_without_card"),
        is_taxed: session["automatic_tax"]["enabled"] == true,
    };
    let subscription = billing::begin(memory, new, now);
    let subscription = &memory.subscriptions[subscription];
    let (id, invoice) = (subscription["id"].clone(), subscription["latest_invoice"].clone());
    let intent = place(&memory.invoices, &invoice);
    let intent = intent.map(|invoice| memory.invoices[invoice]["local_intent"].clone());
    let session = &mut memory.sessions[at];
    session["subscription"] = id;
    session["invoice"] = invoice;
    session["local_intent"] = intent.unwrap_or_default();
    let is_free = session["amount_total"] == 0;
    end(memory, at, if is_free { "no_payment_required" } else { "paid" }, now);
}

fn save_card(memory: &mut Memory, at: usize, now: Instant) {
    let customer = known_customer(memory, at, now);
    let method = customer::save_card(memory, &customer, now);
    let id = memory.name("seti");
    let setup = json!({
        "id": id, "object": "setup_intent", "livemode": false, "created": seconds(now),
        "application": null, "automatic_payment_methods": null, "cancellation_reason": null,
        "client_secret": format!("{id}_secret_local"), "customer": customer,
        "description": null, "last_setup_error": null, "latest_attempt": null, "mandate": null,
        "metadata": memory.sessions[at]["local_payment_metadata"], "next_action": null,
        "payment_method": method, "payment_method_options": null,
        "payment_method_types": ["card"], "single_use_mandate": null, "status": "succeeded",
        "usage": "off_session",
    });
    memory.setup_intents.push(setup.clone());
    memory.tell("setup_intent.succeeded", &setup, now);
    memory.sessions[at]["setup_intent"] = setup["id"].clone();
    end(memory, at, "no_payment_required", now);
}

fn end(memory: &mut Memory, at: usize, payment_status: &str, now: Instant) {
    let session = &mut memory.sessions[at];
    session["status"] = "complete".into();
    session["payment_status"] = payment_status.into();
    session["url"] = Value::Null;
    let object = session.clone();
    memory.tell("checkout.session.completed", &object, now);
}

/// The session ends without a payment.
pub(super) fn expire(memory: &mut Memory, at: usize, now: Instant) {
    let session = &mut memory.sessions[at];
    session["status"] = "expired".into();
    session["url"] = Value::Null;
    let object = session.clone();
    memory.tell("checkout.session.expired", &object, now);
}
