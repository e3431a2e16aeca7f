//! The cold start of `reconcile`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::context::{Context, secret_from_env};
use shared::metrics::Metrics;
use shared::stripe::Stripe;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let key = secret_from_env("STRIPE_KEY_ARN", clock.now()).await?;
    let stripe = Stripe::by_secret(key, None, clock.now()).await?;
    let context = Context::from_env(clock).await?.with_metrics(Metrics::from_env()?);
    run(service_fn(async |_: LambdaEvent<Value>| {
        reconcile::invoke::answer(&context, &stripe).await.map_err(Error::from)
    }))
    .await
}
