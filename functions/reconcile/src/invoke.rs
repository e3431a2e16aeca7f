//! The scheduled run: it compares, and says that it came to its end and what it found.

use shared::context::Context;
use shared::failure::Failure;
use shared::metrics::{MAX_PARKED_COUNTED, Metric, Of};
use shared::stripe::Stripe;

use crate::{ReconcileError, ReconcileReport};

/// Compares payments with Stripe, and emits the metrics of a run that came to its end.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn answer(context: &Context, stripe: &Stripe) -> Result<ReconcileReport, ReconcileError> {
    let report = crate::run(context, stripe).await?;
    let parked = context.store.count_parked(MAX_PARKED_COUNTED).await;
    let parked = parked.map_err(|error| ReconcileError::Failed(Failure::Store(error)))?;
    let (read, found) = (report.read, report.found.len());
    tracing::info!(read, found, parked, "payments were compared with Stripe");
    context.metrics.add(Metric::ReconcilesFinished, 1);
    context.metrics.add(Metric::WebhooksMissed, found as u64);
    context.metrics.add(Metric::PaymentsParked, parked.unsigned_abs().into());
    context.metrics.emit(context.clock.now(), Of::Run);
    Ok(report)
}
