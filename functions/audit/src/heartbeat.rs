//! The end of an audit: what is said once every account was audited.

use shared::context::Context;
use shared::metrics::{Metric, Of};

/// Says that a whole audit is through, how many accounts it saw, and the differences that it found:
/// in the log, and by metrics whose absence is an alarm.
pub(crate) fn finished(context: &Context, seen: u64, differences: u64) {
    tracing::info!(seen, differences, "every account was audited");
    context.metrics.add(Metric::AuditsFinished, 1);
    context.metrics.add(Metric::DifferencesFound, differences);
    context.metrics.emit(context.clock.now(), Of::Run);
}
