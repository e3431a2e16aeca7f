//! The cold start of `balance`.

use lambda_http::Error;
use shared::clock::Clock;
use shared::context::{Context, aws};
use shared::http::gateway;
use shared::metrics::Metrics;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let context = Context::from_env(&aws().await, Clock::system()).await?;
    let context = context.with_metrics(Metrics::from_env()?);
    gateway::serve(async |request| balance::handle(&context, request).await).await
}
