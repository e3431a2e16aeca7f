//! The end of a part of an audit, which is said, as its absence is an alarm.

use shared::context::Context;
use shared::metrics::{Metric, Of};

/// Says that a part came to its end: in the log, and by metrics.
pub(crate) fn finished(context: &Context, seen: u64, differences: u64) {
    tracing::info!(seen, differences, "a part of the audit is through");
    context.metrics.add(Metric::AuditsFinished, 1);
    context.metrics.add(Metric::DifferencesFound, differences);
    context.metrics.emit(context.clock.now(), Of::Run);
}
