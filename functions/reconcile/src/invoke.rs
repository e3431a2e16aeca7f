//! The scheduled run: it reads on while there is time, and says what it found.

use std::time::Duration;

use lambda_runtime::Error;
use serde_json::Value;
use shared::context::Context;
use shared::metrics::{MAX_PARKED_COUNTED, Metric, Of};
use shared::stripe::Stripe;

/// Answers the schedule: the counts of a run. `left` is how long the function may still run. A run
/// that read all that there is counts as finished.
///
/// # Errors
/// [`crate::ReconcileError`], or that the table does not answer: the function is invoked again.
pub async fn answer(context: &Context, stripe: &Stripe, left: Duration) -> Result<Value, Error> {
    let until = tokio::time::Instant::now() + left;
    let goes_on = || tokio::time::Instant::now() < until;
    let report = crate::run(context, stripe, |_| goes_on()).await?;
    let auto_top_ups = crate::look(context, stripe, goes_on).await?;
    let parked = context.store.count_parked(MAX_PARKED_COUNTED).await?;
    let counts = report.counts();
    tracing::info!(%counts, parked, auto_top_ups, "reconciled with Stripe");
    let is_finished = !report.goes_on && !report.overtaken;
    context.metrics.add(Metric::ReconcilesFinished, is_finished.into());
    context.metrics.add(Metric::WebhooksMissed, report.missed() as u64);
    context.metrics.add(Metric::PaymentsParked, parked.unsigned_abs().into());
    context.metrics.emit(context.clock.now(), Of::Run);
    Ok(counts)
}
