//! Audits one account or all of them by hand, in this process, and reports its progress.

use serde::Serialize;
use shared::context::Context;
use shared::domain::AccountId;
use shared::store::StoreError;
use shared::stripe::StripeAccount;

use crate::stripe::compare;
use crate::{Difference, Walk, Walked, account, orphans, walk};

/// The number of segments in which the table is walked: in parallel by the function, one after the
/// other by hand.
pub const SCAN_SEGMENTS: i32 = 32;

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

/// Audits one account, or all, and then, with `stripe`, the payments that Stripe lists. Writes
/// nothing. An account that does not exist is not counted as read, but its rows are a difference.
/// `told` is called with the progress, often.
///
/// # Errors
/// [`StoreError`] if the tables do not answer. If Stripe does not, that is a difference.
pub async fn report(
    context: &Context,
    stripe: Option<&StripeAccount>,
    only: Option<&AccountId>,
    told: impl FnMut(AuditProgress),
) -> Result<AuditReport, StoreError> {
    let mut report = match only {
        None => all(context, told).await?,
        Some(id) => AuditReport {
            seen: u64::from(context.store.account_as_written(id).await?.is_some()),
            differences: account(context, id).await?,
        },
    };
    if let Some(stripe) = stripe {
        let mut found = compare(stripe, context).await?;
        // A difference without an account may be about any of them.
        found.retain(|found| only.is_none_or(|id| found.account.as_ref().is_none_or(|a| a == id)));
        report.differences.extend(found);
    }
    Ok(report)
}

async fn all(
    context: &Context,
    mut told: impl FnMut(AuditProgress),
) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    for segments in 0..SCAN_SEGMENTS {
        let (before, differing) = (report.seen, report.differences.len());
        let part = Walk { segment: segments, of: SCAN_SEGMENTS, after: None, most_bytes: u64::MAX };
        let walked = walk(context, part, |walked: &Walked| {
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
