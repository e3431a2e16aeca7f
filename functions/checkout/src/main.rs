//! The cold start of `checkout`.

use lambda_http::Error;
use shared::clock::Clock;
use shared::context::{Context, aws, secret_from_env};
use shared::http::gateway;
use shared::metrics::Metrics;
use shared::stripe::Stripe;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let key = secret_from_env(&aws, "STRIPE_KEY_ARN", clock.now()).await?;
    let stripe = Stripe::by_secret(key, None, clock.now()).await?;
    let context = Context::from_env(&aws, clock).await?.with_metrics(Metrics::from_env()?);
    gateway::serve(async |request| checkout::handle(&context, &stripe, request).await).await
}
