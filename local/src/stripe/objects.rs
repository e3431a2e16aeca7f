//! The objects of the local Stripe, in the form that Stripe gives them, and what is done to them.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::{Deed, Memory};

/// The version of Stripe's interface that the client library is made for.
const API_VERSION: &str = "2026-09-30.dahlia";
/// How long a session is open: Stripe's longest.
const OPEN_S: i64 = 24 * 60 * 60;

/// What a session is made of.
pub struct NewSession {
    pub order: Value,
    pub metadata: Value,
    pub payment_metadata: Value,
    pub minor: u64,
    pub currency: String,
    pub success_url: String,
    pub cancel_url: String,
}

fn seconds(now: Instant) -> i64 {
    now.ms().div_euclid(1000)
}

impl Memory {
    /// A new name: `pi_local_0000000000000012`.
    fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}_local_{:016}", self.named)
    }

    pub fn session(&mut self, new: NewSession, base: &str, now: Instant) -> Value {
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
            "customer": null, "customer_creation": "if_required", "customer_details": null,
            "customer_email": null, "discounts": [], "invoice": null, "invoice_creation": null,
            "payment_method_collection": "if_required", "payment_method_options": {},
            "payment_method_types": ["card"], "phone_number_collection": { "enabled": false },
            "shipping_options": [], "total_details": { "amount_discount": 0,
                "amount_shipping": 0, "amount_tax": 0 },
            "local_payment_metadata": new.payment_metadata,
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
    }
}

/// An object without what the local Stripe only notes for itself.
pub fn shown(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| !name.starts_with("local_"));
    }
    object
}

/// Does a deed to a session or its payment, and notes the events that tell of it.
pub fn act(
    memory: &mut Memory,
    session: &str,
    deed: Deed,
    now: Instant,
) -> Result<(), &'static str> {
    let place = memory.sessions.iter().position(|known| known["id"] == session);
    let at = place.ok_or("there is no such session")?;
    let status = memory.sessions[at]["status"].as_str().unwrap_or_default().to_owned();
    let open = |word| if status == "open" { Ok(()) } else { Err(word) };
    match deed {
        Deed::Pay => {
            open("the session is not open")?;
            let intent = begin(memory, at, now);
            arrive(memory, intent, now);
            complete(memory, at, "paid", now);
        }
        Deed::Decline => {
            open("the session is not open")?;
            let intent = begin(memory, at, now);
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.payment_failed", &object, now);
        }
        Deed::PayLater => {
            open("the session is not open")?;
            let intent = begin(memory, at, now);
            memory.intents[intent]["status"] = "processing".into();
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.processing", &object, now);
            complete(memory, at, "unpaid", now);
        }
        Deed::Arrive => {
            let intent = processing(memory, at)?;
            arrive(memory, intent, now);
            memory.sessions[at]["payment_status"] = "paid".into();
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_succeeded", &object, now);
        }
        Deed::Fail => {
            let intent = processing(memory, at)?;
            memory.intents[intent]["status"] = "requires_payment_method".into();
            let object = memory.intents[intent].clone();
            memory.tell("payment_intent.payment_failed", &object, now);
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_failed", &object, now);
        }
        Deed::Expire => {
            open("the session is not open")?;
            memory.sessions[at]["status"] = "expired".into();
            memory.sessions[at]["url"] = Value::Null;
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.expired", &object, now);
        }
        Deed::Refund { minor } => refund(memory, at, minor, now)?,
        Deed::FailRefund => fail_refund(memory, at, now)?,
        Deed::Dispute => dispute(memory, at, now)?,
        Deed::Win => decide(memory, at, "won", now)?,
        Deed::Lose => decide(memory, at, "lost", now)?,
    }
    Ok(())
}

/// The payment of a session: one for all its tries.
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
    });
    memory.intents.push(intent);
    memory.intents.len() - 1
}

fn processing(memory: &Memory, session: usize) -> Result<usize, &'static str> {
    let id = &memory.sessions[session]["payment_intent"];
    let found = memory.intents.iter().position(|intent| intent["id"] == *id);
    let waits = |place: &usize| memory.intents[*place]["status"] == "processing";
    found.filter(waits).ok_or("no payment is on its way")
}

fn complete(memory: &mut Memory, at: usize, paid: &str, now: Instant) {
    let session = &mut memory.sessions[at];
    session["status"] = "complete".into();
    session["payment_status"] = paid.into();
    session["payment_intent"] = session["local_intent"].clone();
    session["url"] = Value::Null;
    let object = session.clone();
    memory.tell("checkout.session.completed", &object, now);
}

/// The money of a payment comes: a charge.
fn arrive(memory: &mut Memory, intent: usize, now: Instant) {
    let id = memory.name("ch");
    let intent = &mut memory.intents[intent];
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
        "billing_details": { "address": null, "email": super::PAYER, "name": null, "phone": null,
            "tax_id": null },
        "customer": null, "description": null, "fraud_details": {}, "outcome": null,
        "payment_method": null, "payment_method_details": null, "receipt_url": null,
    });
    memory.charges.push(charge.clone());
    memory.tell("payment_intent.succeeded", &intent, now);
    memory.tell("charge.succeeded", &charge, now);
}

fn charge(memory: &Memory, session: usize) -> Result<usize, &'static str> {
    let intent = &memory.sessions[session]["payment_intent"];
    let found = memory.charges.iter().position(|charge| charge["payment_intent"] == *intent);
    found.ok_or("nothing was paid")
}

fn number(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or_default()
}

fn refund(
    memory: &mut Memory,
    session: usize,
    minor: Option<u64>,
    now: Instant,
) -> Result<(), &'static str> {
    let at = charge(memory, session)?;
    let left =
        number(&memory.charges[at], "amount") - number(&memory.charges[at], "amount_refunded");
    let minor = minor.unwrap_or(left);
    if minor == 0 || minor > left {
        return Err("more than is left of it");
    }
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
    Ok(())
}

fn fail_refund(memory: &mut Memory, session: usize, now: Instant) -> Result<(), &'static str> {
    let at = charge(memory, session)?;
    let id = memory.charges[at]["id"].clone();
    let mut refunds = memory.refunds.iter_mut().rev();
    let refund = refunds.find(|refund| refund["charge"] == id && refund["status"] == "succeeded");
    let refund = refund.ok_or("nothing was refunded")?;
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

fn dispute(memory: &mut Memory, session: usize, now: Instant) -> Result<(), &'static str> {
    let at = charge(memory, session)?;
    let id = memory.name("du");
    let charge = &mut memory.charges[at];
    charge["disputed"] = true.into();
    let minor = number(charge, "amount") - number(charge, "amount_refunded");
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
    Ok(())
}

fn decide(
    memory: &mut Memory,
    session: usize,
    status: &str,
    now: Instant,
) -> Result<(), &'static str> {
    let at = charge(memory, session)?;
    let id = memory.charges[at]["id"].clone();
    let mut disputes = memory.disputes.iter_mut().rev();
    let open =
        disputes.find(|dispute| dispute["charge"] == id && dispute["status"] == "needs_response");
    let dispute = open.ok_or("no dispute is open")?;
    dispute["status"] = status.into();
    let dispute = dispute.clone();
    memory.tell("charge.dispute.closed", &dispute, now);
    if status == "won" {
        memory.tell("charge.dispute.funds_reinstated", &dispute, now);
    }
    Ok(())
}
