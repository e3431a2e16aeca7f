//! The objects of the local Stripe, in Stripe's form, and the effects on them.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::effect::Effect;
use super::known::{PAYER, RECEIPTS};
use super::memory::Memory;

/// The version of Stripe's API that the client library is made for.
pub(super) const API_VERSION: &str = "2026-09-30.dahlia";
/// The time that an event is listed.
const LISTED_S: i64 = 30 * 24 * 60 * 60;
/// The time that a session is open: Stripe's longest.
const OPEN_S: i64 = 24 * 60 * 60;

/// The fields of a new session.
pub(super) struct NewSession {
    pub order: Value,
    pub metadata: Value,
    pub payment_metadata: Value,
    /// The product, as the customer reads it.
    pub product: String,
    pub minor: u64,
    pub currency: String,
    pub success_url: String,
    pub cancel_url: String,
    /// A known customer, or null.
    pub customer: Value,
    /// `always`: a customer is made for each payment.
    pub customer_creation: String,
    pub invoice: bool,
}

fn seconds(now: Instant) -> i64 {
    now.ms().div_euclid(1000)
}

impl Memory {
    /// A new id: `pi_local_0000000000000012`.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}_local_{:016}", self.named)
    }

    pub(super) fn session(&mut self, new: NewSession, base: &str, now: Instant) -> Value {
        let id = self.name("cs_test");
        let session = json!({
            "id": id, "object": "checkout.session", "livemode": false, "created": seconds(now),
            "mode": "payment", "status": "open", "payment_status": "unpaid",
            "payment_intent": null, "amount_subtotal": new.minor, "amount_total": new.minor,
            "currency": new.currency, "client_reference_id": new.order, "metadata": new.metadata,
            "expires_at": seconds(now) + OPEN_S, "url": format!("{base}/_local/stripe/{id}"),
            "success_url": new.success_url, "cancel_url": new.cancel_url,
            "adaptive_pricing": { "enabled": false }, "after_expiration": null,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null,
                "status": null },
            "custom_fields": [], "custom_text": { "after_submit": null, "shipping_address": null,
                "submit": null, "terms_of_service_acceptance": null },
            "customer": new.customer, "customer_creation": new.customer_creation,
            "customer_details": null, "customer_email": null, "discounts": [], "invoice": null,
            "invoice_creation": { "enabled": new.invoice, "invoice_data": {} },
            "payment_method_collection": "if_required", "payment_method_options": {},
            "payment_method_types": ["card"], "phone_number_collection": { "enabled": false },
            "shipping_options": [], "total_details": { "amount_discount": 0,
                "amount_shipping": 0, "amount_tax": 0 },
            "local_payment_metadata": new.payment_metadata, "local_base": base,
            "local_product": new.product,
        });
        self.sessions.push(session.clone());
        shown(session)
    }

    fn tell(&mut self, kind: &str, object: &Value, now: Instant) {
        let id = self.name("evt");
        let event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": seconds(now),
            "type": kind, "livemode": false, "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "data": { "object": shown(object.clone()) },
        });
        self.waiting.push_back((event.to_string(), 0));
        let gone = |event: &&Value| event["created"].as_i64() < Some(seconds(now) - LISTED_S);
        let gone = self.events.iter().take_while(gone).count();
        self.events.drain(..gone);
        self.events.push(event);
    }
}

/// An object without the fields that only the local Stripe uses.
pub(super) fn shown(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| !name.starts_with("local_"));
    }
    object
}

/// The effects that are possible for a session now: all that [`act`] applies, in the order of a
/// payment's life.
pub(super) fn possible(memory: &Memory, session: &str) -> Vec<Effect> {
    let at = memory.sessions.iter().position(|known| known["id"] == session);
    let can =
        |at| Effect::ALL.into_iter().filter(move |effect| allowed(memory, at, *effect).is_ok());
    at.map(can).into_iter().flatten().collect()
}

/// Whether an effect is possible for the session at this index: the rules of all effects.
fn allowed(memory: &Memory, at: usize, effect: Effect) -> Result<(), &'static str> {
    match effect {
        Effect::Pay | Effect::Decline | Effect::PayLater | Effect::Expire => {
            let open = memory.sessions[at]["status"] == "open";
            if open { Ok(()) } else { Err("the session is not open") }
        }
        Effect::Arrive | Effect::Fail => processing(memory, at).map(drop),
        Effect::Refund { minor } => {
            let left = left(&memory.charges[charge(memory, at)?]);
            let fits = (1..=left).contains(&minor.unwrap_or(left));
            if fits { Ok(()) } else { Err("more than the remaining amount") }
        }
        Effect::FailRefund => refunded(memory, charge(memory, at)?).map(drop),
        Effect::Dispute => {
            let open = disputed(memory, charge(memory, at)?);
            if open.is_err() { Ok(()) } else { Err("a dispute is open") }
        }
        Effect::Win | Effect::Lose => disputed(memory, charge(memory, at)?).map(drop),
    }
}

/// Applies an effect to a session or its payment, and queues its events.
pub(super) fn act(
    memory: &mut Memory,
    session: &str,
    effect: Effect,
    now: Instant,
) -> Result<(), &'static str> {
    let place = memory.sessions.iter().position(|known| known["id"] == session);
    let at = place.ok_or("there is no such session")?;
    allowed(memory, at, effect)?;
    match effect {
        Effect::Pay => {
            let intent = begin(memory, at, now);
            arrive(memory, intent, now);
            complete(memory, at, "paid", now);
        }
        Effect::Decline => {
            let intent = begin(memory, at, now);
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.payment_failed", &object, now);
        }
        Effect::PayLater => {
            let intent = begin(memory, at, now);
            memory.intents[intent]["status"] = "processing".into();
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.processing", &object, now);
            complete(memory, at, "unpaid", now);
        }
        Effect::Arrive => {
            let intent = processing(memory, at)?;
            arrive(memory, intent, now);
            memory.sessions[at]["payment_status"] = "paid".into();
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_succeeded", &object, now);
        }
        Effect::Fail => {
            let intent = processing(memory, at)?;
            memory.intents[intent]["status"] = "requires_payment_method".into();
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.payment_failed", &object, now);
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_failed", &object, now);
        }
        Effect::Expire => {
            memory.sessions[at]["status"] = "expired".into();
            memory.sessions[at]["url"] = Value::Null;
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.expired", &object, now);
        }
        Effect::Refund { minor } => refund(memory, charge(memory, at)?, minor, now),
        Effect::FailRefund => fail_refund(memory, charge(memory, at)?, now)?,
        Effect::Dispute => dispute(memory, charge(memory, at)?, now),
        Effect::Win => decide(memory, charge(memory, at)?, "won", now)?,
        Effect::Lose => decide(memory, charge(memory, at)?, "lost", now)?,
    }
    Ok(())
}

/// The payment of a session: one for all its attempts.
fn begin(memory: &mut Memory, session: usize, now: Instant) -> usize {
    let known = memory.sessions[session]["local_intent"].clone();
    if let Some(place) = memory.intents.iter().position(|intent| intent["id"] == known) {
        return place;
    }
    let id = memory.name("pi");
    let session = &mut memory.sessions[session];
    session["local_intent"] = id.clone().into();
    let intent = json!({
        "id": id, "object": "payment_intent", "livemode": false, "created": seconds(now),
        "amount": session["amount_total"], "amount_received": 0, "amount_capturable": 0,
        "currency": session["currency"], "metadata": session["local_payment_metadata"],
        "status": "requires_payment_method", "capture_method": "automatic_async",
        "confirmation_method": "automatic", "payment_method_types": ["card"],
        "customer": session["customer"], "local_base": session["local_base"],
    });
    memory.intents.push(intent);
    memory.intents.len() - 1
}

fn processing(memory: &Memory, session: usize) -> Result<usize, &'static str> {
    let id = &memory.sessions[session]["payment_intent"];
    let found = memory.intents.iter().position(|intent| intent["id"] == *id);
    let waits = |place: &usize| memory.intents[*place]["status"] == "processing";
    found.filter(waits).ok_or("no payment is in progress")
}

fn complete(memory: &mut Memory, at: usize, paid: &str, now: Instant) {
    if memory.sessions[at]["customer_creation"] == "always" {
        let id = memory.name("cus");
        memory.sessions[at]["customer"] = id.clone().into();
        memory.customers.push(id);
    }
    if memory.sessions[at]["invoice_creation"]["enabled"] == true {
        memory.sessions[at]["invoice"] = memory.name("in").into();
    }
    let session = &mut memory.sessions[at];
    session["status"] = "complete".into();
    session["payment_status"] = paid.into();
    session["payment_intent"] = session["local_intent"].clone();
    session["url"] = Value::Null;
    let object = session.clone();
    memory.tell("checkout.session.completed", &object, now);
}

/// The money of a payment arrives: makes a charge.
fn arrive(memory: &mut Memory, intent: usize, now: Instant) {
    let id = memory.name("ch");
    let intent = &mut memory.intents[intent];
    let receipt = format!("{}{RECEIPTS}{id}", text(intent, "local_base"));
    intent["status"] = "succeeded".into();
    intent["amount_received"] = intent["amount"].clone();
    intent["latest_charge"] = id.clone().into();
    let intent = intent.clone();
    let charge = json!({
        "id": id, "object": "charge", "livemode": false, "created": seconds(now),
        "amount": intent["amount"], "amount_captured": intent["amount"], "amount_refunded": 0,
        "currency": intent["currency"], "metadata": intent["metadata"],
        "payment_intent": intent["id"], "status": "succeeded", "captured": true, "paid": true,
        "refunded": false, "disputed": false, "application": null, "balance_transaction": null,
        "billing_details": { "address": null, "email": PAYER, "name": null, "phone": null,
            "tax_id": null },
        "customer": intent["customer"], "description": null, "fraud_details": {},
        "outcome": null, "payment_method": null, "payment_method_details": null,
        "receipt_url": receipt,
    });
    memory.charges.push(charge.clone());
    memory.tell("payment_intent.succeeded", &intent, now);
    memory.tell("charge.succeeded", &charge, now);
}

fn charge(memory: &Memory, session: usize) -> Result<usize, &'static str> {
    let intent = &memory.sessions[session]["payment_intent"];
    let found = memory.charges.iter().position(|charge| charge["payment_intent"] == *intent);
    found.ok_or("there is no payment")
}

/// The latest refund of a charge that the bank has not returned.
fn refunded(memory: &Memory, charge: usize) -> Result<usize, &'static str> {
    let id = &memory.charges[charge]["id"];
    let arrived = |refund: &Value| refund["charge"] == *id && refund["status"] == "succeeded";
    memory.refunds.iter().rposition(arrived).ok_or("there is no refund")
}

/// The open dispute of a charge.
fn disputed(memory: &Memory, charge: usize) -> Result<usize, &'static str> {
    let id = &memory.charges[charge]["id"];
    let open = |dispute: &Value| dispute["charge"] == *id && dispute["status"] == "needs_response";
    memory.disputes.iter().rposition(open).ok_or("no dispute is open")
}

/// The amount of a charge that is not refunded, in the smallest unit.
fn left(charge: &Value) -> u64 {
    number(charge, "amount") - number(charge, "amount_refunded")
}

fn number(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or_default()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

fn refund(memory: &mut Memory, at: usize, minor: Option<u64>, now: Instant) {
    let left = left(&memory.charges[at]);
    let minor = minor.unwrap_or(left);
    let id = memory.name("re");
    let charge = &mut memory.charges[at];
    charge["amount_refunded"] = (number(charge, "amount_refunded") + minor).into();
    charge["refunded"] = (minor == left).into();
    let charge = charge.clone();
    let refund = json!({
        "id": id, "object": "refund", "created": seconds(now), "amount": minor,
        "currency": charge["currency"], "charge": charge["id"], "metadata": {},
        "payment_intent": charge["payment_intent"], "status": "succeeded", "reason": null,
        "balance_transaction": null, "receipt_number": null,
    });
    memory.refunds.push(refund.clone());
    memory.tell("refund.created", &refund, now);
    memory.tell("charge.refunded", &charge, now);
}

fn fail_refund(memory: &mut Memory, at: usize, now: Instant) -> Result<(), &'static str> {
    let place = refunded(memory, at)?;
    let refund = &mut memory.refunds[place];
    refund["status"] = "failed".into();
    let refund = refund.clone();
    let charge = &mut memory.charges[at];
    let left = number(charge, "amount_refunded") - number(&refund, "amount");
    charge["amount_refunded"] = left.into();
    charge["refunded"] = false.into();
    let charge = charge.clone();
    memory.tell("refund.failed", &refund, now);
    memory.tell("charge.updated", &charge, now);
    Ok(())
}

fn dispute(memory: &mut Memory, at: usize, now: Instant) {
    let id = memory.name("du");
    let charge = &mut memory.charges[at];
    charge["disputed"] = true.into();
    let minor = left(charge);
    let dispute = json!({
        "id": id, "object": "dispute", "livemode": false, "created": seconds(now),
        "amount": minor, "currency": charge["currency"], "charge": charge["id"],
        "payment_intent": charge["payment_intent"], "status": "needs_response",
        "reason": "general", "metadata": {}, "balance_transactions": [],
        "enhanced_eligibility_types": [], "evidence": { "enhanced_evidence": {} },
        "evidence_details": { "due_by": null, "enhanced_eligibility": {}, "has_evidence": false,
            "past_due": false, "submission_count": 0 },
        "is_charge_refundable": false,
    });
    memory.disputes.push(dispute.clone());
    memory.tell("charge.dispute.created", &dispute, now);
    memory.tell("charge.dispute.funds_withdrawn", &dispute, now);
}

fn decide(memory: &mut Memory, at: usize, status: &str, now: Instant) -> Result<(), &'static str> {
    let place = disputed(memory, at)?;
    let dispute = &mut memory.disputes[place];
    dispute["status"] = status.into();
    let dispute = dispute.clone();
    memory.tell("charge.dispute.closed", &dispute, now);
    if status == "won" {
        memory.tell("charge.dispute.funds_reinstated", &dispute, now);
    }
    Ok(())
}
