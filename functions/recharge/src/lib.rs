//! Recharge: on Monday it advances the accounts that were used, and every day it announces which
//! grants expire soon.
//!
//! No balance depends on it: recharge and expiry are functions of time, exact whether it runs late,
//! twice or never. It runs so that the ledger of an account that makes no request still gets its
//! entry, and so that the account's events are announced.

mod context;
mod part;
mod sweep;

use std::time::Duration;

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};

pub use context::RechargeContext;
pub use part::{PartError, SweepPart, SweepProgress, Task};
pub use sweep::{is_to_be_advanced, sweep};

/// The number of segments that sweep the table in parallel: at some 500 accounts a second each, ten
/// million accounts take less than a quarter of an hour.
pub const SCAN_SEGMENTS: i32 = 32;

/// The payload of the schedule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    task: Task,
}

/// Answers the schedule, which begins a sweep, and the queue, which holds its parts. `left` is how
/// long the function may still run: a part that is not finished by then goes back to the queue.
///
/// # Errors
/// If the payload is neither, or a sweep could not begin: the function is invoked again then.
pub async fn answer(
    surroundings: &RechargeContext,
    payload: Value,
    left: Duration,
) -> Result<Value, Error> {
    match payload.get("Records") {
        None => begin(surroundings, serde_json::from_value(payload)?).await,
        Some(Value::Array(records)) => Ok(parts(surroundings, records, left).await),
        Some(_) => Err("the input is neither a schedule nor messages of the queue".into()),
    }
}

/// Begins a sweep: one message for each segment. A sweep that begins twice changes nothing the
/// second time.
async fn begin(surroundings: &RechargeContext, scheduled: Scheduled) -> Result<Value, Error> {
    let parts = SweepPart::all(scheduled.task, SCAN_SEGMENTS);
    let messages: Vec<String> = parts.map(|part| part.message()).collect();
    surroundings.queue.send(&messages).await?;
    tracing::info!(task = scheduled.task.name(), segments = SCAN_SEGMENTS, "a sweep started");
    Ok(json!({ "segments": SCAN_SEGMENTS }))
}

/// Works through the parts that arrived, each while there is time, and names those that failed.
async fn parts(surroundings: &RechargeContext, records: &[Value], left: Duration) -> Value {
    let began = tokio::time::Instant::now();
    let mut failed = Vec::new();
    for record in records {
        let left = left.saturating_sub(began.elapsed());
        if let Err(error) = part(surroundings, record, left).await {
            tracing::error!(%error, message = %record["messageId"], "a part of a sweep failed");
            surroundings.queue.retry_soon(record).await;
            failed.push(json!({ "itemIdentifier": record["messageId"] }));
        }
    }
    json!({ "batchItemFailures": failed })
}

async fn part(surroundings: &RechargeContext, record: &Value, left: Duration) -> Result<(), Error> {
    let body = record["body"].as_str().ok_or("a message has no body")?;
    let part = SweepPart::read(body)?;
    let until = tokio::time::Instant::now() + left;
    let RechargeContext { context, queue, bus } = surroundings;
    let rest = sweep(context, Some(bus), part, |_| tokio::time::Instant::now() < until).await?;
    match rest {
        Some(rest) => Ok(queue.send(&[rest.message()]).await?),
        None => Ok(()),
    }
}
