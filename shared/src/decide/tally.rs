//! Tally: the entries of pages counted into the usage of their days.
//!
//! Whoever is woken reads on from where the last one stopped, so it does not matter how often, in
//! which order, or by whom somebody is woken.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expect, Page, Row, RowWrite, Seen, Write};
use crate::domain::instant::Span;
use crate::domain::period::Day;
use crate::domain::usage::{Counted, DayUsage};
use crate::domain::{AccountId, Instant, Usage};

/// How many days one tally writes at most, besides those of its last page: DynamoDB takes a hundred
/// items at once, and a page has at most 65 entries.
const MOST_DAYS: usize = 32;
/// How many pages are many: a day of 400 users weighs some 10 write units, and a page holds 16 debits.
const MANY: usize = 8;
const OLD: Span = Span::from_s(60);

/// Whether `pages`, all that were not counted yet, are worth the rewriting of a day: eight of them are, and
/// so is one whose latest entry is a minute old at `now`. Whoever reads the usage adds the others.
pub fn is_worth(pages: &[Page], now: Instant) -> bool {
    let old = |page: &Page| page.entries.last().is_some_and(|entry| entry.at + OLD <= now);
    pages.len() >= MANY || pages.first().is_some_and(old)
}

/// How far an account is counted with `pages`. None of no pages.
pub fn counted_until(pages: &[Page]) -> Option<Counted> {
    pages.last().map(|page| Counted { seq: page.last(), time: page.time })
}

/// A day as it is to be, if it still is as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallied {
    pub after: DayUsage,
    /// How far it was counted. None: there was no such day.
    pub before: Option<Counted>,
}

impl Tallied {
    pub fn write(self, account: &AccountId) -> RowWrite {
        let before = self.before.map(|before| Expect::Is(Seen::Counted(before.seq)));
        let day = Row::Day(account.clone(), Box::new(self.after));
        RowWrite::Put(day, before.unwrap_or(Expect::Absent))
    }
}

/// The pages of `pages`, from the first on, that one tally takes.
pub fn take(mut pages: Vec<Page>) -> Vec<Page> {
    let mut days = BTreeSet::new();
    let fitting = pages.iter().take_while(|page| {
        let fits = days.len() <= MOST_DAYS;
        days.extend(page.entries.iter().map(|entry| Day::of(entry.at)));
        fits
    });
    let fitting = fitting.count();
    pages.truncate(fitting);
    pages
}

/// The days on which the entries of `pages` happened.
pub fn days(pages: &[Page]) -> BTreeSet<Day> {
    let entries = pages.iter().flat_map(|page| &page.entries);
    entries.map(|entry| Day::of(entry.at)).collect()
}

/// Counts `pages`, which follow each other and what was counted, into the days. `known` are the
/// latest day and those of [`days`] that are there. None: there is nothing to count.
///
/// The latest day is written too, even if nothing happened on it: two who count the same pages both
/// write it, so one of them is refused.
pub fn tally(account: &AccountId, known: Vec<DayUsage>, pages: &[Page]) -> Option<Write> {
    let counted = counted_until(pages)?;
    let mut tallied: BTreeMap<Day, Tallied> = BTreeMap::new();
    for after in known {
        let before = Some(after.counted);
        tallied.insert(after.day, Tallied { after: DayUsage { counted, ..after }, before });
    }
    for entry in pages.iter().flat_map(|page| &page.entries) {
        let day = Day::of(entry.at);
        let new =
            || Tallied { after: DayUsage { day, usage: Usage::default(), counted }, before: None };
        tallied.entry(day).or_insert_with(new).after.usage.count(entry);
    }
    let rows = tallied.into_values().map(|day| day.write(account)).collect();
    Some(Write { account: None, rows })
}
