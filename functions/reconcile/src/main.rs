//! The cold start of `reconcile`.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::context::{Context, aws, secret_from_env};
use shared::metrics::Metrics;
use shared::stripe::Stripe;
use shared::telemetry::{
    self,
    correlation::{Correlation, during},
};

/// Time kept free at the end of an invocation, to read and apply one more page.
const RESERVE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let key = secret_from_env(&aws, "STRIPE_KEY_ARN", clock.now()).await?;
    let stripe = Stripe::by_secret(key, None, clock.now()).await?;
    let context = Context::from_env(&aws, clock.clone()).await?.with_metrics(Metrics::from_env()?);
    run(service_fn(async |event: LambdaEvent<Value>| {
        let left = clock.left(event.context.deadline, RESERVE);
        let answered = reconcile::invoke::answer(&context, &stripe, left);
        during(Correlation::of(&event.context.request_id), answered).await
    }))
    .await
}
