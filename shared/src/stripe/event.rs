//! Reads Stripe's events: those that a webhook brings, and those of a list.

use serde::Deserialize;
use serde_json::Value;

use super::object::{Said, said, without_value, word};
use crate::domain::hash::short_hash;
use crate::domain::payment::{Facts, PaymentNotice};

/// The parts of an event that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id, if it is a word: for a log.
    pub id: String,
    pub kind: String,
    /// None: the event changes nothing here.
    pub said: Option<Said>,
}

/// Why a signed event cannot be read: it is kept for an operator.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {cause}")]
pub struct Unreadable {
    kind: String,
    cause: serde_json::Error,
}

/// The types of events of sessions, payment intents and charges: those that may name the order of a
/// payment.
pub const PAYMENT_KINDS: [&str; 13] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "payment_intent.partially_funded",
    "payment_intent.amount_capturable_updated",
    "charge.succeeded",
    "charge.captured",
    "charge.updated",
    "charge.refunded",
];

/// The types of events of refunds and disputes.
pub const REVERSAL_KINDS: [&str; 9] = [
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// The types of events of subscriptions, which are hints: Stripe is asked about the subscription.
pub const SUBSCRIPTION_KINDS: [&str; 7] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "invoice.paid",
    "invoice.payment_failed",
];

// One request to Stripe names at most 20 types of events.
const _: () = assert!(PAYMENT_KINDS.len() <= 20 && REVERSAL_KINDS.len() <= 20);

/// The event types that may be about something of ours. Others are ignored.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    PAYMENT_KINDS.into_iter().chain(REVERSAL_KINDS).chain(SUBSCRIPTION_KINDS)
}

/// Reads an event whose signature was verified.
///
/// # Errors
/// [`Unreadable`] if it is no event, or one of a type of ours whose object cannot be read.
pub fn event(body: &[u8]) -> Result<Event, Unreadable> {
    of_envelope(serde_json::from_slice(body))
}

/// Reads an event of Stripe's list, as [`event`] does.
///
/// # Errors
/// As [`event`].
pub fn listed_event(event: Value) -> Result<Event, Unreadable> {
    of_envelope(serde_json::from_value(event))
}

fn of_envelope(read: Result<Envelope, serde_json::Error>) -> Result<Event, Unreadable> {
    let unreadable =
        |cause| Unreadable { kind: "the event".to_owned(), cause: without_value(cause) };
    let read = read.map_err(unreadable)?;
    let kind = read.kind;
    let id = word(&read.id).to_owned();
    // Events of connected accounts are ignored. Thin events carry no object.
    let ours = read.object == "event" && read.account.is_none();
    if !ours || !kinds().any(|ours| ours == kind) {
        return Ok(Event { id, kind: word(&kind).to_owned(), said: None });
    }
    let failed = |cause| Unreadable { kind: format!("{id}, {kind}"), cause };
    let missing = |field| failed(serde::de::Error::missing_field(field));
    let object = read.data.and_then(|data| data.object).ok_or_else(|| missing("data.object"))?;
    let live = read.livemode.ok_or_else(|| missing("livemode"))?;
    // The session of a failed payment looks as it did before.
    let failed_late = kind == "checkout.session.async_payment_failed";
    let said = said(object, live).map_err(failed)?.map(|said| match said {
        Said::Payment(PaymentNotice::Payment { intent, facts }) if failed_late => {
            let facts = Facts { failed: true, ..facts };
            Said::Payment(PaymentNotice::Payment { intent, facts })
        }
        said => said,
    });
    Ok(Event { id, kind, said })
}

/// The name under which an event is kept that cannot be read: its id at Stripe, or a hash of the
/// body if it has none.
pub fn name(body: &[u8]) -> String {
    let plain = |id: &&str| {
        let letters = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        id.starts_with("evt_") && id.len() <= 64 && letters
    };
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    event["id"]
        .as_str()
        .filter(plain)
        .map(str::to_owned)
        .unwrap_or_else(|| format!("evt_unnamed_{}", short_hash(body)))
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    object: String,
    account: Option<String>,
    livemode: Option<bool>,
    data: Option<EnvelopeData>,
}

#[derive(Deserialize)]
struct EnvelopeData {
    object: Option<Value>,
}
