//! The local Stripe: it applies effects and sends their events by webhook.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lambda_http::{Body, Request};
use serde_json::Value;
use shared::clock::Clock;
use shared::domain::Instant;
use shared::stripe::object::ACCOUNT;
use shared::stripe::signature;

use super::effect::Effect;
use super::known::{SECRET, WEBHOOK_SECRET};
use super::memory::{Memory, WebhookAnswer};
use super::wire::{Form, shown};
use super::{act, billing, customer, objects, renewal, subscription};
use crate::atomic_file;
use crate::routes::Functions;

/// The most attempts to send an event; Stripe goes on for three days.
const MAX_ATTEMPTS: u32 = 100;
/// The most of the webhook's answers that are kept: the oldest are dropped.
const MAX_ANSWERS: usize = 500;
/// The interval at which new events are sent while the clock runs.
const TICK: Duration = Duration::from_millis(500);

/// Stripe in this process.
#[derive(Clone)]
pub struct LocalStripe {
    memory: Arc<Mutex<Memory>>,
    clock: Clock,
    file: Option<PathBuf>,
    base: String,
}

impl LocalStripe {
    pub fn new(clock: Clock, base: &str) -> LocalStripe {
        LocalStripe::of(Memory::default(), clock, None, base)
    }

    /// A local Stripe that continues where the one in this file stopped.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn kept_in(file: PathBuf, clock: Clock, base: &str) -> std::io::Result<LocalStripe> {
        let mut memory: Memory = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Memory::default(),
            Err(error) => return Err(error),
        };
        customer::complete(&mut memory);
        Ok(LocalStripe::of(memory, clock, Some(file), base))
    }

    fn of(memory: Memory, clock: Clock, file: Option<PathBuf>, base: &str) -> LocalStripe {
        let base = base.to_owned();
        let memory = Memory { base: base.clone(), ..memory };
        LocalStripe { memory: Arc::new(Mutex::new(memory)), clock, file, base }
    }

    /// A copy in memory of this one's state, at another clock: what happens to one does not happen
    /// to the other.
    pub fn copied(&self, clock: Clock) -> LocalStripe {
        let memory = self.read(|memory| serde_json::to_value(memory).expect("JSON"));
        let memory = serde_json::from_value(memory).expect("it was written as it is read");
        LocalStripe::of(memory, clock, None, &self.base)
    }

    /// The address of its pages.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Applies an effect to the object with this id: a session, a payment, an invoice, a
    /// subscription or a customer. Queues the events that Stripe would send.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn act(&self, id: &str, effect: Effect) -> Result<(), String> {
        let now = self.now();
        let done = self.change(|memory| act::act(memory, id, effect, now));
        done.map_err(str::to_owned)
    }

    /// The effects that have a button at the object with this id now: [`LocalStripe::act`] applies
    /// them.
    pub fn possible(&self, id: &str) -> Vec<Effect> {
        self.read(|memory| act::possible(memory, id, self.now()))
    }

    /// Takes the steps of subscriptions that are due by the clock. Every other call does so first.
    pub fn pass(&self) {
        drop(self.locked());
    }

    /// Loses the answer to the next request that changes something: it is done, and answered by the
    /// status 500.
    pub fn lose_next_reply(&self) {
        self.change(|memory| memory.loses_reply = true);
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
        self.read(|memory| {
            let mut sessions = memory.sessions.iter().rev();
            let found = sessions.find(|session| session["client_reference_id"] == order)?;
            found["id"].as_str().map(str::to_owned)
        })
    }

    /// The latest subscription of an account that has not ended; without one, the latest.
    pub fn subscription_of(&self, account: &str) -> Option<String> {
        self.read(|memory| {
            let of = |sub: &&Value| sub["metadata"][ACCOUNT] == account;
            let all = || memory.subscriptions.iter().rev().filter(of);
            let found = all().find(|sub| subscription::lives(sub)).or_else(|| all().next())?;
            found["id"].as_str().map(str::to_owned)
        })
    }

    /// Deletes the customers, as a merchant can: their subscriptions end.
    pub fn forget_customers(&self) {
        let now = self.now();
        self.change(|memory| {
            for at in 0..memory.subscriptions.len() {
                if subscription::lives(&memory.subscriptions[at]) {
                    billing::end(memory, at, "cancellation_requested", now);
                }
            }
            memory.customers.clear();
        });
    }

    /// A session as the merchant would see it.
    pub fn session(&self, id: &str) -> Option<Value> {
        self.object("checkout/sessions", id)
    }

    /// An object as the merchant would see it. `path`: of its list at Stripe, `subscriptions`.
    pub fn object(&self, path: &str, id: &str) -> Option<Value> {
        let (status, object) = self.read(|memory| objects::get(memory, path, id, &Form::new()));
        (status == 200).then_some(object)
    }

    /// All objects of a list as the merchant would see them, the oldest first. `path`: of the list
    /// at Stripe, `invoices`.
    pub fn objects(&self, path: &str) -> Vec<Value> {
        let of = |memory: &Memory| {
            objects::of(memory, path).into_iter().flatten().cloned().map(shown).collect()
        };
        self.read(of)
    }

    /// Sends each waiting event once. An event that gets no 2xx waits on, and so does one that was
    /// being sent when the process ended.
    pub async fn deliver(&self, functions: &Functions) {
        self.send(functions, self.read(|memory| memory.waiting.clone())).await;
    }

    /// Sends each event once that was not sent before.
    pub async fn deliver_new(&self, functions: &Functions) {
        let is_new = |(_, attempts): &&(String, u32)| *attempts == 0;
        let waiting = |memory: &Memory| memory.waiting.iter().filter(is_new).cloned().collect();
        self.send(functions, self.read(waiting)).await;
    }

    /// Sends the events of the time that passes, until the process ends.
    pub async fn run(self, functions: Functions) -> Infallible {
        loop {
            tokio::time::sleep(TICK).await;
            self.deliver_new(&functions).await;
        }
    }

    async fn send(&self, functions: &Functions, waiting: VecDeque<(String, u32)>) {
        for sent in waiting {
            let status = functions.answer(self.signed(&sent.0)).await.status();
            let answer = WebhookAnswer::new(&sent.0, status.as_u16(), self.now());
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
        let secret = self.read(|memory| {
            let latest = memory.endpoints.last();
            latest.and_then(|one| one[SECRET].as_str()).unwrap_or(WEBHOOK_SECRET).to_owned()
        });
        let signature = signature::sign(event.as_bytes(), &secret, self.now());
        http::Request::post("/v1/stripe/webhook")
            .header("content-type", "application/json")
            .header("stripe-signature", signature)
            .body(Body::from(event))
            .expect("a request")
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.locked();
        let changed = change(&mut memory);
        self.save(&memory);
        changed
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Memory) -> T) -> T {
        read(&self.locked())
    }

    /// The state as it is by the clock.
    fn locked(&self) -> MutexGuard<'_, Memory> {
        let mut memory = self.memory.lock().expect("no one panics with the lock");
        if renewal::pass(&mut memory, self.now()) {
            self.save(&memory);
        }
        memory
    }

    fn save(&self, memory: &Memory) {
        if let Some(file) = &self.file {
            let text = serde_json::to_vec(memory).expect("JSON");
            if let Err(error) = atomic_file::write(file, &text) {
                tracing::warn!(%error, "the local Stripe's data could not be saved");
            }
        }
    }
}

impl std::fmt::Debug for LocalStripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalStripe")
    }
}
