//! The cold start of `recharge`.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use recharge::RechargeContext;
use serde_json::Value;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::context::{Context, aws};
use shared::metrics::Metrics;
use shared::queue::Queue;
use shared::telemetry::{
    self,
    correlation::{Correlation, during},
};

/// Time kept free at the end of an invocation, to finish a request and send the rest to the queue.
const RESERVE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let context = Context::from_env(&aws, clock.clone()).await?.with_metrics(Metrics::from_env()?);
    let (queue, bus) = (Queue::from_env(&aws)?, Bus::from_env(&aws)?);
    let surroundings = RechargeContext { context, queue, bus };
    run(service_fn(async |event: LambdaEvent<Value>| {
        let left = clock.left(event.context.deadline, RESERVE);
        let answered = recharge::answer(&surroundings, event.payload, left);
        during(Correlation::of(&event.context.request_id), answered).await
    }))
    .await
}
