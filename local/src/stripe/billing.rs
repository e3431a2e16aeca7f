//! Billing: a subscription begins, is charged for its periods, and ends.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::customer::Card;
use super::intent::{self, NewIntent};
use super::invoice;
use super::memory::Memory;
use super::schedule;
use super::subscription::{DAY_S, automatic_tax, changed, item, period_end, plan, set_period};
use super::wire::{merged, number, place, seconds, text};

/// The fields of a new subscription.
pub(super) struct NewSubscription<'a> {
    pub customer: &'a Value,
    /// The saved card.
    pub method: &'a Value,
    pub price: &'a Value,
    pub quantity: &'a Value,
    pub metadata: &'a Value,
    /// The days that cost nothing.
    pub trial_days: Option<i64>,
    /// What follows at the end of a trial without a card: `cancel`, `pause` or `create_invoice`.
    pub without_card: &'a str,
    pub is_taxed: bool,
}

/// Begins a subscription, whose first invoice the card of its customer pays. Returns its place.
pub(super) fn begin(memory: &mut Memory, new: NewSubscription<'_>, now: Instant) -> usize {
    let (id, item) = (memory.name("sub"), memory.name("si"));
    let start = seconds(now);
    let trial_end = new.trial_days.map(|days| start + days * DAY_S);
    let anchor = trial_end.unwrap_or(start);
    let end = trial_end
        .unwrap_or_else(|| period_end(start, text(&new.price["recurring"], "interval"), start));
    let item = json!({
        "id": item, "object": "subscription_item", "created": start, "billing_thresholds": null,
        "current_period_start": start, "current_period_end": end, "discounts": [],
        "metadata": {}, "plan": plan(new.price), "price": new.price, "quantity": new.quantity,
        "subscription": id, "tax_rates": [],
    });
    let empty = json!({
        "application": null, "application_fee_percent": null,
        "billing_cycle_anchor_config": null, "billing_mode": { "type": "classic" },
        "billing_schedules": [], "billing_thresholds": null, "cancel_at": null,
        "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically", "days_until_due": null,
        "default_source": null, "default_tax_rates": [], "description": null, "discounts": [],
        "ended_at": null,
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "latest_invoice": null, "livemode": false, "next_pending_invoice_item_invoice": null,
        "pause_collection": null, "pending_setup_intent": null, "pending_update": null,
        "schedule": null, "test_clock": null, "transfer_data": null,
    });
    let own = json!({
        "id": id, "object": "subscription", "created": start, "start_date": start,
        "status": "incomplete", "customer": new.customer, "currency": new.price["currency"],
        "metadata": new.metadata, "automatic_tax": automatic_tax(new.is_taxed),
        "billing_cycle_anchor": anchor, "default_payment_method": new.method,
        "items": { "object": "list", "has_more": false, "total_count": 1,
            "url": format!("/v1/subscription_items?subscription={id}"), "data": [item] },
        "trial_start": trial_end.map(|_| start), "trial_end": trial_end,
        "trial_settings": { "end_behavior": { "missing_payment_method": new.without_card } },
    });
    memory.subscriptions.push(merged(empty, own));
    let at = memory.subscriptions.len() - 1;
    let first = invoice::draft(memory, at, "subscription_create", now);
    let object = memory.subscriptions[at].clone();
    memory.tell("customer.subscription.created", &object, now);
    collect(memory, first, Card::Works, now);
    at
}

/// Begins a period now, from which the later ones are counted, and charges for it.
pub(super) fn restart(memory: &mut Memory, at: usize, reason: &str, now: Instant) {
    let sub = &mut memory.subscriptions[at];
    let start = seconds(now);
    let interval = text(&item(sub)["price"]["recurring"], "interval").to_owned();
    sub["billing_cycle_anchor"] = start.into();
    set_period(sub, start, period_end(start, &interval, start));
    charge(memory, at, reason, now);
}

/// Charges for the current period. An unpaid subscription only gets a draft.
pub(super) fn charge(memory: &mut Memory, at: usize, reason: &str, now: Instant) {
    let invoice = invoice::draft(memory, at, reason, now);
    changed(memory, at, now);
    match memory.subscriptions[at]["status"] == "unpaid" {
        true => memory.invoices[invoice]["auto_advance"] = false.into(),
        false => {
            let card = Card::of(memory, &memory.subscriptions[at]["customer"]);
            collect(memory, invoice, card, now);
        }
    }
}

/// The draft becomes an invoice that can be paid.
fn finalize(memory: &mut Memory, at: usize, now: Instant) {
    let (id, payment) = (memory.name("number"), memory.name("inpay"));
    let number_of = id.trim_start_matches("number_local_").to_owned();
    let invoice = &mut memory.invoices[at];
    invoice["status"] = "open".into();
    invoice["number"] = format!("LOCAL-{number_of}").into();
    invoice["status_transitions"]["finalized_at"] = seconds(now).into();
    if number(invoice, "total") > 0 {
        invoice["local_payment"] = payment.into();
        let invoice = invoice.clone();
        let method = card_of(memory, &invoice["customer"]);
        let new = NewIntent {
            minor: invoice["total"].clone(),
            currency: invoice["currency"].clone(),
            customer: invoice["customer"].clone(),
            method,
            metadata: json!({}),
            invoice: invoice["id"].clone(),
        };
        let intent = intent::make(memory, new, now);
        memory.invoices[at]["local_intent"] = memory.intents[intent]["id"].clone();
    }
    let object = memory.invoices[at].clone();
    memory.tell("invoice.finalized", &object, now);
}

fn card_of(memory: &Memory, customer: &Value) -> Value {
    let known = place(&memory.customers, customer).map(|at| &memory.customers[at]);
    known.map_or(Value::Null, |known| known["invoice_settings"]["default_payment_method"].clone())
}

/// Finalizes an invoice that is a draft, and charges it by this card.
pub(super) fn collect(memory: &mut Memory, at: usize, card: Card, now: Instant) {
    if memory.invoices[at]["status"] == "draft" {
        finalize(memory, at, now);
    }
    match place(&memory.intents, &memory.invoices[at]["local_intent"]) {
        None => invoice::paid(memory, at, now),
        Some(intent) => {
            memory.invoices[at]["attempted"] = true.into();
            let attempts = number(&memory.invoices[at], "attempt_count") + 1;
            memory.invoices[at]["attempt_count"] = attempts.into();
            // The invoice and its subscription follow the payment.
            let asks = intent::attempt(memory, intent, card, now).is_err();
            if asks && card == Card::AsksCustomer {
                let object = memory.invoices[at].clone();
                memory.tell("invoice.payment_action_required", &object, now);
            }
        }
    }
}

/// Ends a subscription now. `reason`: as Stripe names it.
pub(super) fn end(memory: &mut Memory, at: usize, reason: &str, now: Instant) {
    schedule::release(memory, at, now);
    let sub = &mut memory.subscriptions[at];
    sub["status"] = "canceled".into();
    sub["ended_at"] = seconds(now).into();
    if sub["canceled_at"].is_null() {
        sub["canceled_at"] = seconds(now).into();
    }
    if sub["cancellation_details"]["reason"].is_null() {
        sub["cancellation_details"]["reason"] = reason.into();
    }
    let object = sub.clone();
    memory.tell("customer.subscription.deleted", &object, now);
}
