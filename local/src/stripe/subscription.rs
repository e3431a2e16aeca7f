//! Subscriptions: how they begin, change and end.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::memory::Memory;
use super::wire::{instant, place, second, seconds, text};

/// Seconds of a day.
pub(super) const DAY_S: i64 = 86_400;

/// The end of the period that begins at `start`, of periods that begin at `anchor`: a month has the
/// anchor's day, or its own last one. All in seconds.
pub(super) fn period_end(anchor: i64, interval: &str, start: i64) -> i64 {
    let begins = instant(anchor).utc();
    let after = |count: u32| match interval {
        "day" => anchor + i64::from(count) * DAY_S,
        "week" => anchor + i64::from(count) * 7 * DAY_S,
        _ => {
            let months = if interval == "year" { 12 * count } else { count };
            let end = begins.checked_add_months(chrono::Months::new(months));
            end.map_or(i64::MAX, |end| end.timestamp())
        }
    };
    (1..).map(after).find(|end| *end > start).unwrap_or(i64::MAX)
}

pub(super) fn automatic_tax(enabled: bool) -> Value {
    let liability = if enabled { json!({ "type": "self" }) } else { Value::Null };
    let status = if enabled { json!("complete") } else { Value::Null };
    json!({ "enabled": enabled, "disabled_reason": null, "liability": liability,
        "provider": null, "status": status })
}

/// The only item of a subscription.
pub(super) fn item(subscription: &Value) -> &Value {
    &subscription["items"]["data"][0]
}

/// The subscription of an invoice.
pub(super) fn of_invoice(invoice: &Value) -> &Value {
    &invoice["parent"]["subscription_details"]["subscription"]
}

/// The plan of a price: an older form of the same.
pub(super) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"], "object": "plan", "active": true, "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": "per_unit",
        "created": price["created"], "currency": price["currency"],
        "interval": price["recurring"]["interval"], "interval_count": 1, "livemode": false,
        "metadata": {}, "meter": null, "nickname": price["nickname"],
        "product": price["product"], "tiers_mode": null, "transform_usage": null,
        "trial_period_days": null, "usage_type": "licensed",
    })
}

/// Whether a subscription goes on.
pub(super) fn lives(subscription: &Value) -> bool {
    text(subscription, "status") != "canceled"
}

/// Whether a subscription is paid for period by period.
pub(super) fn runs(subscription: &Value) -> bool {
    ["trialing", "active", "past_due", "unpaid"].contains(&text(subscription, "status"))
}

/// Sets the price of a subscription's item. The period stays.
pub(super) fn set_price(subscription: &mut Value, price: &Value) {
    let item = &mut subscription["items"]["data"][0];
    item["plan"] = plan(price);
    item["price"] = price.clone();
}

/// Sets the period of a subscription, in seconds.
pub(super) fn set_period(subscription: &mut Value, start: i64, end: i64) {
    let item = &mut subscription["items"]["data"][0];
    item["current_period_start"] = start.into();
    item["current_period_end"] = end.into();
}

/// Queues the event of a change.
pub(super) fn changed(memory: &mut Memory, at: usize, now: Instant) {
    let object = memory.subscriptions[at].clone();
    memory.tell("customer.subscription.updated", &object, now);
}

/// Sets the status of a subscription, if it is another one.
pub(super) fn set_status(memory: &mut Memory, at: usize, status: &str, now: Instant) {
    if memory.subscriptions[at]["status"] != status {
        memory.subscriptions[at]["status"] = status.into();
        changed(memory, at, now);
    }
}

/// The status follows the latest invoice: paid or not. A subscription that is paused or over has
/// no say in it.
pub(super) fn follow(memory: &mut Memory, invoice: &Value, now: Instant) {
    let Some(at) = place(&memory.subscriptions, of_invoice(invoice)) else { return };
    let sub = &memory.subscriptions[at];
    let is_latest = sub["latest_invoice"] == invoice["id"];
    if !is_latest || !lives(sub) || sub["status"] == "paused" {
        return;
    }
    let status = match text(invoice, "status") {
        "paid" if second(sub, "trial_end") > seconds(now) => "trialing",
        "paid" => "active",
        _ if sub["status"] == "unpaid" => "unpaid",
        _ => "past_due",
    };
    set_status(memory, at, status, now);
}

/// Sets or takes back the end at the end of the period.
pub(super) fn set_cancel(memory: &mut Memory, at: usize, ends: bool, now: Instant) {
    let sub = &mut memory.subscriptions[at];
    let end = item(sub)["current_period_end"].clone();
    sub["cancel_at_period_end"] = ends.into();
    sub["cancel_at"] = if ends { end } else { Value::Null };
    sub["canceled_at"] = if ends { seconds(now).into() } else { Value::Null };
    let reason = if ends { json!("cancellation_requested") } else { Value::Null };
    sub["cancellation_details"]["reason"] = reason;
    changed(memory, at, now);
}
