//! Moments as an operator types them: a day or a time, in UTC.

use std::str::FromStr;

use shared::domain::Instant;
use shared::domain::period::Day;

/// `2026-11-18` or `2026-11-18T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Day(Day),
    Time(Instant),
}

impl Moment {
    /// The first instant that is meant, where a period begins.
    pub fn start(self) -> Instant {
        match self {
            Moment::Day(day) => day.start(),
            Moment::Time(time) => time,
        }
    }

    /// The first instant that is not meant, where a period ends: a day is meant to its end.
    pub fn end(self) -> Instant {
        match self {
            Moment::Day(day) => day.plus(1).start(),
            Moment::Time(time) => time,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let time = || Instant::parse(text).map(Moment::Time);
        let moment = Day::parse(text).map(Moment::Day).or_else(time);
        moment
            .ok_or_else(|| "not a day or a time such as 2026-11-18 or 2026-11-18T12:00:00Z".into())
    }
}

/// Reads a day.
///
/// # Errors
/// If it is none, for the person who typed it.
pub fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "not a day such as 2026-11-18".to_owned())
}
