//! Payments as operators see them, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::cursor::{self, PaymentList};
use super::payment::{PaidShown, receipt};
use super::reply::ok;
use crate::decide::payment::why;
use crate::domain::payment::{Decided, State};
use crate::domain::subscription::SubscriptionId;
use crate::domain::{AccountId, Credits, Currency, Instant, OperationId};
use crate::query::checkouts::Checkout;
use crate::query::payments::{PaymentRecord, PaymentsPart};

#[derive(Serialize)]
struct Listed<'a> {
    payments: Vec<Shown<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Order(Box<OrderShown<'a>>),
    Event(EventShown<'a>),
}

/// An order and its payment.
#[derive(Serialize)]
struct OrderShown<'a> {
    /// The payment; the order, while no payment is known.
    id: String,
    order: OperationId,
    account: &'a AccountId,
    state: State,
    pack: &'a str,
    credits: Credits,
    /// How many of them are in the account now.
    credited: Credits,
    /// Formatted for a person.
    price: String,
    price_minor: u64,
    currency: Currency,
    #[serde(flatten)]
    paid: PaidShown,
    /// When it was ordered; or since when it waits for an operator.
    at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_url: Option<&'a str>,
    /// Why it waits for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<DecidedShown<'a>>,
}

/// An event that could not be read; or a subscription that waits.
#[derive(Serialize)]
struct EventShown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    state: &'static str,
    /// When it arrived.
    at: Instant,
    problem: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<DecidedShown<'a>>,
}

#[derive(Serialize)]
struct DecidedShown<'a> {
    verdict: &'static str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    at: Instant,
}

/// A part of a listing of payments. `base`: our own address.
pub fn payments(part: &PaymentsPart, list: PaymentList<'_>, base: &str) -> Response<Body> {
    let next_cursor = part.next.as_ref().map(|next| cursor::seal_payment(next, list));
    let payments = part.payments.iter().map(|record| shown(record, base)).collect();
    ok(&Listed { payments, next_cursor })
}

/// One payment, or one event.
pub fn payment(record: &PaymentRecord, base: &str) -> Response<Body> {
    ok(&shown(record, base))
}

fn shown<'a>(record: &'a PaymentRecord, base: &str) -> Shown<'a> {
    let parked = State::Parked.name();
    match record {
        PaymentRecord::Order { checkout, at } => Shown::Order(Box::new(order(checkout, *at, base))),
        PaymentRecord::Event(event, decision) => Shown::Event(EventShown {
            id: &event.id,
            kind: None,
            state: decision.as_ref().map_or(parked, |decision| decision.verdict.name()),
            at: event.at,
            problem: &event.problem,
            decided: decision.as_ref().map(decided),
        }),
        PaymentRecord::Mark(mark) => Shown::Event(EventShown {
            id: &mark.id,
            kind: mark.id.parse::<SubscriptionId>().is_ok().then_some("subscription"),
            state: parked,
            at: mark.at,
            problem: &mark.problem,
            decided: None,
        }),
    }
}

fn order<'a>(checkout: &'a Checkout, at: Instant, base: &str) -> OrderShown<'a> {
    let Checkout { order, state, payment } = checkout;
    let payment = payment.as_ref();
    let parked = payment.filter(|payment| payment.is_parked(order));
    OrderShown {
        id: payment.map_or_else(|| order.id.to_string(), |payment| payment.intent.to_string()),
        order: order.id,
        account: &order.account,
        state: *state,
        pack: &order.pack,
        credits: order.credits,
        credited: checkout.credited(),
        price: order.price.decimal(),
        price_minor: order.price.minor,
        currency: order.price.currency,
        paid: PaidShown::new(payment),
        at,
        user: order.user.as_deref(),
        receipt_url: payment.and_then(|payment| receipt(payment, base)),
        problem: parked.map(|payment| why(payment, order)),
        decided: payment.and_then(|payment| payment.decided.as_ref()).map(decided),
    }
}

fn decided(decided: &Decided) -> DecidedShown<'_> {
    DecidedShown {
        verdict: decided.verdict.name(),
        reason: &decided.explanation.reason,
        message: decided.explanation.message.as_deref(),
        actor: decided.actor.as_deref(),
        at: decided.at,
    }
}
