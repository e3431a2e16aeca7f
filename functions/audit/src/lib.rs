//! Audit: recomputes every balance from its entries, and compares payments with their accounts,
//! their orders and Stripe. It writes nothing, and may run while debits go on.

mod account;
mod book;
mod difference;
mod findings;
mod heartbeat;
mod ledger;
mod payment;
mod report;
mod walk;

use std::time::Duration;

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::context::Context;
use shared::domain::AccountId;
use shared::queue::Queue;
use shared::stripe::Stripe;

pub use account::account;
pub use difference::{Difference, Kind};
pub use payment::{AuditError, kept, of_stripe, told};
pub use report::{AuditProgress, AuditReport, SCAN_SEGMENTS, report};
pub use walk::{ScanPosition, Walked, accounts, orphans, walk};

/// The clients that the function works with.
#[derive(Clone, Debug)]
pub struct AuditContext {
    pub context: Context,
    pub queue: Queue,
    pub stripe: Stripe,
}

/// The payload of the schedule, and the message that continues an audit that ran out of time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    task: Task,
    /// The account that was read last; None: from the beginning, with the comparison with Stripe.
    #[serde(default)]
    after: Option<String>,
    /// Where the scan of the ledger for missing accounts continues: it follows the accounts.
    #[serde(default)]
    ledger: Option<ScanPosition>,
    /// The accounts that were read, and the differences that were found.
    #[serde(default)]
    seen: u64,
    #[serde(default)]
    differences: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Audit,
}

/// Answers the schedule, and the queue, which holds the rest of an audit. `left` is how long the
/// function may still run.
///
/// # Errors
/// If the payload is neither, or the tables or Stripe do not answer: the function is invoked again.
pub async fn answer(
    surroundings: &AuditContext,
    payload: Value,
    left: Duration,
) -> Result<Value, Error> {
    let Some(records) = payload.get("Records") else {
        return audit(surroundings, serde_json::from_value(payload)?, left).await;
    };
    // The template sends one message at a time, so a message that fails is an invocation that
    // fails.
    let [record] = records.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("the input is not one message of the queue".into());
    };
    let body = record["body"].as_str().ok_or("the message has no body")?;
    audit(surroundings, serde_json::from_str(body)?, left).await
}

async fn audit(surroundings: &AuditContext, part: Part, left: Duration) -> Result<Value, Error> {
    let until = tokio::time::Instant::now() + left;
    let in_time = || tokio::time::Instant::now() < until;
    let AuditContext { context, queue, stripe } = surroundings;
    let after: Option<AccountId> = part.after.as_deref().map(str::parse).transpose()?;
    let mut rest = Part { after: None, ..part };
    let mut found = Vec::new();
    if rest.ledger.is_none() {
        if after.is_none() {
            found.extend(of_stripe(context, stripe).await?);
        }
        let walked = walk(context, (0, 1), after, |_| in_time()).await?;
        found.extend(walked.found);
        rest.seen += walked.seen;
        rest.after = walked.after.map(|after| after.to_string());
    }
    let mut goes_on = rest.after.is_some();
    if !goes_on {
        let (orphans, place) = orphans(context, rest.ledger.take(), in_time).await?;
        found.extend(orphans);
        goes_on = place.is_some();
        rest.ledger = place;
    }
    found.iter().for_each(Difference::log);
    rest.differences += found.len() as u64;
    let (seen, differences) = (rest.seen, rest.differences);
    match goes_on {
        true => queue.send(&[serde_json::to_string(&rest)?]).await?,
        false => heartbeat::finished(context, seen, differences),
    }
    Ok(json!({ "seen": seen, "differences": differences, "goes_on": goes_on }))
}
