//! The cold start of `page`, and nothing else.

use lambda_http::Error;
use shared::clock::Clock;
use shared::http::gateway;
use shared::metrics::Metrics;
use shared::telemetry;
use shared::world::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let world = World::from_env(Clock::system()).await?.with_metrics(Metrics::from_env()?);
    gateway::serve(async |request| page::handle(&world, request).await).await
}
