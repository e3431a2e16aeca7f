//! The cold start of `debit`.

use std::convert::Infallible;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use shared::clock::Clock;
use shared::context::{Context, aws};
use shared::metrics::Metrics;
use shared::telemetry::{
    self,
    correlation::{Correlation, during},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let context = Context::from_env(&aws, clock).await?.with_metrics(Metrics::from_env()?);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answered = debit::invoke::answer(&context, &event.payload);
        Ok::<_, Infallible>(during(Correlation::of(&event.context.request_id), answered).await)
    }))
    .await
}
