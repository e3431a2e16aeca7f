//! Invokes functions as AWS does: by streams, queues and the schedule of the template.
//!
//! As AWS documents it (Lambda's manual, DynamoDB event source mappings, November 2026): when a
//! function reports a failed record, the batch is sent again from that record on; when the function
//! itself fails, the batch is halved. Both for as long as the stream keeps the records, and no
//! later record is sent before. A message of a queue that fails too often goes to the dead-letter
//! queue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared::bus::Bus;
use shared::context::Context;
use shared::domain::Instant;
use shared::queue::Queue;
use shared::stripe::Stripe;
use shared::telemetry::correlation::{Correlation, during};

use crate::clock::LocalClock;
use crate::dead_letters::DeadLetters;
use crate::messaging::Messaging;
use crate::roles::{Roles, acting_as};
use crate::routes::request_id;
use crate::schedule::Schedule;
use crate::streams::Streams;
use crate::template::{Mapping, Template};

/// The time that a function may run: the template allows more, but nobody waits that long here.
const LEFT: Duration = Duration::from_secs(60);
/// The interval at which the schedule reads the clock.
const TICK: Duration = Duration::from_millis(200);

/// Streams, queue and schedule of the local stack, and the functions behind them.
#[derive(Clone, Debug)]
pub struct Mappings {
    mappings: Arc<Vec<Mapping>>,
    schedules: Arc<Vec<Schedule>>,
    /// How often a message may fail.
    receives: u64,
    streams: Streams,
    exchange: Messaging,
    relay: relay::RelayContext,
    recharge: recharge::RechargeContext,
    /// The queue of audits that ran out of time.
    audits: Queue,
    /// The function that reads a queue, by the queue's name in the template.
    readers: BTreeMap<String, String>,
    /// None: there is no Stripe to reconcile with.
    stripe: Option<Stripe>,
    /// The size of the next batch to send again, by the table's name in the template.
    again: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Only one task takes from the streams: a shard has one reader.
    delivering: Arc<tokio::sync::Mutex<()>>,
    dead: DeadLetters,
    /// The latest run of each scheduled task: when, and its answer.
    runs: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Mappings {
    /// The functions on `bus` and the queues, which end in `exchange`. Debits are announced if the
    /// template says so.
    pub fn new(
        template: &Template,
        context: Context,
        streams: Streams,
        exchange: Messaging,
        bus: Bus,
        [sweep, audits, aside]: [Queue; 3],
    ) -> Mappings {
        let relay = relay::RelayContext {
            context: context.clone(),
            bus: bus.clone(),
            aside,
            debits: template.default_of("AnnounceDebits") == "true",
            stripe: None,
        };
        Mappings {
            mappings: Arc::new(template.mappings()),
            schedules: Arc::new(template.schedules()),
            receives: template.receives(),
            streams,
            exchange,
            relay,
            recharge: recharge::RechargeContext { context, queue: sweep, bus },
            audits,
            readers: template.readers(),
            stripe: None,
            again: Arc::default(),
            delivering: Arc::default(),
            dead: DeadLetters::default(),
            runs: Arc::default(),
        }
    }

    /// The functions on a messaging of this process.
    pub fn local(template: &Template, context: Context, streams: Streams) -> Mappings {
        let exchange = Messaging::default();
        let client = Roles::of(template).client(exchange.client());
        let queues = Messaging::queues(&client);
        let bus = Messaging::bus(client);
        Mappings::new(template, context, streams, exchange, bus, queues)
    }

    /// The same, with a Stripe to reconcile with.
    pub fn with_stripe(self, stripe: Stripe) -> Mappings {
        let account = Some(shared::stripe::StripeAccount::Client(stripe.clone()));
        let relay = relay::RelayContext { stripe: account, ..self.relay };
        Mappings { stripe: Some(stripe), relay, ..self }
    }

    /// Delivers writes and messages and runs the schedule, until the process ends.
    pub async fn run(self, clock: LocalClock) -> Infallible {
        let mut last = clock.now();
        loop {
            self.drain().await;
            let _ = tokio::time::timeout(TICK, self.streams.arrival()).await;
            let now = clock.now();
            self.pass(last, now).await;
            last = now;
        }
    }

    /// Runs each task that is scheduled after `from` up to `to`: once, however long that is.
    pub async fn pass(&self, from: Instant, to: Instant) {
        for schedule in self.schedules.iter() {
            if schedule.last(to) > from && self.begin(schedule).await.is_err() {
                // As Lambda reports an invocation that nobody waited for.
                self.bury(&schedule.function, json!({ "requestPayload": schedule.input }));
            }
        }
    }

    /// Runs the scheduled `task` now, at any time. None: the template does not schedule it.
    pub async fn fire(&self, task: &str) -> Option<Value> {
        let schedule = self.schedules.iter().find(|schedule| schedule.input["task"] == task)?;
        let done = self.begin(schedule).await;
        self.drain().await;
        done.ok()
    }

    /// Runs a scheduled task, and remembers that it ran.
    async fn begin(&self, schedule: &Schedule) -> Result<Value, ()> {
        let done = self.invoke(&schedule.function, &schedule.input).await?;
        let task = schedule.input["task"].as_str().unwrap_or_default().to_owned();
        let run = json!({ "at": self.now(), "answer": done });
        self.runs.lock().expect("no one panics with the lock").insert(task, run);
        Ok(done)
    }

    /// Delivers all writes and messages, and those that follow from them, until none is left.
    pub async fn drain(&self) {
        let _alone = self.delivering.lock().await;
        loop {
            let mut delivered = 0;
            for mapping in self.mappings.iter() {
                delivered += self.deliver(mapping).await;
            }
            while let Some((queue, message)) = self.exchange.take_message() {
                match self.readers.get(&queue) {
                    Some(reader) => self.receive(reader, message).await,
                    // No function reads this queue: it is relay's dead-letter queue.
                    None => self.bury("relay", parsed(message)),
                }
                delivered += 1;
            }
            if delivered == 0 {
                break;
            }
        }
    }

    /// The records, messages and scheduled tasks that could not be delivered.
    pub fn dead_letters(&self) -> Vec<Value> {
        self.dead.all().into_iter().map(|letter| letter.body).collect()
    }

    pub fn dead(&self) -> &DeadLetters {
        &self.dead
    }

    /// The latest run of each scheduled task that has run: when, and its answer.
    pub fn runs(&self) -> BTreeMap<String, Value> {
        self.runs.lock().expect("no one panics with the lock").clone()
    }

    /// Whether debits are announced too.
    pub fn announces_debits(&self) -> bool {
        self.relay.debits
    }

    pub fn exchange(&self) -> &Messaging {
        &self.exchange
    }

    pub fn recharge(&self) -> &recharge::RechargeContext {
        &self.recharge
    }

    pub fn audit(&self) -> ::audit::AuditContext {
        let (context, queue) = (self.recharge.context.clone(), self.audits.clone());
        let stripe = self.stripe.clone().map(shared::stripe::StripeAccount::Client);
        ::audit::AuditContext { context, queue, stripe }
    }

    fn now(&self) -> Instant {
        self.recharge.context.clock.now()
    }

    fn bury(&self, function: &str, body: Value) {
        self.dead.bury(function, self.now(), body);
    }

    /// Delivers one batch. Returns the number of records taken from the stream.
    async fn deliver(&self, mapping: &Mapping) -> usize {
        let table = mapping.table.as_str();
        let again = self.again.lock().expect("no panic").remove(table);
        let batch = self.streams.oldest(table, again.unwrap_or(mapping.batch));
        let wanted: Vec<&Value> = batch.iter().filter(|record| mapping.wants(record)).collect();
        let taken = match wanted.is_empty() {
            true => Ok(batch.len()),
            false => {
                self.hand_over(&mapping.function, &wanted).await.map(|failing| match failing {
                    None => batch.len(),
                    // A record that is not in the batch fails all of it.
                    Some(failing) => {
                        let fails =
                            |record: &Value| record["dynamodb"]["SequenceNumber"] == failing;
                        batch.iter().position(fails).unwrap_or(0)
                    }
                })
            }
        };
        let (taken, next) = match taken {
            Ok(taken) => (taken, batch.len() - taken),
            Err(()) => (0, batch.len().div_ceil(2)),
        };
        self.streams.forget(table, taken);
        if next > 0 {
            self.again.lock().expect("no panic").insert(table.to_owned(), next);
        }
        taken
    }

    /// Passes a batch to a function. Returns the number of the record that it reports as failed, if
    /// any. An error: the function failed.
    async fn hand_over(&self, function: &str, records: &[&Value]) -> Result<Option<Value>, ()> {
        let reply = self.invoke(function, &json!({ "Records": records })).await?;
        let failure = reply.pointer("/batchItemFailures/0");
        Ok(failure.map(|failure| failure["itemIdentifier"].clone()))
    }

    /// Passes a message to the function that reads the queue, as often as it may fail.
    async fn receive(&self, function: &str, message: String) {
        for receives in 1..=self.receives {
            let event = json!({ "Records": [{
                "messageId": "local",
                "receiptHandle": "local",
                "body": message,
                "attributes": { "ApproximateReceiveCount": receives.to_string() },
            }] });
            match self.invoke(function, &event).await {
                Ok(reply) if reply["batchItemFailures"].as_array().is_none_or(Vec::is_empty) => {
                    return;
                }
                _ => {}
            }
        }
        self.bury(function, parsed(message));
    }

    /// Invokes a function that has no route, under its role.
    ///
    /// # Errors
    /// If the invocation fails: the failure is logged.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, ()> {
        // Without its type, for the same reason as in `during`.
        let invoked: Pin<Box<dyn Future<Output = Result<Value, ()>> + Send + '_>> =
            Box::pin(self.invoked(function, payload));
        during(Correlation::of(&request_id()), invoked).await
    }

    async fn invoked(&self, function: &str, payload: &Value) -> Result<Value, ()> {
        let reply = match function {
            "relay" => acting_as(function, relay::answer(&self.relay, payload.clone())).await,
            "recharge" => {
                let swept = recharge::answer(&self.recharge, payload.clone(), LEFT);
                acting_as(function, swept).await
            }
            "reconcile" => match &self.stripe {
                Some(stripe) => {
                    let context = &self.recharge.context;
                    let run = reconcile::invoke::answer(context, stripe, LEFT);
                    acting_as(function, run).await
                }
                None => Ok(Value::Null),
            },
            "audit" => {
                let audit = self.audit();
                acting_as(function, ::audit::answer(&audit, payload.clone(), LEFT)).await
            }
            other => Err(format!("the local stack has no function {other}").into()),
        };
        reply.map_err(|error| tracing::warn!(%error, function, "an invocation failed"))
    }
}

/// A message as JSON, or as the text that it is.
fn parsed(message: String) -> Value {
    serde_json::from_str(&message).unwrap_or(Value::String(message))
}
