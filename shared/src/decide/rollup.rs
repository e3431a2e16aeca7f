//! Rollup: adds the entries of segments to the usage of their days.
//!
//! Each run continues where the last one stopped, so it does not matter how often, in which order,
//! or by what it is started.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expect, Row, RowWrite, Seen, Segment, Write};
use crate::domain::instant::Span;
use crate::domain::period::Day;
use crate::domain::usage::{Counted, DayUsage};
use crate::domain::{AccountId, Instant, Usage};

/// How many days one rollup writes at most, not counting those of its last segment: DynamoDB takes
/// a hundred items at once, and a segment has at most 65 entries.
const MAX_DAYS: usize = 32;
/// How many segments are worth a rollup: a day of 400 users costs some 10 write units, and a
/// segment holds 16 debits.
const MANY: usize = 8;
const OLD: Span = Span::from_s(60);

/// Whether `segments`, all that are not rolled up yet, are worth rewriting a day: eight of them
/// are, and so is one whose latest entry is a minute old at `now`. A reader of the usage adds the
/// others.
pub fn is_worth(segments: &[Segment], now: Instant) -> bool {
    let old = |segment: &Segment| segment.entries.last().is_some_and(|entry| entry.at + OLD <= now);
    segments.len() >= MANY || segments.first().is_some_and(old)
}

/// How far an account is rolled up with `segments`. None: there are no segments.
pub fn counted_until(segments: &[Segment]) -> Option<Counted> {
    segments.last().map(|segment| Counted { seq: segment.last(), time: segment.time })
}

/// The new state of a day, written if the day is as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledUp {
    pub after: DayUsage,
    /// How far the day was rolled up. None: there was no such day.
    pub before: Option<Counted>,
}

impl RolledUp {
    pub fn write(self, account: &AccountId) -> RowWrite {
        let before = self.before.map(|before| Expect::Is(Seen::Counted(before.seq)));
        let day = Row::Day(account.clone(), Box::new(self.after));
        RowWrite::Put(day, before.unwrap_or(Expect::Absent))
    }
}

/// The first of `segments`, as many as one rollup takes.
pub fn take(mut segments: Vec<Segment>) -> Vec<Segment> {
    let mut days = BTreeSet::new();
    let fitting = segments.iter().take_while(|segment| {
        let fits = days.len() <= MAX_DAYS;
        days.extend(segment.entries.iter().map(|entry| Day::of(entry.at)));
        fits
    });
    let fitting = fitting.count();
    segments.truncate(fitting);
    segments
}

/// The days of the entries of `segments`.
pub fn days(segments: &[Segment]) -> BTreeSet<Day> {
    let entries = segments.iter().flat_map(|segment| &segment.entries);
    entries.map(|entry| Day::of(entry.at)).collect()
}

/// Adds `segments` to the days; they are consecutive and follow what was rolled up. `known` are the
/// latest day and those of [`days`] that exist. None: there is nothing to add.
///
/// The latest day is written even if it gets no entry: two rollups of the same segments both write
/// it, so one of them is refused.
pub fn rollup(account: &AccountId, known: Vec<DayUsage>, segments: &[Segment]) -> Option<Write> {
    let counted = counted_until(segments)?;
    let mut tallied: BTreeMap<Day, RolledUp> = BTreeMap::new();
    for after in known {
        let before = Some(after.counted);
        tallied.insert(after.day, RolledUp { after: DayUsage { counted, ..after }, before });
    }
    for entry in segments.iter().flat_map(|segment| &segment.entries) {
        let day = Day::of(entry.at);
        let new =
            || RolledUp { after: DayUsage { day, usage: Usage::default(), counted }, before: None };
        tallied.entry(day).or_insert_with(new).after.usage.count(entry);
    }
    let rows = tallied.into_values().map(|day| day.write(account)).collect();
    Some(Write { account: None, rows })
}
