//! Weeks and plan periods, compared with tables from another library, which also refuse known
//! calendar mistakes.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use shared::domain::Instant;
use shared::domain::period::{Anchor, Day, week};

const DAY_MS: i64 = 86_400_000;
/// `calendars.py` makes the tables.
const MONDAYS: &str = include_str!("../../corpus/mondays.txt");
const ANCHORS: &str = include_str!("../../corpus/anchors.txt");

/// The key of a week's grant: two weeks must never share it.
type WeekKey = fn(Instant) -> i64;
/// The first day of the period after the one that began at `last`.
type NextStart = fn(anchor: i64, last: i64) -> i64;

fn date(day: i64) -> NaiveDate {
    NaiveDate::from_epoch_days(day as i32).expect("a day of this century or the next")
}

/// The lines of a table, each a name and its value.
fn lines(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').expect("a name and what is said of it"))
}

fn days(date: &str) -> i64 {
    let date: NaiveDate = date.parse().expect("a date");
    i64::from(date.to_epoch_days())
}

/// Every Monday from 1970 to 2100, in days since the epoch.
fn mondays() -> Vec<i64> {
    let of = |(year, mondays): (&str, &str)| {
        let monday = |day: &str| days(&format!("{year}-{}-{}", &day[..2], &day[2..]));
        mondays.split(' ').map(monday).collect::<Vec<_>>()
    };
    lines(MONDAYS).flat_map(of).collect()
}

/// Refuses a key that changes within a week, or that two weeks share.
fn weeks_hold(key: WeekKey) -> Result<usize, String> {
    let mut seen = BTreeMap::new();
    for week in mondays().windows(2) {
        let (monday, next) = (week[0], week[1]);
        let (first, last) = (monday * DAY_MS, next * DAY_MS - 1);
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

/// The first days of the periods of a plan bought on the `day` of January 2026.
fn starts(day: usize) -> Vec<i64> {
    let first = days(&format!("2026-01-{day:02}"));
    let start = |(month, days_of): (&str, &str)| {
        let day = char::from(days_of.as_bytes()[day - 1]).to_digit(32).expect("a day");
        days(&format!("{month}-{day:02}"))
    };
    std::iter::once(first).chain(lines(ANCHORS).map(start)).collect()
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
fn weeks_and_plan_renewals_are_correct_up_to_2100() {
    let weeks = weeks_hold(|now| week(now).start.ms()).expect("each week is one");
    let months = months_hold(next_start).expect("each period begins on its day");
    println!("{weeks} weeks, {months} plan periods");
    assert_eq!((weeks, months), (6_834, 31 * 1_200));
    for week_of in mondays().windows(2) {
        let period = week(Instant::from_ms(week_of[0] * DAY_MS));
        let edges = [period.start, period.end].map(|edge| edge.ms() / DAY_MS);
        assert_eq!(edges, week_of, "{}", date(week_of[0]));
    }
}

/// Each mutant is a calendar mistake that other software has shipped.
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
