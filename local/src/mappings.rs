//! Event source mappings: from a stream to the function that reads it, as the template says.
//!
//! A batch that a function reports as failed is sent again from the record that failed on. One that
//! fails as often as the template allows goes to the dead letters, and blocks nothing any more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::world::World;

use crate::streams::Streams;
use crate::template::{Mapping, Template};

/// The mappings of the template, over the streams of the local stack.
#[derive(Clone, Debug)]
pub struct Mappings {
    mappings: Arc<Vec<Mapping>>,
    streams: Streams,
    /// How often the oldest record of a table has failed; by the table's name in the template.
    failed: Arc<Mutex<BTreeMap<String, usize>>>,
    dead: Arc<Mutex<Vec<Value>>>,
}

impl Mappings {
    pub fn new(template: &Template, streams: Streams) -> Mappings {
        let mappings = Arc::new(template.mappings());
        Mappings { mappings, streams, failed: Arc::default(), dead: Arc::default() }
    }

    /// Delivers what is written, until the process ends.
    pub async fn run(self, world: World) -> Infallible {
        loop {
            self.drain(&world).await;
            self.streams.arrival().await;
        }
    }

    /// Delivers all that was written, and what that wrote, until there is no more.
    pub async fn drain(&self, world: &World) {
        loop {
            let mut delivered = 0;
            for mapping in self.mappings.iter() {
                delivered += self.deliver(world, mapping).await;
            }
            if delivered == 0 {
                break;
            }
        }
    }

    /// What could not be delivered: record and how often it failed.
    pub fn dead_letters(&self) -> Vec<Value> {
        self.dead.lock().expect("no one panics with the lock").clone()
    }

    /// Delivers one batch. Returns how many records were taken from the stream or tried.
    async fn deliver(&self, world: &World, mapping: &Mapping) -> usize {
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
            false => invoke(world, &mapping.function, &json!({ "Records": wanted })).await,
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
}

/// Hands a batch to a function. Returns the number of the record that it reports as failed.
async fn invoke(world: &World, function: &str, event: &Value) -> Option<Value> {
    let reply = match function {
        "relay" => relay::answer(world, event.clone()).await,
        other => Err(format!("the local stack has no function {other}").into()),
    };
    match reply {
        Ok(reply) => reply["batchItemFailures"][0].get("itemIdentifier").cloned(),
        // A function that fails has failed with the first of its records.
        Err(error) => {
            tracing::warn!(%error, function, "a batch was not taken");
            Some(event["Records"][0]["dynamodb"]["SequenceNumber"].clone())
        }
    }
}
