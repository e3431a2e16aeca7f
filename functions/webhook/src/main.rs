//! The cold start of `webhook`.

use lambda_http::Error;
use shared::clock::Clock;
use shared::config::required;
use shared::context::{Context, aws, secret, secret_from_env};
use shared::http::gateway;
use shared::metrics::Metrics;
use shared::stripe::StripeAccount;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let signing = secret_from_env("STRIPE_WEBHOOK_SECRET_ARN", clock.now()).await?;
    let key = secret(&aws().await, required("STRIPE_KEY_ARN")?);
    let stripe = StripeAccount::Key(key);
    let context = Context::from_env(clock).await?.with_metrics(Metrics::from_env()?);
    gateway::serve(async |request| webhook::handle(&context, &stripe, &signing, request).await)
        .await
}
