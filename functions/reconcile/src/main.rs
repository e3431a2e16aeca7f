//! The cold start of `reconcile`, and nothing else.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::stripe::Stripe;
use shared::telemetry;
use shared::world::{World, secret_from_env};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let key = secret_from_env("STRIPE_KEY_ARN", clock.now()).await?;
    let stripe = Stripe::by_secret(key, None, clock.now()).await?;
    let world = World::from_env(clock).await?;
    run(service_fn(async |_: LambdaEvent<Value>| {
        reconcile::run(&world, &stripe).await.map_err(Error::from)
    }))
    .await
}
