//! The stored state of the local Stripe.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::Instant;

use super::wire::{Form, seconds, shown};

/// The version of Stripe's API that the client library is made for.
pub(super) const API_VERSION: &str = "2026-09-30.dahlia";
/// The time that an event is listed.
pub(super) const LISTED_S: i64 = 30 * 24 * 60 * 60;

/// The whole state, the oldest first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The address of its own pages: of the stack that is running, so it is not saved.
    #[serde(skip)]
    pub(super) base: String,
    /// The number of ids that were made.
    pub(super) named: u64,
    pub(super) sessions: Vec<Value>,
    pub(super) intents: Vec<Value>,
    pub(super) charges: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    pub(super) disputes: Vec<Value>,
    #[serde(default)]
    pub(super) customers: Vec<Value>,
    #[serde(default)]
    pub(super) payment_methods: Vec<Value>,
    #[serde(default)]
    pub(super) setup_intents: Vec<Value>,
    /// The prices that requests made; [`super::prices`] has the others.
    #[serde(default)]
    pub(super) prices: Vec<Value>,
    #[serde(default)]
    pub(super) subscriptions: Vec<Value>,
    #[serde(default)]
    pub(super) schedules: Vec<Value>,
    #[serde(default)]
    pub(super) invoices: Vec<Value>,
    #[serde(default)]
    pub(super) portals: Vec<Value>,
    /// The answers to requests with an idempotency key.
    #[serde(default)]
    pub(super) replies: VecDeque<Kept>,
    /// Whether the answer to the next change is lost on its way.
    #[serde(skip)]
    pub(super) loses_reply: bool,
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

impl Memory {
    /// A new id: `pi_local_0000000000000012`.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}_local_{:016}", self.named)
    }

    /// Queues an event about an object as it is now.
    pub(super) fn tell(&mut self, kind: &str, object: &Value, now: Instant) {
        let id = self.name("evt");
        let event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": seconds(now),
            "type": kind, "livemode": false, "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "data": { "object": shown(object.clone()) },
        });
        self.waiting.push_back((event.to_string(), 0));
        let gone = |event: &&Value| event["created"].as_i64() < Some(seconds(now) - LISTED_S);
        let gone = self.events.iter().take_while(gone).count();
        self.events.drain(..gone);
        self.events.push(event);
    }
}

/// An answer to a request with a key.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) key: String,
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) at_s: i64,
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
