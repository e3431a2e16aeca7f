//! The cold start of `debit`, and nothing else.

use std::convert::Infallible;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::metrics::Metrics;
use shared::telemetry;
use shared::world::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let world = World::from_env(clock).await?.with_metrics(Metrics::from_env()?);
    run(service_fn(async |event: LambdaEvent<Value>| {
        Ok::<_, Infallible>(debit::invoke::answer(&world, event.payload).await)
    }))
    .await
}
