//! The usage rollup: counts archived entries into the usage of their days.

use super::{PATIENCE, Run, TRIES, again, retried, wait};
use crate::context::Context;
use crate::decide::rollup;
use crate::domain::AccountId;
use crate::domain::usage::Counted;
use crate::store::{Outcome, StoreError};

/// How many segments one rollup reads: 64 KB of usual ones, 16 read units, and about a thousand
/// entries.
const SEGMENTS: i32 = 64;

/// Counts the segments of an account that were not counted yet, if they are many or old enough to
/// be worth a write. Returns how many entries it counted.
///
/// It may stop before the end, if it takes long or another rollup runs. The next rollup, when the
/// next segment is written, counts the rest; until then each usage query reads it.
///
/// # Errors
/// [`StoreError`]. Entries that were counted before the error stay counted.
pub async fn rollup(context: &Context, account: &AccountId) -> Result<u64, StoreError> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    let (mut entries, mut tried) = (0, 0);
    while tried < TRIES && context.clock.now() - run.began <= PATIENCE {
        match try_rollup(run, account).await {
            Ok(Counting::Done) => return Ok(entries),
            Ok(Counting::On(counted)) => entries += counted,
            Ok(Counting::Raced) => {
                wait(run, tried).await;
                tried += 1;
            }
            Err(StoreError::Retryable(cause)) => {
                again(run, tried, StoreError::Retryable(cause)).await?;
                tried += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// The outcome of one try.
enum Counting {
    /// Counted this many entries; there may be more.
    On(u64),
    /// The segments that are left are not worth a write yet.
    Done,
    /// Another rollup counted in between.
    Raced,
}

async fn try_rollup(run: &Run<'_>, account: &AccountId) -> Result<Counting, StoreError> {
    let store = &run.context.store;
    let latest = retried(run, || store.latest_day(account)).await?;
    let counted = latest.as_ref().map_or(Counted::default(), |latest| latest.counted);
    let segments = retried(run, || store.segments_after(account, counted, SEGMENTS)).await?;
    if !rollup::is_worth(&segments, run.context.clock.now()) {
        return Ok(Counting::Done);
    }
    let segments = rollup::take(segments);
    let mut known = Vec::new();
    if let (Some(latest), Some(first)) = (latest, rollup::days(&segments).first()) {
        // Stamps can be out of order by seconds, so a segment may reach back over a midnight.
        if *first < latest.day {
            known = retried(run, || store.days(account, *first, latest.day.minus(1))).await?;
        }
        known.push(latest);
    }
    let Some(write) = rollup::rollup(account, known, &segments) else {
        return Ok(Counting::Done);
    };
    match store.commit(&write).await? {
        Outcome::Done(_) => {
            Ok(Counting::On(segments.iter().map(|segment| segment.entries.len() as u64).sum()))
        }
        _ => Ok(Counting::Raced),
    }
}
