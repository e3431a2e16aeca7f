//! The time that passes: trials and periods of subscriptions end.

use serde_json::Value;
use shared::domain::Instant;

use super::billing;
use super::customer::Card;
use super::memory::Memory;
use super::schedule;
use super::subscription::{self, DAY_S, item, period_end, runs};
use super::wire::{instant, second, seconds, text};

/// How long before the end of a trial Stripe warns of it.
const WARNED_S: i64 = 3 * DAY_S;

/// Takes every step that is due up to `now`, in the order of their times. Returns whether there was
/// one.
pub(super) fn pass(memory: &mut Memory, now: Instant) -> bool {
    let mut passed = false;
    // Each step moves its subscription on: to its next period, or to its end.
    while let Some((at, of)) = next(memory).filter(|(at, _)| *at <= seconds(now)) {
        step(memory, of, instant(at));
        passed = true;
    }
    passed
}

/// The time of the next step, in seconds, and its subscription.
fn next(memory: &Memory) -> Option<(i64, usize)> {
    let all = memory.subscriptions.iter().enumerate();
    all.filter(|(_, sub)| runs(sub)).map(|(at, sub)| (due(sub), at)).min()
}

fn due(sub: &Value) -> i64 {
    let end = second(item(sub), "current_period_end");
    if warns(sub) { (end - WARNED_S).max(second(sub, "trial_start")) } else { end }
}

fn warns(sub: &Value) -> bool {
    sub["status"] == "trialing" && sub["local_warned"].is_null()
}

fn step(memory: &mut Memory, of: usize, now: Instant) {
    let sub = &mut memory.subscriptions[of];
    if warns(sub) {
        sub["local_warned"] = true.into();
        let object = sub.clone();
        memory.tell("customer.subscription.trial_will_end", &object, now);
    } else if sub["cancel_at_period_end"] == true {
        billing::end(memory, of, "cancellation_requested", now);
    } else if sub["status"] == "trialing" {
        end_trial(memory, of, now);
    } else {
        schedule::advance(memory, of, now);
        let sub = &mut memory.subscriptions[of];
        let anchor = second(sub, "billing_cycle_anchor");
        let interval = text(&item(sub)["price"]["recurring"], "interval");
        let end = period_end(anchor, interval, seconds(now));
        subscription::set_period(sub, seconds(now), end);
        billing::charge(memory, of, "subscription_cycle", now);
    }
}

/// The trial of a subscription ends: a paid period begins, if there is a card or the subscription
/// says so.
pub(super) fn end_trial(memory: &mut Memory, of: usize, now: Instant) {
    let sub = &mut memory.subscriptions[of];
    sub["trial_end"] = seconds(now).into();
    sub["local_warned"] = true.into();
    let behavior = &sub["trial_settings"]["end_behavior"]["missing_payment_method"];
    let behavior = behavior.as_str().unwrap_or_default().to_owned();
    let has_card = Card::of(memory, &memory.subscriptions[of]["customer"]) != Card::Removed;
    match behavior.as_str() {
        "cancel" if !has_card => billing::end(memory, of, "payment_failed", now),
        "pause" if !has_card => pause(memory, of, now),
        _ => {
            memory.subscriptions[of]["status"] = "active".into();
            schedule::advance(memory, of, now);
            billing::restart(memory, of, "subscription_cycle", now);
        }
    }
}

/// Pauses a subscription: it makes no invoices.
pub(super) fn pause(memory: &mut Memory, of: usize, now: Instant) {
    memory.subscriptions[of]["status"] = "paused".into();
    let object = memory.subscriptions[of].clone();
    memory.tell("customer.subscription.paused", &object, now);
    subscription::changed(memory, of, now);
}

/// A paused subscription goes on: a period begins now.
pub(super) fn resume(memory: &mut Memory, of: usize, now: Instant) {
    memory.subscriptions[of]["status"] = "active".into();
    let object = memory.subscriptions[of].clone();
    memory.tell("customer.subscription.resumed", &object, now);
    billing::restart(memory, of, "subscription_update", now);
}
