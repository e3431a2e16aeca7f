//! Invoices of subscriptions, and their payments.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::customer;
use super::memory::Memory;
use super::subscription::{self, item, of_invoice};
use super::tax;
use super::wire::{merged, number, place, second, seconds, shown, text};

pub(super) fn place_of(memory: &Memory, id: &Value) -> Option<usize> {
    place(&memory.invoices, id)
}

/// Makes the draft of an invoice for the current period of a subscription; a trial costs nothing.
pub(super) fn draft(memory: &mut Memory, of: usize, reason: &str, now: Instant) -> usize {
    let (id, line) = (memory.name("in"), memory.name("il"));
    let sub = memory.subscriptions[of].clone();
    let (item, customer) = (item(&sub), &sub["customer"]);
    let price = &item["price"];
    let is_trial = second(&sub, "trial_end") > seconds(now);
    let minor = if is_trial { 0 } else { number(price, "unit_amount") };
    let minor = minor * number(item, "quantity");
    let is_taxed = sub["automatic_tax"]["enabled"] == true;
    let country = customer::country(memory, customer).filter(|_| is_taxed).unwrap_or_default();
    let tax = tax::tax(minor, &country, text(price, "tax_behavior"));
    let total = minor + tax.exclusive;
    let period = json!({ "start": item["current_period_start"],
        "end": item["current_period_end"] });
    let parent = json!({ "type": "subscription_details", "quote_details": null,
        "subscription_details": { "subscription": sub["id"], "metadata": sub["metadata"],
            "subscription_proration_date": null } });
    let lines = json!({ "object": "list", "has_more": false,
        "url": format!("/v1/invoices/{id}/lines"), "data": [{
            "id": line, "object": "line_item", "amount": minor, "currency": price["currency"],
            "description": price["nickname"], "discount_amounts": [], "discountable": true,
            "discounts": [], "invoice": id, "livemode": false, "metadata": sub["metadata"],
            "parent": { "type": "subscription_item_details", "invoice_item_details": null,
                "subscription_item_details": { "invoice_item": null, "proration": false,
                    "proration_details": null, "subscription": sub["id"],
                    "subscription_item": item["id"] } },
            "period": period, "pricing": { "type": "price_details",
                "price_details": { "price": price["id"], "product": price["product"] },
                "unit_amount_decimal": price["unit_amount_decimal"] },
            "quantity": item["quantity"], "subtotal": minor, "taxes": [],
        }] });
    let empty = json!({
        "amount_overpaid": 0, "amount_paid": 0, "amount_shipping": 0, "attempt_count": 0,
        "attempted": false, "auto_advance": true, "customer_email": null,
        "default_tax_rates": [], "discounts": [], "hosted_invoice_url": null,
        "invoice_pdf": null, "issuer": { "type": "self" }, "livemode": false, "metadata": {},
        "next_payment_attempt": null, "number": null,
        "payment_settings": { "default_mandate": null, "payment_method_options": null,
            "payment_method_types": null },
        "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0, "status_transitions": { "finalized_at": null,
            "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "local_intent": null, "local_payment": null,
    });
    let own = json!({
        "id": id, "object": "invoice", "created": seconds(now), "status": "draft",
        "billing_reason": reason, "currency": price["currency"], "customer": customer,
        "collection_method": "charge_automatically", "amount_due": total,
        "amount_remaining": total, "automatic_tax": subscription::automatic_tax(is_taxed),
        "lines": lines, "parent": parent, "period_start": item["current_period_start"],
        "period_end": item["current_period_end"], "subtotal": minor,
        "subtotal_excluding_tax": minor - tax.inclusive, "total": total,
        "total_excluding_tax": minor - tax.inclusive, "total_taxes": tax::breakdown(tax),
    });
    memory.invoices.push(merged(empty, own));
    let object = memory.invoices.last().cloned().unwrap_or_default();
    memory.subscriptions[of]["latest_invoice"] = object["id"].clone();
    memory.tell("invoice.created", &object, now);
    memory.invoices.len() - 1
}

/// The invoice was paid: its subscription follows.
pub(super) fn paid(memory: &mut Memory, at: usize, now: Instant) {
    let invoice = &mut memory.invoices[at];
    invoice["status"] = "paid".into();
    invoice["amount_paid"] = invoice["total"].clone();
    invoice["amount_remaining"] = 0.into();
    invoice["auto_advance"] = false.into();
    invoice["status_transitions"]["paid_at"] = seconds(now).into();
    let object = invoice.clone();
    memory.tell("invoice.paid", &object, now);
    subscription::follow(memory, &object, now);
}

/// The payment of the invoice failed: its subscription follows.
pub(super) fn fail(memory: &mut Memory, at: usize, now: Instant) {
    let object = memory.invoices[at].clone();
    memory.tell("invoice.payment_failed", &object, now);
    subscription::follow(memory, &object, now);
}

/// Ends an invoice that was not paid: `void`, or `uncollectible`.
pub(super) fn give_up(memory: &mut Memory, at: usize, status: &str, now: Instant) {
    let (field, kind) = match status {
        "void" => ("voided_at", "invoice.voided"),
        _ => ("marked_uncollectible_at", "invoice.marked_uncollectible"),
    };
    let invoice = &mut memory.invoices[at];
    invoice["status"] = status.into();
    invoice["auto_advance"] = false.into();
    invoice["status_transitions"][field] = seconds(now).into();
    let object = invoice.clone();
    memory.tell(kind, &object, now);
}

/// The latest invoice of a subscription that can be paid.
pub(super) fn payable(memory: &Memory, subscription: &Value) -> Option<usize> {
    let id = &subscription["id"];
    memory.invoices.iter().rposition(|invoice| {
        of_invoice(invoice) == id && ["draft", "open"].contains(&text(invoice, "status"))
    })
}

/// The payments of an invoice, which Stripe shows only if they are asked for.
pub(super) fn payments(invoice: &Value) -> Value {
    let id = &invoice["local_payment"];
    let status = match text(invoice, "status") {
        "paid" => "paid",
        "void" => "canceled",
        _ => "open",
    };
    let paid = (status == "paid").then_some(&invoice["total"]);
    let payment = json!({
        "id": id, "object": "invoice_payment", "amount_paid": paid,
        "amount_requested": invoice["total"],
        "created": invoice["status_transitions"]["finalized_at"],
        "currency": invoice["currency"], "invoice": invoice["id"], "is_default": true,
        "livemode": false, "payment": { "type": "payment_intent",
            "payment_intent": invoice["local_intent"] },
        "status": status, "status_transitions": { "canceled_at": null,
            "paid_at": invoice["status_transitions"]["paid_at"] },
    });
    let data: Vec<Value> = if id.is_null() { Vec::new() } else { vec![shown(payment)] };
    json!({ "object": "list", "has_more": false, "data": data,
        "url": format!("/v1/invoice_payments?invoice={}", text(invoice, "id")) })
}
