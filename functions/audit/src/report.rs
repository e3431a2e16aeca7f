//! One account or all of them audited by hand, in this process, with its progress.

use shared::context::Context;
use shared::domain::AccountId;
use shared::stripe::Stripe;

use crate::{AuditError, Difference, Walked, account, of_stripe, orphans, walk};

/// In how many segments the table is walked: the steps of the progress.
pub const SCAN_SEGMENTS: i32 = 32;

/// What an audit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// How many accounts were read.
    pub seen: u64,
    pub differences: Vec<Difference>,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditProgress {
    /// Of [`SCAN_SEGMENTS`].
    pub segments: i32,
    pub seen: u64,
    pub differences: usize,
}

/// Audits one account, or all; and with a Stripe the payments that it tells of. Writes nothing. Of an
/// account that is not there none is seen, and what is filed of it all the same differs.
/// `told` hears of the progress, often.
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
