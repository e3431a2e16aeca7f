//! `recharge`: runs the Monday sweep by hand, with its progress.

use recharge::{SCAN_SEGMENTS, SweepPart, SweepProgress, Task, is_to_be_advanced, sweep};
use shared::context::Context;

use crate::bar;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Advances the accounts that are due and were used, one segment after the other.
///
/// # Errors
/// If the table cannot be read. Advanced accounts stay advanced: run it again to continue.
pub async fn run(context: &Context) -> Result<SweepProgress, Error> {
    let bar = bar(SCAN_SEGMENTS);
    let mut sum = SweepProgress::default();
    for part in SweepPart::all(Task::Recharge, SCAN_SEGMENTS) {
        let mut segment = SweepProgress::default();
        sweep(context, None, part, |progress| {
            segment = *progress;
            let (seen, done) = (sum.seen + segment.seen, sum.done + segment.done);
            bar.set_message(format!("{seen} accounts, {done} advanced"));
            true
        })
        .await?;
        sum.seen += segment.seen;
        sum.done += segment.done;
        sum.broken += segment.broken;
        bar.inc(1);
    }
    bar.finish();
    Ok(sum)
}

/// Counts the accounts that [`run`] would advance, and writes nothing.
///
/// # Errors
/// As [`run`].
pub async fn rehearse(context: &Context) -> Result<SweepProgress, Error> {
    let bar = bar(SCAN_SEGMENTS);
    let mut sum = SweepProgress::default();
    for segment in 0..SCAN_SEGMENTS {
        let mut after = None;
        loop {
            let scan = context.store.scan(segment, SCAN_SEGMENTS, after.as_ref(), 100).await?;
            for account in scan.accounts {
                sum.seen += 1;
                match account {
                    Ok(loaded) => {
                        let now = context.clock.now();
                        sum.done += u64::from(is_to_be_advanced(&loaded.account, now));
                    }
                    Err(error) => {
                        tracing::error!(%error, "an account cannot be read");
                        sum.broken += 1;
                    }
                }
            }
            bar.set_message(format!("{} accounts, {} to advance", sum.seen, sum.done));
            after = scan.next;
            if after.is_none() {
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish();
    Ok(sum)
}
