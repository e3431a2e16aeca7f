//! Days, weeks and plan periods: when credits come back.
//!
//! Weeks are counted from the first Monday, never numbered within a year: 2026 has an ISO week 53.
//! A plan's nth start is computed from its anchor, never from the last start, so the 31st clamps to
//! a short month's end and comes back.

use std::fmt;

use chrono::{Datelike, Months, NaiveDate};

use super::Instant;
use super::instant::Span;

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// 1970-01-05, the first Monday after the epoch: 345 600 seconds.
const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;

/// A stretch of time `[start, end)` for which credits are granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Instant,
    pub end: Instant,
}

impl Period {
    /// One that is over before all others.
    pub const NEVER: Period = Period { start: Instant::EPOCH, end: Instant::EPOCH };
}

/// The week, Monday 00:00 UTC to the next, that `now` lies in.
///
/// The four days before the first Monday of 1970 count as a week of their own.
pub fn week(now: Instant) -> Period {
    let monday = FIRST_MONDAY_MS + WEEK_MS * (now.ms() - FIRST_MONDAY_MS).div_euclid(WEEK_MS);
    Period { start: Instant::from_ms(monday), end: Instant::from_ms(monday + WEEK_MS) }
}

/// The month, from its first day 00:00 UTC to the next one's, that `now` lies in.
pub fn month(now: Instant) -> Period {
    Anchor(Day::FIRST).period(now)
}

/// A day in UTC, from 1970-01-01 to 9999-12-31. In JSON `"2026-01-31"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    pub const FIRST: Day = Day(NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date"));
    pub const LAST: Day = Day(NaiveDate::from_ymd_opt(9999, 12, 31).expect("a date"));

    /// The day that `now` lies in.
    pub fn of(now: Instant) -> Day {
        Day(now.utc().date_naive())
    }

    /// The day that lies `days` after 1970-01-01.
    pub fn from_days(days: u32) -> Option<Day> {
        let date = NaiveDate::from_epoch_days(i32::try_from(days).ok()?)?;
        (date.year() <= 9999).then_some(Day(date))
    }

    /// How many days it lies after 1970-01-01.
    pub fn days(self) -> u32 {
        u32::try_from(self.0.to_epoch_days()).expect("a day is not before 1970")
    }

    /// The day `days` later; not after [`Day::LAST`].
    pub fn plus(self, days: u32) -> Day {
        Day::from_days(self.days().saturating_add(days)).unwrap_or(Day::LAST)
    }

    /// The day `days` earlier; not before [`Day::FIRST`].
    pub fn minus(self, days: u32) -> Day {
        Day::from_days(self.days().saturating_sub(days)).unwrap_or(Day::FIRST)
    }

    /// The Monday of its week; of the days before the first Monday [`Day::FIRST`].
    pub fn monday(self) -> Day {
        // 1970-01-01 is a Thursday: the fourth day of its week.
        self.minus((self.days() + 3) % 7)
    }

    /// Its first instant.
    pub fn start(self) -> Instant {
        Instant::from_ms(i64::from(self.0.to_epoch_days()) * DAY_MS)
    }

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Day> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let day = Some(Day(date)).filter(|_| (1970..=9999).contains(&date.year()));
        day.filter(|day| day.to_string() == text)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The day on which a plan started, and with it the day of each month on which it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Anchor(pub Day);

impl Anchor {
    /// The plan period that `now` lies in: 00:00 UTC of the anchor's day to the same a month later.
    ///
    /// Before the anchor, periods count backwards from it.
    pub fn period(self, now: Instant) -> Period {
        let date = now.utc().date_naive();
        let months = |d: NaiveDate| i64::from(d.year()) * 12 + i64::from(d.month0());
        let nth = months(date) - months(self.0.0);
        // If the period of this month has not begun yet, `now` lies in the one a month earlier.
        let nth = if self.start(nth) <= now { nth } else { nth - 1 };
        Period { start: self.start(nth), end: self.start(nth + 1) }
    }

    /// The first start of a period at or after `at`.
    pub fn from(self, at: Instant) -> Instant {
        let Period { start, end } = self.period(at);
        if start == at { start } else { end }
    }

    /// The nth start after the anchor (before it, if negative), clamped to the month's end.
    fn start(self, nth: i64) -> Instant {
        let months = Months::new(u32::try_from(nth.unsigned_abs()).unwrap_or(u32::MAX));
        let date = match nth >= 0 {
            true => self.0.0.checked_add_months(months),
            false => self.0.0.checked_sub_months(months),
        };
        match date {
            Some(date) => Day(date).start(),
            None => Instant::MAX,
        }
    }
}

/// The end of the day, in UTC, that lies `months` whole months after `from`; the day is clamped to
/// the month's end. A customer who reads "valid for so many months", and a day, has that whole
/// day.
pub fn end_of_day_after(from: Instant, months: u32) -> Instant {
    match Day::of(from).0.checked_add_months(Months::new(months)) {
        Some(last) => Day(last).start() + Span::from_ms(DAY_MS),
        None => Instant::MAX,
    }
}
