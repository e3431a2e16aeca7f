//! Reads the usage: the days that were rolled up, and the entries since.
//!
//! The cost depends on the number of days, not of operations: the entries that are not rolled up
//! are those appended since the relay last rolled up a segment.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::decide::STAMP_MARGIN;
use crate::decide::rollup::counted_until;
use crate::domain::period::Day;
use crate::domain::usage::Counted;
use crate::domain::{AccountId, Entry, Refusal, Usage};
use crate::failure::Failure;
use crate::store::{Store, StoreError, gap};

/// How many segments that are not rolled up one request reads, and how many requests are made at
/// most: some 60 000 entries. Only a relay that stood still for long leaves as many.
const SEGMENTS: i32 = 512;
const REQUESTS: usize = 8;
/// How often the query starts anew if a rollup ran in between.
const TRIES: usize = 8;

/// The consumption of an account on each day from `from` on and before `to`, without days on which
/// nothing was consumed.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or [`StoreError`]; [`StoreError::Exhausted`] if many entries are
/// not rolled up yet.
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
    /// A rollup ran in between.
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
                // Entries that were rolled up after the latest day was read would be counted twice.
                if day.counted.seq > counted.seq {
                    return Ok(Read::Raced);
                }
                days.insert(day.day, day.usage);
            }
        }
        if (from..to).contains(&latest.day) {
            days.insert(latest.day, latest.usage);
        }
        // No later entry has a stamp that is earlier by more than a margin.
        if counted.time >= to.start() + STAMP_MARGIN {
            return Ok(Read::of(days));
        }
    }
    // The account is read first: an entry that is archived after this read is in a segment, and
    // counts once.
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
