//! The cold start of `webhook`.

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
    let secret = secret_from_env(&aws, "STRIPE_WEBHOOK_SECRET_ARN", clock.now()).await?;
    let key = secret_from_env(&aws, "STRIPE_KEY_ARN", clock.now()).await?;
    let stripe = Stripe::by_secret(key, None, clock.now()).await?;
    let context = Context::from_env(&aws, clock).await?.with_metrics(Metrics::from_env()?);
    gateway::serve(async |request| webhook::handle(&context, &stripe, &secret, request).await).await
}
