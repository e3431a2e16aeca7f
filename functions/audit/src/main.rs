//! The cold start of `audit`.

use std::time::Duration;

use audit::AuditContext;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::context::{Context, aws, named_secret};
use shared::metrics::Metrics;
use shared::queue::Queue;
use shared::stripe::StripeAccount;
use shared::telemetry::{
    self,
    correlation::{Correlation, during},
};

/// Time kept free at the end of an invocation, to finish the current read and send the rest to the
/// queue.
const RESERVE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let stripe = named_secret(&aws, "STRIPE_KEY_ARN").map(StripeAccount::Key);
    let context = Context::from_env(&aws, clock.clone()).await?.with_metrics(Metrics::from_env()?);
    let queue = Queue::from_env(&aws)?;
    let surroundings = AuditContext { context, queue, stripe };
    run(service_fn(async |event: LambdaEvent<Value>| {
        let left = clock.left(event.context.deadline, RESERVE);
        let answered = audit::answer(&surroundings, event.payload, left);
        during(Correlation::of(&event.context.request_id), answered).await
    }))
    .await
}
