//! The cold start of `relay`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use relay::RelayContext;
use serde_json::Value;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::config::required;
use shared::context::{Context, aws, named_secret};
use shared::metrics::Metrics;
use shared::queue::Queue;
use shared::stripe::StripeAccount;
use shared::telemetry::{
    self,
    correlation::{Correlation, during},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (aws, clock) = (aws().await, Clock::system());
    let debits = required("ANNOUNCE_DEBITS")? == "true";
    let context = Context::from_env(&aws, clock).await?.with_metrics(Metrics::from_env()?);
    let (bus, aside) = (Bus::from_env(&aws)?, Queue::from_env(&aws)?);
    let stripe = named_secret(&aws, "STRIPE_KEY_ARN").map(StripeAccount::Key);
    let surroundings = RelayContext { context, bus, aside, debits, stripe };
    run(service_fn(async |event: LambdaEvent<Value>| {
        let answered = relay::answer(&surroundings, event.payload);
        during(Correlation::of(&event.context.request_id), answered).await
    }))
    .await
}
