//! Usage read back: the days that were counted, and what came after.
//!
//! It costs the days that are asked for, not the operations: what is not counted yet is what was
//! appended since the latest segment was relayed.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::decide::STAMP_MARGIN;
use crate::decide::rollup::counted_until;
use crate::domain::period::Day;
use crate::domain::usage::Counted;
use crate::domain::{AccountId, Entry, Refusal, Usage};
use crate::failure::Failure;
use crate::store::{Store, StoreError, gap};

/// How many segments that were not counted yet one request reads, and how many requests there are at
/// most: some 60 000 entries, which only a relay that stood still for long leaves behind.
const SEGMENTS: i32 = 512;
const REQUESTS: usize = 8;
/// How often it begins anew where somebody counted in between.
const TRIES: usize = 8;

/// What an account consumed on each day from `from` on and before `to`, without the days on which
/// nothing was.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or [`StoreError`]; [`StoreError::Exhausted`] if much is not counted
/// yet.
pub async fn usage(
    context: &Context,
    account: &AccountId,
    from: Day,
    to: Day,
) -> Result<BTreeMap<Day, Usage>, Failure> {
    for _ in 0..TRIES {
        match try_usage(&context.store, account, from, to).await? {
            Read::Days(days) => return Ok(days),
            Read::NoAccount => return Err(Refusal::no_account(account).into()),
            Read::Raced => {}
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

enum Read {
    Days(BTreeMap<Day, Usage>),
    NoAccount,
    /// Somebody counted in between.
    Raced,
}

impl Read {
    fn of(mut days: BTreeMap<Day, Usage>) -> Read {
        days.retain(|_, usage| !usage.is_nothing());
        Read::Days(days)
    }
}

async fn try_usage(
    store: &Store,
    account: &AccountId,
    from: Day,
    to: Day,
) -> Result<Read, StoreError> {
    let latest = store.latest_day(account).await?;
    let counted = latest.as_ref().map_or(Counted::default(), |latest| latest.counted);
    let mut days = BTreeMap::new();
    if let Some(latest) = latest {
        let last = to.minus(1).min(latest.day.minus(1));
        if from <= last {
            for day in store.days(account, from, last).await? {
                // What was counted after the latest day was read would be counted again.
                if day.counted.seq > counted.seq {
                    return Ok(Read::Raced);
                }
                days.insert(day.day, day.usage);
            }
        }
        if (from..to).contains(&latest.day) {
            days.insert(latest.day, latest.usage);
        }
        // No entry that comes later is stamped earlier by more than a margin.
        if counted.time >= to.start() + STAMP_MARGIN {
            return Ok(Read::of(days));
        }
    }
    // The account first: what leaves it in between is in a segment by then, and is counted once.
    let Some(loaded) = store.account(account).await? else {
        return Ok(Read::NoAccount);
    };
    let mut count = |entry: &Entry| {
        let day = Day::of(entry.at);
        if (from..to).contains(&day) {
            days.entry(day).or_default().count(entry);
        }
    };
    let account = loaded.account;
    let (mut counted, mut requests) = (counted, 0);
    while counted.seq < account.archived_seq {
        if requests == REQUESTS {
            return Err(StoreError::Exhausted { tries: REQUESTS });
        }
        let segments = store.segments_after(&account.id, counted, SEGMENTS).await?;
        counted = counted_until(&segments).ok_or_else(|| gap(&account.id, counted.seq + 1))?;
        segments.iter().flat_map(|segment| &segment.entries).for_each(&mut count);
        requests += 1;
    }
    let archived_seq = (counted.seq - account.archived_seq) as usize;
    account.recent.iter().skip(archived_seq).for_each(count);
    Ok(Read::of(days))
}
