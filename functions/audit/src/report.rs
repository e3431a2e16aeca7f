//! Audits one account or all of them by hand, in this process, and reports its progress.

use shared::context::Context;
use shared::domain::AccountId;
use shared::stripe::Stripe;

use crate::{AuditError, Difference, Walked, account, of_stripe, orphans, walk};

/// The number of segments in which the table is walked: the steps of the progress.
pub const SCAN_SEGMENTS: i32 = 32;

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// The number of accounts that were read.
    pub seen: u64,
    pub differences: Vec<Difference>,
}

/// The progress of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditProgress {
    /// Of [`SCAN_SEGMENTS`].
    pub segments: i32,
    pub seen: u64,
    pub differences: usize,
}

/// Audits one account, or all; with `stripe`, also the payments that Stripe lists. Writes nothing.
/// An account that does not exist is not counted as read, but its rows are a difference. `told` is
/// called with the progress, often.
///
/// # Errors
/// [`AuditError`] if the tables or Stripe do not answer.
pub async fn report(
    context: &Context,
    stripe: Option<&Stripe>,
    only: Option<&AccountId>,
    told: impl FnMut(AuditProgress),
) -> Result<AuditReport, AuditError> {
    let mut report = AuditReport::default();
    if let Some(stripe) = stripe {
        report.differences = of_stripe(context, stripe).await?;
    }
    let Some(id) = only else { return all(context, report, told).await };
    report.differences.retain(|difference| difference.account.as_ref() == Some(id));
    report.seen = u64::from(context.store.account_as_written(id).await?.is_some());
    report.differences.extend(account(context, id).await?);
    Ok(report)
}

async fn all(
    context: &Context,
    mut report: AuditReport,
    mut told: impl FnMut(AuditProgress),
) -> Result<AuditReport, AuditError> {
    for segments in 0..SCAN_SEGMENTS {
        let (before, differing) = (report.seen, report.differences.len());
        let walked = walk(context, (segments, SCAN_SEGMENTS), None, |walked: &Walked| {
            let differences = differing + walked.found.len();
            told(AuditProgress { segments, seen: before + walked.seen, differences });
            true
        });
        let Walked { seen, found, .. } = walked.await?;
        report.seen += seen;
        report.differences.extend(found);
        let differences = report.differences.len();
        told(AuditProgress { segments: segments + 1, seen: report.seen, differences });
    }
    let (orphans, _) = orphans(context, None, || true).await?;
    report.differences.extend(orphans);
    Ok(report)
}
