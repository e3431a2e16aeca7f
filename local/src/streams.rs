//! The tables' streams: each write's change, in order, kept until it is delivered.
//!
//! They are made beside the embedded database, because its own streams search all records of a
//! table at every write. They are in memory, so a record not delivered when the process ends is
//! lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use shared::domain::Instant;
use shared::store::Tables;
use tokio::sync::Notify;

use crate::tables;
use crate::template::Template;

/// The streams of all tables that have one.
#[derive(Clone, Debug)]
pub struct Streams {
    /// By the local name of the table.
    streams: Arc<BTreeMap<String, Stream>>,
    /// One write at a time, so that the reads before and after it show only its change.
    writing: Arc<Mutex<u64>>,
    arrived: Arc<Notify>,
}

/// The stream of one table: a single shard.
#[derive(Debug)]
struct Stream {
    /// Its name in the template: `Accounts`.
    table: String,
    keys: Vec<String>,
    /// `NEW_IMAGE`, `NEW_AND_OLD_IMAGES`, ...
    view: String,
    records: Mutex<VecDeque<Value>>,
}

/// An item that a request may write: its table and its key.
pub struct Target {
    pub table: String,
    pub key: Value,
}

impl Streams {
    /// The streams that the template gives to its tables.
    pub fn of(template: &Template, names: &Tables) -> Streams {
        let mut streams = BTreeMap::new();
        for table in template.tables() {
            let view = table.properties["StreamSpecification"]["StreamViewType"].as_str();
            if let (Some(view), Some(name)) = (view, tables::name(&table.name, names)) {
                let schema = table.properties["KeySchema"].as_array();
                let keys = schema.into_iter().flatten();
                let keys = keys.filter_map(|key| key["AttributeName"].as_str());
                let stream = Stream {
                    keys: keys.map(str::to_owned).collect(),
                    view: view.to_owned(),
                    records: Mutex::default(),
                    table: table.name,
                };
                streams.insert(name.to_owned(), stream);
            }
        }
        Streams { streams: Arc::new(streams), writing: Arc::default(), arrived: Arc::default() }
    }

    /// Runs `write` and records its changes. `read` reads the current item.
    pub fn record<T>(
        &self,
        targets: Vec<Target>,
        read: impl Fn(&Target) -> Option<Value>,
        now: Instant,
        write: impl FnOnce() -> T,
    ) -> T {
        let mut written = self.writing.lock().expect("no one panics with the lock");
        let before: Vec<Option<Value>> = targets.iter().map(&read).collect();
        let done = write();
        for (target, before) in targets.iter().zip(before) {
            let Some(stream) = self.streams.get(&target.table) else { continue };
            let after = read(target);
            // A write that changes nothing makes no record, and neither does one that was refused.
            if before != after {
                *written += 1;
                stream.push(*written, &target.key, before, after, now);
            }
        }
        self.arrived.notify_one();
        done
    }

    /// The key of an item that is put, if its table has a stream.
    pub fn key_of(&self, table: &str, item: &Value) -> Option<Value> {
        let keys = &self.streams.get(table)?.keys;
        Some(keys.iter().map(|key| (key.clone(), item[key].clone())).collect::<Map<_, _>>().into())
    }

    /// Waits until something may have been written.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// The oldest records of a table, at most `count`. `table` is its name in the template.
    pub fn oldest(&self, table: &str, count: usize) -> Vec<Value> {
        let streams = self.streams.values().find(|stream| stream.table == table);
        let records = streams.map(|stream| stream.records.lock().expect("no panic with the lock"));
        records.map_or(Vec::new(), |records| records.iter().take(count).cloned().collect())
    }

    /// Removes the oldest `count` records of a table: they were delivered.
    pub fn forget(&self, table: &str, count: usize) {
        if let Some(stream) = self.streams.values().find(|stream| stream.table == table) {
            stream.records.lock().expect("no panic with the lock").drain(..count);
        }
    }
}

impl Stream {
    fn push(
        &self,
        number: u64,
        key: &Value,
        before: Option<Value>,
        after: Option<Value>,
        now: Instant,
    ) {
        let event = match (&before, &after) {
            (None, _) => "INSERT",
            (Some(_), None) => "REMOVE",
            _ => "MODIFY",
        };
        let size = [&before, &after].map(|image| image.as_ref().map_or(0, |i| i.to_string().len()));
        let mut change = json!({
            "ApproximateCreationDateTime": now.ms() / 1000,
            "Keys": key,
            "SequenceNumber": format!("{number:021}"),
            "SizeBytes": size.iter().sum::<usize>(),
            "StreamViewType": self.view,
        });
        for (name, image) in [("OLD_IMAGE", before), ("NEW_IMAGE", after)] {
            let attribute = if name == "OLD_IMAGE" { "OldImage" } else { "NewImage" };
            let shows = self.view == "NEW_AND_OLD_IMAGES" || self.view == name;
            if let (Some(image), true) = (image, shows) {
                change[attribute] = image;
            }
        }
        let record = json!({
            "eventID": format!("{number:032x}"),
            "eventName": event,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "eventSourceARN": format!(
                "arn:aws:dynamodb:us-east-1:000000000000:table/{}/stream/local",
                self.table
            ),
            "dynamodb": change,
        });
        self.records.lock().expect("no panic with the lock").push_back(record);
    }
}
