//! Charges, their refunds and their disputes.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::known::{PAYER, RECEIPTS};
use super::memory::Memory;
use super::wire::{number, seconds};

/// Makes the charge of a payment that succeeds.
pub(super) fn make(memory: &mut Memory, intent: usize, now: Instant) -> Value {
    let id = memory.name("ch");
    let receipt = format!("{}{RECEIPTS}{id}", memory.base);
    let intent = &mut memory.intents[intent];
    intent["status"] = "succeeded".into();
    intent["amount_received"] = intent["amount"].clone();
    intent["latest_charge"] = id.clone().into();
    let charge = json!({
        "id": id, "object": "charge", "livemode": false, "created": seconds(now),
        "amount": intent["amount"], "amount_captured": intent["amount"], "amount_refunded": 0,
        "currency": intent["currency"], "metadata": intent["metadata"],
        "payment_intent": intent["id"], "status": "succeeded", "captured": true, "paid": true,
        "refunded": false, "disputed": false, "application": null, "balance_transaction": null,
        "billing_details": { "address": null, "email": PAYER, "name": null, "phone": null,
            "tax_id": null },
        "customer": intent["customer"], "description": null, "fraud_details": {},
        "outcome": null, "payment_method": intent["payment_method"],
        "payment_method_details": null, "receipt_url": receipt,
    });
    memory.charges.push(charge.clone());
    charge
}

/// The charge of a payment.
pub(super) fn of(memory: &Memory, intent: usize) -> Result<usize, &'static str> {
    let intent = &memory.intents[intent]["id"];
    let found = memory.charges.iter().position(|charge| charge["payment_intent"] == *intent);
    found.ok_or("there is no payment")
}

/// The latest refund of a charge that the bank has not returned.
pub(super) fn refunded(memory: &Memory, charge: usize) -> Result<usize, &'static str> {
    let id = &memory.charges[charge]["id"];
    let arrived = |refund: &Value| refund["charge"] == *id && refund["status"] == "succeeded";
    memory.refunds.iter().rposition(arrived).ok_or("there is no refund")
}

/// The open dispute of a charge.
pub(super) fn disputed(memory: &Memory, charge: usize) -> Result<usize, &'static str> {
    let id = &memory.charges[charge]["id"];
    let open = |dispute: &Value| dispute["charge"] == *id && dispute["status"] == "needs_response";
    memory.disputes.iter().rposition(open).ok_or("no dispute is open")
}

/// The amount of a charge that is not refunded, in the smallest unit.
pub(super) fn left(charge: &Value) -> u64 {
    number(charge, "amount") - number(charge, "amount_refunded")
}

pub(super) fn refund(memory: &mut Memory, at: usize, minor: Option<u64>, now: Instant) {
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

pub(super) fn fail_refund(
    memory: &mut Memory,
    at: usize,
    now: Instant,
) -> Result<(), &'static str> {
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

pub(super) fn dispute(memory: &mut Memory, at: usize, now: Instant) {
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

pub(super) fn decide(
    memory: &mut Memory,
    at: usize,
    status: &str,
    now: Instant,
) -> Result<(), &'static str> {
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
