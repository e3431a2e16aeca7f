//! Audit: recomputes every balance from its entries, and compares payments with their accounts,
//! their orders and Stripe. It writes nothing, and may run while debits go on.

mod account;
mod book;
mod difference;
mod directory;
mod findings;
mod heartbeat;
mod ledger;
mod limits;
mod micro;
mod part;
mod payment;
mod price;
mod report;
mod stripe;
mod subscription;
mod walk;
mod words;

use std::time::Duration;

use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::context::Context;
use shared::queue::Queue;
use shared::stripe::StripeAccount;

pub use account::account;
pub use difference::{Difference, Kind};
pub use directory::directory_difference;
pub use part::{AuditPart, AuditPartError, AuditWork};
pub use payment::{AuditError, kept, of_stripe, told};
pub use report::{AuditProgress, AuditReport, SCAN_SEGMENTS, report};
pub use subscription::subscriptions;
pub use walk::{ScanPosition, Walk, Walked, accounts, orphans, walk};

/// The most memory that one account may take, of the function's 1 769 MB: the ids and keys of its
/// operations, for some 11 million entries, or 3 million where every request has a key that is no
/// id itself. The catalogs that price calls are beside it, some MB.
const MOST_BYTES: u64 = 1 << 30;

/// The clients that the function works with.
#[derive(Clone, Debug)]
pub struct AuditContext {
    pub context: Context,
    pub queue: Queue,
    /// None: payments are not compared with Stripe.
    pub stripe: Option<StripeAccount>,
}

/// The payload of the schedule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scheduled {
    #[serde(rename = "task")]
    _task: Task,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Audit,
}

/// Answers the schedule, which begins an audit, and the queue, which holds its parts. `left` is how
/// long the function may still run: a part that is not finished by then goes back to the queue.
///
/// # Errors
/// If the payload is neither, or the tables do not answer: a part comes again, soon at first.
pub async fn answer(
    surroundings: &AuditContext,
    payload: Value,
    left: Duration,
) -> Result<Value, Error> {
    let Some(records) = payload.get("Records") else {
        serde_json::from_value::<Scheduled>(payload)?;
        return begin(surroundings).await;
    };
    // The template sends one message at a time, so a message that fails is an invocation that
    // fails.
    let [record] = records.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("the input is not one message of the queue".into());
    };
    let done = part(surroundings, record, left).await;
    if done.is_err() {
        surroundings.queue.retry_soon(record).await;
    }
    done
}

/// Begins an audit: one message for each part.
async fn begin(surroundings: &AuditContext) -> Result<Value, Error> {
    let has_stripe = surroundings.stripe.is_some();
    let messages: Vec<String> = AuditPart::all(has_stripe).map(|part| part.message()).collect();
    surroundings.queue.send(&messages).await?;
    tracing::info!(parts = messages.len(), has_stripe, "an audit started");
    Ok(json!({ "parts": messages.len() }))
}

async fn part(surroundings: &AuditContext, record: &Value, left: Duration) -> Result<Value, Error> {
    let body = record["body"].as_str().ok_or("the message has no body")?;
    let mut part = AuditPart::read(body)?;
    let until = tokio::time::Instant::now() + left;
    let in_time = || tokio::time::Instant::now() < until;
    let AuditContext { context, queue, stripe } = surroundings;
    let (found, rest) = match part.work.clone() {
        AuditWork::Accounts { segment, of, after } => {
            let after = after.as_deref().map(str::parse).transpose()?;
            let walked = Walk { segment, of, after, most_bytes: MOST_BYTES };
            let walked = walk(context, walked, |_| in_time()).await?;
            part.seen = part.seen.saturating_add(walked.seen);
            let after = walked.after.map(|after| after.to_string());
            let rest = after.map(|after| AuditWork::Accounts { segment, of, after: Some(after) });
            (walked.found, rest)
        }
        AuditWork::Orphans { after } => {
            let (found, place) = orphans(context, after, in_time).await?;
            (found, place.map(|place| AuditWork::Orphans { after: Some(place) }))
        }
        AuditWork::Stripe => match stripe {
            Some(stripe) => {
                match tokio::time::timeout_at(until, stripe::compare(stripe, context)).await {
                    Ok(found) => (found?, None),
                    Err(_) => (vec![stripe::out_of_time()], None),
                }
            }
            None => (Vec::new(), None),
        },
    };
    found.iter().for_each(Difference::log);
    part.differences = part.differences.saturating_add(found.len() as u64);
    let (seen, differences, goes_on) = (part.seen, part.differences, rest.is_some());
    match rest {
        Some(work) => {
            part.work = work;
            queue.send(&[part.message()]).await?;
        }
        None => heartbeat::finished(context, seen, differences),
    }
    Ok(json!({ "seen": seen, "differences": differences, "goes_on": goes_on }))
}
