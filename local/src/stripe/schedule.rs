//! Subscription schedules: a price that changes at the end of a period.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::memory::Memory;
use super::subscription::{self, item, period_end};
use super::wire::{place, second, seconds, text};

fn phase(sub: &Value, price: &Value, start: i64, end: i64) -> Value {
    json!({
        "add_invoice_items": [], "currency": sub["currency"], "discounts": [],
        "start_date": start, "end_date": end, "metadata": {}, "proration_behavior": "none",
        "items": [{ "discounts": [], "metadata": {}, "plan": price["id"], "price": price["id"],
            "quantity": item(sub)["quantity"] }],
    })
}

/// Sets another price at the end of the current period.
pub(super) fn set(memory: &mut Memory, of: usize, price: &Value, now: Instant) {
    let id = memory.name("sub_sched");
    let sub = &memory.subscriptions[of];
    let (start, end) = {
        let item = item(sub);
        (second(item, "current_period_start"), second(item, "current_period_end"))
    };
    let after = period_end(end, text(&price["recurring"], "interval"), end);
    let schedule = json!({
        "id": id, "object": "subscription_schedule", "livemode": false, "created": seconds(now),
        "application": null, "billing_mode": { "type": "classic" }, "canceled_at": null,
        "completed_at": null, "current_phase": { "start_date": start, "end_date": end },
        "customer": sub["customer"], "default_settings": { "billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically",
            "invoice_settings": { "account_tax_ids": null, "days_until_due": null,
                "issuer": { "type": "self" } } },
        "end_behavior": "release", "metadata": {},
        "phases": [phase(sub, &item(sub)["price"], start, end), phase(sub, price, end, after)],
        "released_at": null, "released_subscription": null, "status": "active",
        "subscription": sub["id"], "test_clock": null, "local_price": price,
    });
    memory.schedules.push(schedule.clone());
    memory.subscriptions[of]["schedule"] = id.into();
    memory.tell("subscription_schedule.created", &schedule, now);
    subscription::changed(memory, of, now);
}

/// Ends the schedule of a subscription. The subscription stays as it is.
pub(super) fn release(memory: &mut Memory, of: usize, now: Instant) {
    let sub = &mut memory.subscriptions[of];
    let (id, schedule) = (sub["id"].clone(), sub["schedule"].take());
    let Some(at) = place(&memory.schedules, &schedule) else { return };
    let schedule = &mut memory.schedules[at];
    schedule["status"] = "released".into();
    schedule["released_at"] = seconds(now).into();
    schedule["released_subscription"] = id;
    schedule["subscription"] = Value::Null;
    schedule["current_phase"] = Value::Null;
    let object = schedule.clone();
    memory.tell("subscription_schedule.released", &object, now);
}

/// Moves the schedule of a subscription on, at the end of a period: to its next phase, or after the
/// last one to its end.
pub(super) fn advance(memory: &mut Memory, of: usize, now: Instant) {
    let Some(at) = place(&memory.schedules, &memory.subscriptions[of]["schedule"]) else { return };
    let schedule = &mut memory.schedules[at];
    let (price, next) = (schedule["local_price"].clone(), schedule["phases"][1].clone());
    if second(&next, "start_date") != seconds(now) {
        return release(memory, of, now);
    }
    schedule["current_phase"] =
        json!({ "start_date": next["start_date"], "end_date": next["end_date"] });
    let object = schedule.clone();
    subscription::set_price(&mut memory.subscriptions[of], &price);
    memory.tell("subscription_schedule.updated", &object, now);
}
