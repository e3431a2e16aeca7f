//! The DynamoDB emulator of the tests: the embedded one, or another for a second opinion.
//!
//! `DYNAMODB_ENDPOINT_URL` names another emulator: Amazon's DynamoDB Local, started
//! without `-sharedDb`, so that each access key has its own tables. With
//! `DYNAMODB_COMPARE` as well both run every request, one after the other, and must
//! answer the same except for the differences in `docs/internals/emulators.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use dynoxide::Database;
use local::embedded::{self, Embedded};
use serde_json::Value;
use shared::clock::Clock;

/// The address of the second emulator, if one is set.
pub fn endpoint() -> Option<String> {
    std::env::var("DYNAMODB_ENDPOINT_URL").ok()
}

/// A new, empty table on the tests' emulator; `clock` stamps its answers.
pub fn table(clock: Clock) -> Embedded {
    match endpoint() {
        None => Embedded::new(memory(), clock),
        Some(url) => {
            let other = other(url);
            match std::env::var_os("DYNAMODB_COMPARE") {
                None => Embedded::over(other, clock),
                Some(_) => Embedded::over(compared(other), clock),
            }
        }
    }
}

fn memory() -> Database {
    Database::memory().expect("a database in memory")
}

/// Sends an operation and its body to an emulator, past the SDK; returns the status and the body.
pub type Ask = Box<dyn Fn(&str, &Value) -> (u16, Value)>;

/// Two emulators without tables: the embedded one, and the one at the endpoint.
pub fn both(url: String) -> [Ask; 2] {
    let (database, other) = (memory(), other(url));
    let json = |(status, body): (u16, String)| (status, parsed(&body));
    [
        Box::new(move |operation, body| {
            json(embedded::answer(&database, operation, body.to_string().as_bytes()))
        }),
        Box::new(move |operation, body| json(other(operation, body.to_string().as_bytes()))),
    ]
}

/// Sends to `url`, with an unused access key.
fn other(url: String) -> impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static {
    static AGENT: LazyLock<ureq::Agent> = LazyLock::new(|| {
        ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
    });
    static USED: AtomicU64 = AtomicU64::new(0);
    let key = format!("scrip{}x{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    // The emulator checks the key, not the signature.
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261118/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    move |operation, body| {
        let post = AGENT
            .post(&url)
            .header("authorization", &signed)
            .header("x-amz-date", "20261118T120000Z")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"));
        let mut answer = post.send(body).unwrap_or_else(|e| panic!("{url}: {e}"));
        let text = answer.body_mut().read_to_string().expect("an answer");
        (answer.status().as_u16(), text)
    }
}

/// Runs every request on the embedded table and on the other, in one order.
///
/// # Panics
/// If they differ in a way that is not documented.
fn compared(
    other: impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static,
) -> impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static {
    let database = Mutex::new(memory());
    move |operation, body| {
        // The lock covers both, so that both see the requests in the same order.
        let database = database.lock().expect("no one panics with the lock");
        let before = item(&database, operation, body);
        let (embedded, other) =
            (embedded::answer(&database, operation, body), other(operation, body));
        let edge =
            [&before["Item"], &parsed(&other.1)["Attributes"]].into_iter().any(is_at_an_edge);
        let differences = differences(operation, &embedded, &other, edge);
        let asked = String::from_utf8_lossy(body);
        assert!(differences.is_empty(), "{operation} {asked}: {differences:#?}");
        other
    }
}

/// The item of an update, before it.
fn item(database: &Database, operation: &str, update: &[u8]) -> Value {
    if operation != "UpdateItem" {
        return Value::Null;
    }
    let update = parsed(&String::from_utf8_lossy(update));
    let get = serde_json::json!({ "TableName": update["TableName"], "Key": update["Key"] });
    parsed(&embedded::answer(database, "GetItem", get.to_string().as_bytes()).1)
}

/// Whether the other emulator may see one KB more: it counts some numbers one byte longer.
fn is_at_an_edge(attributes: &Value) -> bool {
    let Ok(item) = serde_json::from_value::<dynoxide::Item>(attributes.clone()) else {
        return false;
    };
    let numbers = leaves(attributes).keys().filter(|path| path.ends_with("/N")).count();
    let size = dynoxide::types::item_size(&item);
    size.div_ceil(1024) < (size + numbers).div_ceil(1024)
}

/// The differences of two answers to one request, except for those in
/// `docs/internals/emulators.md`. `edge`: whether its item is at the edge of a KB.
fn differences(
    operation: &str,
    embedded: &(u16, String),
    other: &(u16, String),
    edge: bool,
) -> Vec<String> {
    let (one, two) = (leaves(&parsed(&embedded.1)), leaves(&parsed(&other.1)));
    let paths: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let differ = paths.into_iter().filter_map(|path| {
        let (one, two) = (one.get(path), two.get(path));
        (one != two && !is_known(operation, path, one, two, edge))
            .then(|| format!("{path}: {one:?} embedded, {two:?} there"))
    });
    let status =
        (embedded.0 != other.0).then(|| format!("{} embedded, {} there", embedded.0, other.0));
    status.into_iter().chain(differ).collect()
}

/// Whether `docs/internals/emulators.md` has a row for it.
fn is_known(
    operation: &str,
    path: &str,
    one: Option<&Value>,
    two: Option<&Value>,
    edge: bool,
) -> bool {
    let units = |value: Option<&Value>| value.and_then(Value::as_f64);
    let field = path.rsplit('/').next().unwrap_or_default();
    match (operation, field) {
        // The description of a table: none of our code reads it.
        ("CreateTable", _) => true,
        // The same text, one time as `message`, one time as `Message`.
        (_, "message") => two.is_none(),
        (_, "Message") => one.is_none(),
        ("Query", "CapacityUnits") => units(two) == Some(0.0),
        // Resent with its token it costs what a read does:
        // one emulator reports that separately as well.
        ("TransactWriteItems", "WriteCapacityUnits" | "ReadCapacityUnits") => two.is_none(),
        ("TransactWriteItems", "CapacityUnits") => units(two) < units(one),
        ("UpdateItem", "CapacityUnits") => edge && units(two) == units(one).map(|n| n + 1.0),
        _ => false,
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Every value that has no values in it, by its path.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, v)| (name.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => return BTreeMap::from([(String::new(), value.clone())]),
    };
    let below = inner.into_iter().flat_map(|(name, value)| {
        leaves(value).into_iter().map(move |(path, leaf)| (format!("/{name}{path}"), leaf))
    });
    below.collect()
}
