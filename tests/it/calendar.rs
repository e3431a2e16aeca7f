//! Weeks and plan periods, all of them up to 2100, by a reckoning of their own; and the calendars that
//! others have shipped, which it must refuse.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use shared::domain::Instant;
use shared::domain::period::{Anchor, Day, week};

const DAY_MS: i64 = 86_400_000;
/// 1970-01-05.
const FIRST_MONDAY: i64 = 4;
/// 2100-01-01.
const LAST_DAY: i64 = 47_482;
const MONTHS: i64 = 1_200;

/// What a grant of a week is filed under: two weeks must never share it.
type WeekKey = fn(Instant) -> i64;
/// The day on which the period after the one that began at `last` begins.
type NextStart = fn(anchor: i64, last: i64) -> i64;

fn date(day: i64) -> NaiveDate {
    NaiveDate::from_epoch_days(day as i32).expect("a day of this century or the next")
}

/// Refuses a key that changes within a week, or that two weeks have.
fn weeks_hold(key: WeekKey) -> Result<usize, String> {
    let mut seen = BTreeMap::new();
    for monday in (FIRST_MONDAY..LAST_DAY).step_by(7) {
        let (first, last) = (monday * DAY_MS, (monday + 7) * DAY_MS - 1);
        let of = key(Instant::from_ms(first));
        for ms in [first + 1, first + DAY_MS, first + 3 * DAY_MS, first + 6 * DAY_MS, last] {
            let other = key(Instant::from_ms(ms));
            if other != of {
                return Err(format!("the week of {} has the keys {of} and {other}", date(monday)));
            }
        }
        if let Some(before) = seen.insert(of, monday) {
            return Err(format!("{} and {} have the key {of}", date(before), date(monday)));
        }
    }
    Ok(seen.len())
}

/// Whether the year has a February 29, by the rule of 1582.
fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days on which the periods of a plan begin that was bought on the `day` of January 2026:
/// months are counted off one by one, and the day is the anchor's or the month's last.
fn starts(day: i64) -> Vec<i64> {
    // 2026-01-01 is 20 454 days after the epoch.
    let (mut year, mut month, mut first) = (2026, 1, 20_454);
    let mut starts = Vec::new();
    for _ in 0..=MONTHS {
        starts.push(first + day.min(days_of(year, month)) - 1);
        first += days_of(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    starts
}

/// Refuses a calendar whose periods begin on other days.
fn months_hold(next: NextStart) -> Result<usize, String> {
    let mut checked = 0;
    for day in 1..=31 {
        let starts = starts(day);
        let mut last = starts[0];
        for expected in &starts[1..] {
            last = next(starts[0], last);
            if last != *expected {
                let (is, should) = (date(last), date(*expected));
                return Err(format!("bought on January {day}: {is} instead of {should}"));
            }
            checked += 1;
        }
    }
    Ok(checked)
}

fn next_start(anchor: i64, last: i64) -> i64 {
    let anchor = Anchor(Day::from_days(anchor as u32).expect("a day"));
    anchor.period(Instant::from_ms(last * DAY_MS)).end.ms() / DAY_MS
}

#[test]
fn every_week_up_to_2100_is_one_and_every_plan_is_renewed_on_its_day() {
    let weeks = weeks_hold(|now| week(now).start.ms()).expect("each week is one");
    let months = months_hold(next_start).expect("each period begins on its day");
    println!("{weeks} weeks, {months} plan periods");
    assert_eq!((weeks, months), (6_783, 31 * 1_200));
    let period = week(Instant::from_ms(FIRST_MONDAY * DAY_MS));
    assert_eq!(period.end - period.start, shared::domain::instant::Span::from_ms(7 * DAY_MS));
}

/// Calendars as they have been shipped.
#[test]
fn every_calendar_mutant_dies() {
    let number: WeekKey = |now| i64::from(now.utc().iso_week().week());
    let with_year: WeekKey = |now| {
        let date = now.utc().date_naive();
        i64::from(date.year()) * 100 + i64::from(date.iso_week().week())
    };
    for (name, key) in [("week number as key", number), ("week number and year as key", with_year)]
    {
        println!("{name}: {}", weeks_hold(key).expect_err(name));
    }
    let from_last: NextStart = |_, last| {
        let next = date(last).checked_add_months(Months::new(1)).expect("a date");
        i64::from(next.to_epoch_days())
    };
    let thirty_days: NextStart = |_, last| last + 30;
    for (name, next) in [("date from the last date", from_last), ("thirty days", thirty_days)] {
        println!("{name}: {}", months_hold(next).expect_err(name));
    }
}
