//! Audit: every balance reckoned again from its entries, and payments compared with their accounts,
//! their orders and Stripe. It writes nothing, and may run while debits go on.

mod account;
mod book;
mod difference;
mod ledger;
mod payment;
mod walk;

use std::time::Duration;

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::AccountId;
use shared::queue::Queue;
use shared::stripe::Stripe;
use shared::world::World;

pub use account::{REPAIR, account};
pub use difference::{Difference, Kind};
pub use payment::{AuditError, of_stripe, told};
pub use walk::{Walked, walk};

/// What the function needs besides its world.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub world: World,
    pub queue: Queue,
    pub stripe: Stripe,
}

/// What the schedule asks for, and what a part that ran out of time asks for after it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    task: Task,
    /// The account that was seen last; None: from the beginning, with what Stripe says.
    #[serde(default)]
    after: Option<String>,
    /// The accounts that were seen, and the differences that were found.
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

/// Answers the schedule, and the queue, which holds what is left of an audit. `left` is how long the
/// function may still run.
///
/// # Errors
/// If the payload is neither, or the tables or Stripe do not answer: it is invoked again then.
pub async fn answer(
    surroundings: &Surroundings,
    payload: Value,
    left: Duration,
) -> Result<Value, Error> {
    let Some(records) = payload.get("Records") else {
        return audit(surroundings, serde_json::from_value(payload)?, left).await;
    };
    // One message at a time, as the template says: a message that fails is an invocation that does.
    let [record] = records.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("not one message of the queue".into());
    };
    let body = record["body"].as_str().ok_or("the message has no body")?;
    audit(surroundings, serde_json::from_str(body)?, left).await
}

async fn audit(surroundings: &Surroundings, part: Part, left: Duration) -> Result<Value, Error> {
    let until = tokio::time::Instant::now() + left;
    let Surroundings { world, queue, stripe } = surroundings;
    let after: Option<AccountId> = part.after.as_deref().map(str::parse).transpose()?;
    let mut found = Vec::new();
    if after.is_none() {
        found.extend(of_stripe(world, stripe).await?);
    }
    let goes_on = |_: &Walked| tokio::time::Instant::now() < until;
    let walked = walk(world, (0, 1), after, goes_on).await?;
    found.extend(walked.found);
    found.iter().for_each(Difference::log);
    let (seen, differences) = (part.seen + walked.seen, part.differences + found.len() as u64);
    if let Some(after) = walked.after {
        let after = Some(after.to_string());
        let rest = Part { task: part.task, after, seen, differences };
        queue.send(&[serde_json::to_string(&rest)?]).await?;
        return Ok(json!({ "seen": seen, "differences": differences, "goes_on": true }));
    }
    tracing::info!(seen, differences, "every account was audited");
    Ok(json!({ "seen": seen, "differences": differences, "goes_on": false }))
}
