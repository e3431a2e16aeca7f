//! The cold start of `accounts`, and nothing else.

use std::convert::Infallible;

use lambda_http::lambda_runtime::run;
use lambda_http::{Error, LambdaEvent, service_fn};
use shared::clock::Clock;
use shared::http::gateway;
use shared::metrics::Metrics;
use shared::telemetry;
use shared::world::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let clock = Clock::system();
    let world = World::from_env(clock).await?.with_metrics(Metrics::from_env()?);
    run(service_fn(async |event: LambdaEvent<gateway::Event>| {
        let answer = async |request| accounts::handle(&world, request).await;
        Ok::<_, Infallible>(gateway::answer(event.payload, answer).await)
    }))
    .await
}
