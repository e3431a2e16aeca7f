//! Effects on the objects of the local Stripe: which are possible, and what they change.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::billing;
use super::charge::{self, disputed, left, refunded};
use super::customer::{self, Card};
use super::effect::{ChangeAt, Effect};
use super::intent;
use super::invoice;
use super::memory::Memory;
use super::prices;
use super::renewal;
use super::schedule;
use super::session;
use super::subscription::{self, item, lives, of_invoice, runs};
use super::wire::{number, place, second, seconds, text};

/// The object that an effect is for, by its place.
#[derive(Clone, Copy)]
enum Target {
    Session(usize),
    Intent(usize),
    Invoice(usize),
    Subscription(usize),
    Customer(usize),
}

use Target::{Customer, Intent, Invoice, Session, Subscription};

type Allowed = Result<(), &'static str>;

fn target(memory: &Memory, id: &str) -> Option<Target> {
    let id = &json!(id);
    let session = place(&memory.sessions, id).map(Session);
    session
        .or_else(|| place(&memory.intents, id).map(Intent))
        .or_else(|| place(&memory.invoices, id).map(Invoice))
        .or_else(|| place(&memory.subscriptions, id).map(Subscription))
        .or_else(|| place(&memory.customers, id).map(Customer))
}

/// The effects that are possible for an object now: all that [`act`] applies and that have a
/// button, in the order of a payment's life, and then of a subscription's.
pub(super) fn possible(memory: &Memory, id: &str, now: Instant) -> Vec<Effect> {
    let Some(target) = target(memory, id) else { return Vec::new() };
    let seats = match target {
        Subscription(at) => number(item(&memory.subscriptions[at]), "quantity"),
        _ => 0,
    };
    let all = Effect::with_buttons(seats).into_iter();
    all.filter(|effect| allowed(memory, target, *effect, now).is_ok()).collect()
}

/// Whether an effect is possible now: the rules of all effects.
fn allowed(memory: &Memory, target: Target, effect: Effect, now: Instant) -> Allowed {
    match effect {
        Effect::Pay | Effect::Decline | Effect::PayLater | Effect::Expire => {
            may_pay(memory, target, effect)
        }
        Effect::Arrive | Effect::Fail => processing(memory, target).map(drop),
        Effect::Refund { minor } => {
            let left = left(&memory.charges[charged(memory, target)?]);
            let fits = (1..=left).contains(&minor.unwrap_or(left));
            need(fits, "more than the remaining amount")
        }
        Effect::FailRefund => refunded(memory, charged(memory, target)?).map(drop),
        Effect::Dispute => {
            need(disputed(memory, charged(memory, target)?).is_err(), "a dispute is open")
        }
        Effect::Win | Effect::Lose => disputed(memory, charged(memory, target)?).map(drop),
        Effect::Uncollectible | Effect::Void => {
            let invoice = payable(memory, target)?;
            need(memory.invoices[invoice]["status"] == "open", "the invoice is a draft")
        }
        Effect::Card { .. } | Effect::Country { .. } => match (target, effect) {
            (Session(at), Effect::Country { .. }) => {
                let is_taxed = memory.sessions[at]["automatic_tax"]["enabled"] == true;
                need(is_taxed, "the session has no tax")?;
                may_pay(memory, target, Effect::Pay)
            }
            (Customer(_) | Subscription(_), _) => {
                customer_of(memory, target).map(drop).ok_or("there is no such customer")
            }
            _ => Err("this is not a customer"),
        },
        _ => {
            let Subscription(at) = target else { return Err("this is not a subscription") };
            may_change(&memory.subscriptions[at], effect, now)
        }
    }
}

fn need(holds: bool, otherwise: &'static str) -> Allowed {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn may_pay(memory: &Memory, target: Target, effect: Effect) -> Allowed {
    match (target, effect) {
        (Session(at), Effect::PayLater) if memory.sessions[at]["mode"] != "payment" => {
            Err("only a payment can take days here")
        }
        (Session(at), _) => {
            need(memory.sessions[at]["status"] == "open", "the session is not open")
        }
        (Intent(at), Effect::Pay) => {
            need(intent::waits(&memory.intents[at]), "the payment does not wait")
        }
        (Invoice(_) | Subscription(_), Effect::Pay) => {
            let invoice = payable(memory, target)?;
            let intent = place(&memory.intents, &memory.invoices[invoice]["local_intent"]);
            let waits = intent.is_none_or(|intent| intent::waits(&memory.intents[intent]));
            need(waits, "the payment is in progress")
        }
        _ => Err("this is not a session"),
    }
}

/// The rules of a change to a subscription.
fn may_change(sub: &Value, effect: Effect, now: Instant) -> Allowed {
    let status = text(sub, "status");
    let ends = sub["cancel_at_period_end"] == true;
    match effect {
        Effect::Cancel => need(lives(sub), "the subscription has ended"),
        Effect::CancelAtPeriodEnd => {
            need(runs(sub), "the subscription is not running")?;
            need(!ends, "the subscription ends already")?;
            need(sub["schedule"].is_null(), "a change of the price is scheduled")
        }
        Effect::Resume => {
            need(status == "paused" || (runs(sub) && ends), "the subscription goes on anyway")
        }
        Effect::EndTrial => need(status == "trialing", "there is no trial"),
        Effect::Pause => need(runs(sub), "the subscription is not running"),
        Effect::Unpaid => need(status == "past_due", "the subscription is not past due"),
        Effect::KeepPrice => need(!sub["schedule"].is_null(), "no change is scheduled"),
        Effect::Change { price, at } => {
            need(runs(sub), "the subscription is not running")?;
            let current = &item(sub)["price"];
            need(current["id"] != price.as_str(), "the subscription has this price")?;
            let known = prices::known(price);
            let same = |field: &str| current[field] == known[field];
            need(same("currency"), "a subscription keeps its currency")?;
            need(sub["schedule"].is_null(), "a change of the price is scheduled")?;
            match at {
                ChangeAt::Now => need(
                    current["recurring"]["interval"] == known["recurring"]["interval"],
                    "another interval begins a new period",
                ),
                ChangeAt::NewPeriod => need(status != "trialing", "a trial has no paid period"),
                ChangeAt::PeriodEnd => need(!ends, "the subscription ends then"),
            }
        }
        Effect::Seats { quantity } => {
            need(runs(sub), "the subscription is not running")?;
            need(quantity > 0, "a subscription has a seat at least")?;
            let same = number(item(sub), "quantity") == u64::from(quantity);
            need(!same, "the subscription has so many seats")
        }
        Effect::WithoutCard { then } => {
            let in_trial = status == "trialing" && second(sub, "trial_end") > seconds(now);
            need(in_trial, "there is no trial")?;
            let set = &sub["trial_settings"]["end_behavior"]["missing_payment_method"];
            need(*set != then.as_str(), "that is set")
        }
        _ => Err("this is not a change of a subscription"),
    }
}

/// Applies an effect to an object, and queues its events.
pub(super) fn act(memory: &mut Memory, id: &str, effect: Effect, now: Instant) -> Allowed {
    let target = target(memory, id).ok_or("there is no such session")?;
    allowed(memory, target, effect, now)?;
    match effect {
        Effect::Pay => pay(memory, target, now)?,
        Effect::Refund { minor } => charge::refund(memory, charged(memory, target)?, minor, now),
        Effect::FailRefund => charge::fail_refund(memory, charged(memory, target)?, now)?,
        Effect::Dispute => charge::dispute(memory, charged(memory, target)?, now),
        Effect::Win => charge::decide(memory, charged(memory, target)?, "won", now)?,
        Effect::Lose => charge::decide(memory, charged(memory, target)?, "lost", now)?,
        Effect::Arrive => intent::arrive(memory, processing(memory, target)?, now),
        Effect::Fail => intent::fail(memory, processing(memory, target)?, now),
        Effect::Uncollectible => {
            invoice::give_up(memory, payable(memory, target)?, "uncollectible", now);
        }
        Effect::Void => invoice::give_up(memory, payable(memory, target)?, "void", now),
        Effect::Card { card } => {
            if let Some(at) = customer_of(memory, target) {
                customer::set_card(memory, at, card, now);
            }
        }
        Effect::Country { country } => locate(memory, target, country.code()),
        _ => {}
    }
    match target {
        Session(at) => at_session(memory, at, effect, now),
        Subscription(at) => at_subscription(memory, at, effect, now),
        Intent(_) | Invoice(_) | Customer(_) => {}
    }
    Ok(())
}

fn pay(memory: &mut Memory, target: Target, now: Instant) -> Allowed {
    match target {
        Session(at) => session::pay(memory, at, now),
        Intent(at) => intent::arrive(memory, at, now),
        Invoice(_) | Subscription(_) => {
            let invoice = payable(memory, target)?;
            if let Some(at) = customer_of(memory, target) {
                customer::set_card(memory, at, Card::Works, now);
            }
            billing::collect(memory, invoice, Card::Works, now);
        }
        Customer(_) => {}
    }
    Ok(())
}

fn locate(memory: &mut Memory, target: Target, country: &str) {
    if let Session(at) = target {
        session::set_country(&mut memory.sessions[at], country);
    }
    if let Some(at) = customer_of(memory, target) {
        let id = memory.customers[at]["id"].clone();
        customer::set_country(memory, &id, country);
    }
}

/// The rest of an effect on a session.
fn at_session(memory: &mut Memory, at: usize, effect: Effect, now: Instant) {
    match effect {
        Effect::Decline if memory.sessions[at]["mode"] == "payment" => {
            session::locate(memory, at);
            let intent = session::begin(memory, at, now);
            intent::fail(memory, intent, now);
        }
        Effect::PayLater => {
            session::locate(memory, at);
            let intent = session::begin(memory, at, now);
            intent::process(memory, intent, now);
            session::complete(memory, at, "unpaid", now);
        }
        Effect::Arrive => {
            memory.sessions[at]["payment_status"] = "paid".into();
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_succeeded", &object, now);
        }
        Effect::Fail => {
            let object = memory.sessions[at].clone();
            memory.tell("checkout.session.async_payment_failed", &object, now);
        }
        Effect::Expire => session::expire(memory, at, now),
        _ => {}
    }
}

/// The effects on a subscription alone.
fn at_subscription(memory: &mut Memory, at: usize, effect: Effect, now: Instant) {
    match effect {
        Effect::Cancel => billing::end(memory, at, "cancellation_requested", now),
        Effect::CancelAtPeriodEnd => subscription::set_cancel(memory, at, true, now),
        Effect::Resume if memory.subscriptions[at]["status"] == "paused" => {
            renewal::resume(memory, at, now);
        }
        Effect::Resume => subscription::set_cancel(memory, at, false, now),
        Effect::EndTrial => renewal::end_trial(memory, at, now),
        Effect::Pause => renewal::pause(memory, at, now),
        Effect::Unpaid => subscription::set_status(memory, at, "unpaid", now),
        Effect::KeepPrice => {
            schedule::release(memory, at, now);
            subscription::changed(memory, at, now);
        }
        Effect::Change { price, at: when } => {
            let price = prices::known(price);
            match when {
                ChangeAt::PeriodEnd => schedule::set(memory, at, &price, now),
                ChangeAt::Now => {
                    subscription::set_price(&mut memory.subscriptions[at], &price);
                    subscription::changed(memory, at, now);
                }
                ChangeAt::NewPeriod => {
                    subscription::set_price(&mut memory.subscriptions[at], &price);
                    billing::restart(memory, at, "subscription_update", now);
                }
            }
        }
        Effect::Seats { quantity } => {
            memory.subscriptions[at]["items"]["data"][0]["quantity"] = quantity.into();
            subscription::changed(memory, at, now);
        }
        Effect::WithoutCard { then } => {
            let settings = &mut memory.subscriptions[at]["trial_settings"];
            settings["end_behavior"]["missing_payment_method"] = then.as_str().into();
            subscription::changed(memory, at, now);
        }
        _ => {}
    }
}

/// The payments of an object, the latest first: of a subscription, those of its invoices.
fn payments(memory: &Memory, target: Target) -> Vec<usize> {
    let known = |object: &Value| place(&memory.intents, &object["local_intent"]);
    match target {
        Session(at) => known(&memory.sessions[at]).into_iter().collect(),
        Intent(at) => vec![at],
        Invoice(at) => known(&memory.invoices[at]).into_iter().collect(),
        Subscription(at) => {
            let id = &memory.subscriptions[at]["id"];
            let own = memory.invoices.iter().rev().filter(|one| of_invoice(one) == id);
            own.filter_map(known).collect()
        }
        Customer(_) => Vec::new(),
    }
}

/// The latest charge of an object.
fn charged(memory: &Memory, target: Target) -> Result<usize, &'static str> {
    let mut payments = payments(memory, target).into_iter();
    payments.find_map(|at| charge::of(memory, at).ok()).ok_or("there is no payment")
}

fn processing(memory: &Memory, target: Target) -> Result<usize, &'static str> {
    let mut payments = payments(memory, target).into_iter();
    let found = payments.find(|at| memory.intents[*at]["status"] == "processing");
    found.ok_or("no payment is in progress")
}

/// The invoice of an object that can be paid.
fn payable(memory: &Memory, target: Target) -> Result<usize, &'static str> {
    let found = match target {
        Invoice(at) => {
            Some(at).filter(|at| ["draft", "open"].contains(&text(&memory.invoices[*at], "status")))
        }
        Subscription(at) => invoice::payable(memory, &memory.subscriptions[at]),
        _ => None,
    };
    found.ok_or("no invoice is open")
}

fn customer_of(memory: &Memory, target: Target) -> Option<usize> {
    let id = match target {
        Session(at) => &memory.sessions[at]["customer"],
        Intent(at) => &memory.intents[at]["customer"],
        Invoice(at) => &memory.invoices[at]["customer"],
        Subscription(at) => &memory.subscriptions[at]["customer"],
        Customer(at) => return Some(at),
    };
    place(&memory.customers, id)
}
