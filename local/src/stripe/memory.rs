//! The stored state of the local Stripe.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::domain::Instant;

/// The whole state, the oldest first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The number of ids that were made.
    pub(super) named: u64,
    pub(super) sessions: Vec<Value>,
    pub(super) intents: Vec<Value>,
    pub(super) charges: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    pub(super) disputes: Vec<Value>,
    /// The ids of the customers who paid.
    #[serde(default)]
    pub(super) customers: Vec<String>,
    /// The idempotency keys of requests, and the ids of the sessions that they made.
    pub(super) keys: Vec<(String, String)>,
    /// The webhook's endpoints that were made, with their secrets.
    #[serde(default)]
    pub(super) endpoints: Vec<Value>,
    /// The events of the last 30 days.
    #[serde(default)]
    pub(super) events: Vec<Value>,
    /// Events that no endpoint has accepted yet, with the attempts so far.
    pub(super) waiting: VecDeque<(String, u32)>,
    /// The webhook's answers, the oldest first.
    #[serde(default)]
    pub(super) answers: VecDeque<WebhookAnswer>,
}

/// The webhook's answer to one event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WebhookAnswer {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The session of the event, or its payment.
    pub(super) of: String,
    pub(super) status: u16,
    pub(super) at_ms: i64,
}

impl WebhookAnswer {
    /// None: the event has no session and no payment.
    pub(super) fn new(event: &str, status: u16, now: Instant) -> Option<WebhookAnswer> {
        let event: Value = serde_json::from_str(event).ok()?;
        let object = &event["data"]["object"];
        let own = match object["object"].as_str()? {
            "checkout.session" | "payment_intent" => &object["id"],
            _ => &object["payment_intent"],
        };
        let (kind, of) = (event["type"].as_str()?.to_owned(), own.as_str()?.to_owned());
        Some(WebhookAnswer { kind, of, status, at_ms: now.ms() })
    }
}
