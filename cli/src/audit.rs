//! `audit`: recomputes every account from its entries, and shows its progress.

use ::audit::{AuditProgress, AuditReport, SCAN_SEGMENTS, report};
use shared::context::Context;
use shared::domain::AccountId;
use shared::store::StoreError;
use shared::stripe::StripeAccount;

use crate::bar;

/// Audits one account, or all, and with `stripe` the payments that it lists. Writes nothing.
///
/// # Errors
/// [`StoreError`] if the tables do not answer.
pub async fn run(
    context: &Context,
    stripe: Option<&StripeAccount>,
    only: Option<&AccountId>,
) -> Result<AuditReport, StoreError> {
    if only.is_some() {
        return report(context, stripe, only, |_| ()).await;
    }
    let bar = bar(SCAN_SEGMENTS);
    let told = |AuditProgress { segments, seen, differences }| {
        bar.set_position(segments.unsigned_abs().into());
        bar.set_message(format!("{seen} accounts, {differences} differences"));
    };
    let report = report(context, stripe, None, told).await;
    bar.finish();
    report
}
