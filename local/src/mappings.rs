//! What AWS does by itself: streams, the queue and the schedule bring work to the functions, as the
//! template says.
//!
//! A batch that a function reports as failed is sent again from the record that failed on. What fails
//! as often as the template allows goes to the dead letters, and blocks nothing any more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared::bus::Bus;
use shared::domain::Instant;
use shared::queue::Queue;
use shared::stripe::Stripe;
use shared::world::World;

use crate::clock::LocalClock;
use crate::exchange::Exchange;
use crate::roles::{Roles, acting_as};
use crate::schedule::Schedule;
use crate::streams::Streams;
use crate::template::{Mapping, Template};

/// For how long a function may run, where the template says more than anybody waits here.
const LEFT: Duration = Duration::from_secs(60);
/// How often the schedule looks at the clock.
const TICK: Duration = Duration::from_millis(200);

/// Streams, queue and schedule of the local stack, and the functions behind them.
#[derive(Clone, Debug)]
pub struct Mappings {
    mappings: Arc<Vec<Mapping>>,
    schedules: Arc<Vec<Schedule>>,
    /// How often a message may fail.
    receives: u64,
    streams: Streams,
    exchange: Exchange,
    relay: relay::Surroundings,
    recharge: recharge::Surroundings,
    /// What is left of an audit.
    audits: Queue,
    /// Who reads a queue, by its name in the template.
    readers: BTreeMap<String, String>,
    /// None: there is no Stripe to reconcile with.
    stripe: Option<Stripe>,
    /// How often the oldest record of a table has failed; by the table's name in the template.
    failed: Arc<Mutex<BTreeMap<String, usize>>>,
    /// One at a time takes from the streams: a shard has one reader.
    delivering: Arc<tokio::sync::Mutex<()>>,
    dead: Arc<Mutex<Vec<Value>>>,
}

impl Mappings {
    /// The functions on `bus` and `queue`, which end in `exchange`. Debits are announced if the
    /// template says so.
    pub fn new(
        template: &Template,
        world: World,
        streams: Streams,
        exchange: Exchange,
        bus: Bus,
        (sweep, audits): (Queue, Queue),
    ) -> Mappings {
        let relay = relay::Surroundings {
            world: world.clone(),
            bus: bus.clone(),
            debits: template.default_of("AnnounceDebits") == "true",
        };
        Mappings {
            mappings: Arc::new(template.mappings()),
            schedules: Arc::new(template.schedules()),
            receives: template.receives(),
            streams,
            exchange,
            relay,
            recharge: recharge::Surroundings { world, queue: sweep, bus },
            audits,
            readers: template.readers(),
            stripe: None,
            failed: Arc::default(),
            delivering: Arc::default(),
            dead: Arc::default(),
        }
    }

    /// Over an exchange of this process.
    pub fn local(template: &Template, world: World, streams: Streams) -> Mappings {
        let exchange = Exchange::default();
        let client = Roles::of(template).client(exchange.client());
        let queue = |name| Exchange::queue(client.clone(), name);
        let queues = (queue("Sweep"), queue("Audits"));
        let bus = Exchange::bus(client);
        Mappings::new(template, world, streams, exchange, bus, queues)
    }

    /// The same, with a Stripe to reconcile with.
    pub fn with_stripe(self, stripe: Stripe) -> Mappings {
        Mappings { stripe: Some(stripe), ..self }
    }

    /// Delivers what is written and does what is scheduled, until the process ends.
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

    /// Does what is scheduled after `from` up to `to`: once each, however long that is.
    pub async fn pass(&self, from: Instant, to: Instant) {
        for schedule in self.schedules.iter() {
            if schedule.last(to) > from
                && self.invoke(&schedule.function, &schedule.input).await.is_err()
            {
                self.dead.lock().expect("no panic").push(json!({ "schedule": schedule.input }));
            }
        }
    }

    /// Does what is scheduled for `task` now, whatever time it is. None: nothing is.
    pub async fn fire(&self, task: &str) -> Option<Value> {
        let schedule = self.schedules.iter().find(|schedule| schedule.input["task"] == task)?;
        let done = self.invoke(&schedule.function, &schedule.input).await;
        self.drain().await;
        done.ok()
    }

    /// Delivers all that was written and queued, and what that wrote, until there is no more.
    pub async fn drain(&self) {
        let _alone = self.delivering.lock().await;
        loop {
            let mut delivered = 0;
            for mapping in self.mappings.iter() {
                delivered += self.deliver(mapping).await;
            }
            while let Some((queue, message)) = self.exchange.take_message() {
                self.receive(&self.readers[&queue], message).await;
                delivered += 1;
            }
            if delivered == 0 {
                break;
            }
        }
    }

    /// What could not be delivered.
    pub fn dead_letters(&self) -> Vec<Value> {
        self.dead.lock().expect("no one panics with the lock").clone()
    }

    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub fn recharge(&self) -> &recharge::Surroundings {
        &self.recharge
    }

    /// None: there is no Stripe to compare payments with.
    pub fn audit(&self) -> Option<::audit::Surroundings> {
        let (world, queue) = (self.recharge.world.clone(), self.audits.clone());
        let stripe = self.stripe.clone()?;
        Some(::audit::Surroundings { world, queue, stripe })
    }

    /// Delivers one batch. Returns how many records were taken from the stream or tried.
    async fn deliver(&self, mapping: &Mapping) -> usize {
        let table = mapping.table.as_str();
        let tried = self.failed.lock().expect("no panic").get(table).copied().unwrap_or(0);
        // After a failure the batch is bisected, down to the record that fails.
        let size = if tried > 0 { 1 } else { mapping.batch };
        let batch = self.streams.oldest(table, size);
        if batch.is_empty() {
            return 0;
        }
        let wanted: Vec<&Value> = batch.iter().filter(|record| mapping.wants(record)).collect();
        let failing = match wanted.is_empty() {
            true => None,
            false => self.hand_over(&mapping.function, &wanted).await,
        };
        let place = failing.map(|number| {
            let fails = |record: &Value| record["dynamodb"]["SequenceNumber"] == number;
            batch.iter().position(fails).unwrap_or(0)
        });
        let mut failed = self.failed.lock().expect("no panic");
        match place {
            None => {
                failed.remove(table);
                self.streams.forget(table, batch.len());
            }
            Some(place) => {
                self.streams.forget(table, place);
                // Another record than before, unless it is the first again.
                let times = if place == 0 { tried + 1 } else { 1 };
                failed.insert(table.to_owned(), times);
                if times > mapping.retries {
                    let dead = json!({ "record": batch[place], "failed": times });
                    self.dead.lock().expect("no panic").push(dead);
                    failed.remove(table);
                    self.streams.forget(table, 1);
                }
            }
        }
        batch.len()
    }

    /// Hands a batch to a function. Returns the number of the record that it reports as failed.
    async fn hand_over(&self, function: &str, records: &[&Value]) -> Option<Value> {
        match self.invoke(function, &json!({ "Records": records })).await {
            Ok(reply) => reply["batchItemFailures"][0].get("itemIdentifier").cloned(),
            // A function that fails has failed with the first of its records.
            Err(()) => Some(records[0]["dynamodb"]["SequenceNumber"].clone()),
        }
    }

    /// Hands a message to the function that reads the queue, as often as it may fail.
    async fn receive(&self, function: &str, message: String) {
        let event = json!({ "Records": [{ "messageId": "local", "body": message }] });
        for _ in 0..self.receives {
            match self.invoke(function, &event).await {
                Ok(reply) if reply["batchItemFailures"].as_array().is_none_or(Vec::is_empty) => {
                    return;
                }
                _ => {}
            }
        }
        self.dead.lock().expect("no panic").push(json!({ "message": message }));
    }

    /// Hands a payload to a function that no route leads to, under its role.
    ///
    /// # Errors
    /// If the invocation fails: what failed is logged.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, ()> {
        let reply = match function {
            "relay" => acting_as(function, relay::answer(&self.relay, payload.clone())).await,
            "recharge" => {
                let swept = recharge::answer(&self.recharge, payload.clone(), LEFT);
                acting_as(function, swept).await
            }
            "reconcile" => match &self.stripe {
                Some(stripe) => acting_as(function, reconcile::run(&self.recharge.world, stripe))
                    .await
                    .map(|report| json!(report))
                    .map_err(Into::into),
                None => Ok(Value::Null),
            },
            "audit" => match self.audit() {
                Some(audit) => {
                    acting_as(function, ::audit::answer(&audit, payload.clone(), LEFT)).await
                }
                None => Ok(Value::Null),
            },
            other => Err(format!("the local stack has no function {other}").into()),
        };
        reply.map_err(|error| tracing::warn!(%error, function, "an invocation failed"))
    }
}
