//! The local Stripe: it applies effects and sends their events by webhook.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lambda_http::{Body, Request};
use serde_json::Value;
use shared::clock::Clock;
use shared::stripe::signature;

use super::effect::Effect;
use super::known::{SECRET, WEBHOOK_SECRET};
use super::memory::{Memory, WebhookAnswer};
use super::objects;
use crate::atomic_file;
use crate::routes::Functions;

/// The most attempts to send an event; Stripe goes on for three days.
const MAX_ATTEMPTS: u32 = 100;
/// The most of the webhook's answers that are kept: the oldest are dropped.
const MAX_ANSWERS: usize = 500;

/// Stripe in this process.
#[derive(Clone)]
pub struct LocalStripe {
    pub(super) memory: Arc<Mutex<Memory>>,
    pub(super) clock: Clock,
    file: Option<PathBuf>,
    /// The address of its own pages: `http://127.0.0.1:3000`.
    pub(super) base: String,
}

impl LocalStripe {
    pub fn new(clock: Clock, base: &str) -> LocalStripe {
        let memory = Arc::default();
        LocalStripe { memory, clock, file: None, base: base.to_owned() }
    }

    /// A local Stripe that continues where the one in this file stopped.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn kept_in(file: PathBuf, clock: Clock, base: &str) -> std::io::Result<LocalStripe> {
        let memory: Memory = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Memory::default(),
            Err(error) => return Err(error),
        };
        let memory = Arc::new(Mutex::new(memory));
        Ok(LocalStripe { memory, clock, file: Some(file), base: base.to_owned() })
    }

    /// The address of its pages.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Applies an effect to a session or its payment, and queues the events that Stripe would send.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn act(&self, session: &str, effect: Effect) -> Result<(), String> {
        let now = self.clock.now();
        let done = self.change(|memory| objects::act(memory, session, effect, now));
        done.map_err(str::to_owned)
    }

    /// The effects that are possible for a session now: [`LocalStripe::act`] applies these only.
    pub fn possible(&self, session: &str) -> Vec<Effect> {
        let memory = self.memory.lock().expect("no one panics with the lock");
        objects::possible(&memory, session)
    }

    /// Takes the waiting events, in their order, without sending them.
    pub fn take_events(&self) -> Vec<String> {
        self.change(|memory| memory.waiting.drain(..).map(|(event, _)| event).collect())
    }

    /// Queues an event to be sent, again or for the first time.
    pub fn resend(&self, event: &str) {
        self.change(|memory| memory.waiting.push_back((event.to_owned(), 0)));
    }

    /// The latest session of an order.
    pub fn session_of(&self, order: &str) -> Option<String> {
        let memory = self.memory.lock().expect("no one panics with the lock");
        let mut sessions = memory.sessions.iter().rev();
        let found = sessions.find(|session| session["client_reference_id"] == order)?;
        found["id"].as_str().map(str::to_owned)
    }

    /// Deletes the customers, as a merchant can.
    pub fn forget_customers(&self) {
        self.change(|memory| memory.customers.clear());
    }

    /// A session as the merchant would see it.
    pub fn session(&self, id: &str) -> Option<Value> {
        let memory = self.memory.lock().expect("no one panics with the lock");
        let found = memory.sessions.iter().find(|session| session["id"] == id)?;
        Some(objects::shown(found.clone()))
    }

    /// Sends each waiting event once. An event that gets no 2xx waits on, and so does one that was
    /// being sent when the process ended.
    pub async fn deliver(&self, functions: &Functions) {
        let waiting = {
            let memory = self.memory.lock().expect("no one panics with the lock");
            memory.waiting.clone()
        };
        for sent in waiting {
            let status = functions.answer(self.signed(&sent.0)).await.status();
            let answer = WebhookAnswer::new(&sent.0, status.as_u16(), self.clock.now());
            self.change(|memory| {
                memory.answers.extend(answer);
                if memory.answers.len() > MAX_ANSWERS {
                    memory.answers.pop_front();
                }
                let place = memory.waiting.iter().position(|waits| *waits == sent);
                let waited = place.and_then(|place| memory.waiting.remove(place));
                if let Some((event, attempts)) = waited
                    && !status.is_success()
                    && attempts < MAX_ATTEMPTS
                {
                    memory.waiting.push_back((event, attempts + 1));
                }
            });
        }
    }

    /// The request that delivers an event, signed now with the secret of the latest endpoint, or
    /// with the local stack's if none was made.
    pub fn signed(&self, event: &str) -> Request {
        let secret = {
            let memory = self.memory.lock().expect("no one panics with the lock");
            let latest = memory.endpoints.last();
            latest.and_then(|one| one[SECRET].as_str()).unwrap_or(WEBHOOK_SECRET).to_owned()
        };
        let signature = signature::sign(event.as_bytes(), &secret, self.clock.now());
        http::Request::post("/v1/stripe/webhook")
            .header("content-type", "application/json")
            .header("stripe-signature", signature)
            .body(Body::from(event))
            .expect("a request")
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().expect("no one panics with the lock");
        let changed = change(&mut memory);
        if let Some(file) = &self.file {
            let text = serde_json::to_vec(&*memory).expect("JSON");
            if let Err(error) = atomic_file::write(file, &text) {
                tracing::warn!(%error, "the local Stripe's data could not be saved");
            }
        }
        changed
    }
}

impl std::fmt::Debug for LocalStripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalStripe")
    }
}
