//! What the local Stripe remembers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::domain::Instant;

/// All that it knows, the oldest first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Counts the names that were given.
    pub(super) named: u64,
    pub(super) sessions: Vec<Value>,
    pub(super) intents: Vec<Value>,
    pub(super) charges: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    pub(super) disputes: Vec<Value>,
    /// The names of those who paid.
    #[serde(default)]
    pub(super) customers: Vec<String>,
    /// Keys of requests, and the ids of the sessions that they made.
    pub(super) keys: Vec<(String, String)>,
    /// Events that no endpoint has taken yet, with how often each was sent.
    pub(super) waiting: VecDeque<(String, u32)>,
    /// What the webhook answered, the oldest first.
    #[serde(default)]
    pub(super) answers: VecDeque<WebhookAnswer>,
}

/// What the webhook answered to one event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WebhookAnswer {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The session that the event is of, or the payment of that.
    pub(super) of: String,
    pub(super) status: u16,
    pub(super) at_ms: i64,
}

impl WebhookAnswer {
    /// None: the event is of no session and no payment.
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
