//! `audit`: recomputes every account from its entries, and shows its progress.

use ::audit::{AuditError, AuditProgress, AuditReport, SCAN_SEGMENTS, report};
use shared::context::Context;
use shared::domain::AccountId;
use shared::stripe::Stripe;

use crate::bar;

/// Audits one account, or all, and the payments that Stripe lists. Writes nothing.
///
/// # Errors
/// [`AuditError`] if the tables or Stripe do not answer.
pub async fn run(
    context: &Context,
    stripe: &Stripe,
    only: Option<&AccountId>,
) -> Result<AuditReport, AuditError> {
    if only.is_some() {
        return report(context, Some(stripe), only, |_| ()).await;
    }
    let bar = bar(SCAN_SEGMENTS);
    let told = |AuditProgress { segments, seen, differences }| {
        bar.set_position(segments.unsigned_abs().into());
        bar.set_message(format!("{seen} accounts, {differences} differences"));
    };
    let report = report(context, Some(stripe), None, told).await;
    bar.finish();
    report
}
