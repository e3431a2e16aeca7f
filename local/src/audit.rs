//! `audit`: every account reckoned again, by hand, with its progress.

use ::audit::{AuditError, Difference, Walked, account, of_stripe, orphans, walk};
use indicatif::{ProgressBar, ProgressStyle};
use shared::domain::AccountId;
use shared::stripe::Stripe;
use shared::world::World;

/// In how many segments the table is walked: the steps of the progress.
const SEGMENTS: i32 = 32;

/// What an audit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many accounts were read.
    pub seen: u64,
    pub differences: Vec<Difference>,
}

/// Audits one account, or all; and with a Stripe the payments that it tells of. Writes nothing.
///
/// # Errors
/// [`AuditError`] if the tables or Stripe do not answer.
pub async fn run(
    world: &World,
    stripe: Option<&Stripe>,
    only: Option<&AccountId>,
) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let Some(id) = only else {
        let bar = ProgressBar::new(SEGMENTS.unsigned_abs().into());
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} segments, {msg}");
        return all(world, stripe, bar.with_style(style.expect("a template of its own"))).await;
    };
    if let Some(stripe) = stripe {
        let told = of_stripe(world, stripe).await?;
        report.differences.extend(told.into_iter().filter(|d| d.account.as_ref() == Some(id)));
    }
    report.seen = 1;
    report.differences.extend(account(world, id).await?);
    Ok(report)
}

/// Audits all accounts without showing progress: for a page.
///
/// # Errors
/// [`AuditError`] if the tables or Stripe do not answer.
pub async fn quietly(world: &World, stripe: Option<&Stripe>) -> Result<Report, AuditError> {
    all(world, stripe, ProgressBar::hidden()).await
}

async fn all(
    world: &World,
    stripe: Option<&Stripe>,
    bar: ProgressBar,
) -> Result<Report, AuditError> {
    let mut report = Report::default();
    if let Some(stripe) = stripe {
        report.differences = of_stripe(world, stripe).await?;
    }
    for segment in 0..SEGMENTS {
        let Report { seen, differences } = &report;
        let walked = walk(world, (segment, SEGMENTS), None, |walked: &Walked| {
            let differing = differences.len() + walked.found.len();
            bar.set_message(format!("{} accounts, {differing} differences", seen + walked.seen));
            true
        });
        let Walked { seen, found, .. } = walked.await?;
        report.seen += seen;
        report.differences.extend(found);
        bar.inc(1);
    }
    let (orphans, _) = orphans(world, None, || true).await?;
    report.differences.extend(orphans);
    bar.finish();
    Ok(report)
}
