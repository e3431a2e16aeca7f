//! The test bench: three handlers at a gate, a table that is reset between runs, a clock that
//! stands still, and deterministic randomness.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_sdk_dynamodb::config::retry::TokenBucket;
use dynoxide::Database;
use local::embedded::Embedded;
use local::routes::Functions;
use local::{context, tables};
use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::domain::{Instant, OperationId};
use tests::simulation::auditor::{self, Answered, Exchange, Wanted};
use tests::simulation::each;
use tests::simulation::limits::Known;
use tests::simulation::named::Named;
use tests::simulation::repeatable;
use tests::support::{Answer, answer, instant, ledger, request};

use super::gate::Gate;

pub(super) const HANDLERS: usize = 3;
/// The account of every case.
pub(super) const ACCOUNT: &str = "acme";

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub method: &'static str,
    pub path: String,
    pub key: Option<String>,
    pub body: String,
    /// The operations it asks for: keys, and micro-credits
    /// added, or charged and held (less than 0).
    pub asked: Vec<(String, i64)>,
}

/// The two tables, item by item.
type Items = Vec<(String, Value)>;

/// Three handlers over one table.
pub(super) struct Bench {
    pub handlers: Vec<Functions>,
    pub gate: Gate,
    database: Database,
    now_ms: Arc<AtomicI64>,
    drawn: Vec<Arc<AtomicU64>>,
}

impl Bench {
    pub(super) async fn new() -> Bench {
        let database = Database::memory().expect("a database in memory");
        // A Wednesday noon: no boundary is near.
        let now_ms = Arc::new(AtomicI64::new(instant("2026-11-18T12:00:00Z").ms()));
        let read = now_ms.clone();
        let clock = Clock::new(move || Instant::from_ms(read.load(Ordering::Relaxed)));
        let gate = Gate::new(Embedded::new(database.clone(), clock.clone()));
        let (mut handlers, mut drawn) = (Vec::new(), Vec::new());
        for handler in 0..HANDLERS {
            let count = Arc::new(AtomicU64::new(0));
            drawn.push(count.clone());
            let entropy = Entropy::new(move || {
                let mut bytes = [handler as u8; 10];
                bytes[2..].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                bytes
            });
            let config = Config {
                tables: tables::names(),
                allows_unsigned: true,
                sells: true,
                ..Config::default()
            };
            let sdk = repeatable(gate.client(handler), TokenBucket::unlimited());
            let context =
                context::assemble(sdk, clock.clone(), clock.clone(), entropy, config).await;
            handlers.push(Functions::new(context.expect("the stack starts")));
        }
        Bench { handlers, gate, database, now_ms, drawn }
    }

    pub(super) fn set_clock(&self, now: &str) {
        self.now_ms.store(instant(now).ms(), Ordering::Relaxed);
    }

    pub(super) fn advance_ms(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// An id of this age.
    pub(super) fn id(&self, number: u8, age_ms: i64) -> String {
        let now_ms = self.now_ms.load(Ordering::Relaxed);
        mint(number, Instant::from_ms(now_ms - age_ms))
    }

    /// An id of this instant.
    pub(super) fn id_of(&self, number: u8, time: &str) -> String {
        mint(number, instant(time))
    }

    /// Sends a request to a handler whose requests pass or wait at the gate.
    pub(super) async fn send(&self, handler: usize, asked: &Asked) -> Answer {
        let Asked { method, path, key, body, .. } = asked;
        answer(self.handlers[handler].answer(request(method, path, key.as_deref(), body)).await)
    }

    /// All items of both tables.
    pub(super) fn items(&self) -> Items {
        let names = tables::names();
        let mut items = Vec::new();
        for table in [names.accounts, names.ledger] {
            let scan = json!({ "TableName": table });
            let scan = serde_json::from_value(scan).expect("a request");
            let scanned = self.database.scan(scan).expect("a scan");
            let scanned = serde_json::to_value(&scanned).expect("JSON");
            let found = scanned["Items"].as_array().cloned().unwrap_or_default();
            items.extend(found.into_iter().map(|item| (table.clone(), item)));
        }
        items
    }

    /// The number of entries, and how many of them are in segments.
    pub(super) fn entries(&self) -> (u64, u64) {
        let items = self.items();
        let (_, account) = &items[0];
        let number = |name: &str| account[name]["N"].as_str().and_then(|n| n.parse().ok());
        (number("sq").expect("a number"), number("ar").expect("a number"))
    }

    /// Restores both tables, and restarts the randomness.
    pub(super) fn restore(&self, items: &Items) {
        let key = |item: &Value| {
            let mut key = json!({ "a": item["a"] });
            if let Some(sort) = item.get("s") {
                key["s"] = sort.clone();
            }
            key
        };
        for (table, item) in self.items() {
            let delete = json!({ "TableName": table, "Key": key(&item) });
            let delete = serde_json::from_value(delete).expect("a request");
            self.database.delete_item(delete).expect("deleted");
        }
        for (table, item) in items {
            let put = json!({ "TableName": table, "Item": item });
            let put = serde_json::from_value(put).expect("a request");
            self.database.put_item(put).expect("put");
        }
        self.drawn.iter().for_each(|drawn| drawn.store(0, Ordering::Relaxed));
    }

    /// A hash of both tables: equal tables have equal hashes.
    pub(super) fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (table, item) in self.items() {
            table.hash(&mut hasher);
            canonical(&item, &mut hasher);
        }
        hasher.finish()
    }

    /// Audits the account: its ledger, its balance and its answers.
    pub(super) async fn audit(&self, exchanges: &[Exchange]) -> Result<Value, String> {
        let entries = ledger(&self.handlers[0], ACCOUNT).await?;
        let path = format!("/v1/accounts/{ACCOUNT}/balance");
        let asked = Asked { method: "GET", path, key: None, body: String::new(), asked: vec![] };
        let balance = self.send(0, &asked).await.body;
        auditor::audit(&entries, exchanges, &balance, (|_| 25_000_000, Known::default()))?;
        Ok(balance)
    }
}

fn mint(number: u8, time: Instant) -> String {
    OperationId::mint(time, [0xff, 0, 0, 0, 0, 0, 0, 0, 0, number]).to_string()
}

/// Hashes bytes that are JSON, for any order of the fields.
pub(super) fn hash_json(bytes: &[u8], hasher: &mut DefaultHasher) {
    match serde_json::from_slice(bytes) {
        Ok(value) => canonical(&value, hasher),
        Err(_) => bytes.hash(hasher),
    }
}

fn canonical(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            for (name, value) in sorted {
                name.hash(hasher);
                canonical(value, hasher);
            }
        }
        Value::Array(values) => {
            values.len().hash(hasher);
            values.iter().for_each(|value| canonical(value, hasher));
        }
        value => value.to_string().hash(hasher),
    }
}

/// The exchange that the client saw, for each operation that it asked for.
pub(super) fn exchange(
    asked: &Asked,
    sent_ms: i64,
    answered_ms: i64,
    answer: Option<Answer>,
) -> Vec<Exchange> {
    let one = |(place, (key, credits)): (usize, &(String, i64))| {
        let answer = answer.clone().map(|answer| {
            let Answer { status, replayed, mut body, .. } = answer;
            if let Some(result) = body["results"].get(place) {
                return each::answered(result);
            }
            // The answer does not say which debits of a batch existed before: none counts as a
            // first answer.
            let receipt = body["receipts"].get_mut(place).map(Value::take);
            let replayed = replayed || receipt.is_some();
            Answered { status, replayed, body: receipt.unwrap_or(body) }
        });
        let (key, wanted) = (key.clone(), Wanted::Credits(*credits));
        let (named, alone) = (Named::default(), asked.asked.len() == 1);
        Exchange { key, wanted, named, alone, sent_ms, answered_ms, answer }
    };
    asked.asked.iter().enumerate().map(one).collect()
}
