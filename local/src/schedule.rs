//! The schedule: the template's timed invocations, by the clock that can be moved.

use serde_json::Value;
use shared::domain::Instant;
use shared::domain::instant::Span;
use shared::domain::period::{Day, week};

/// A timed invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The binary that is invoked.
    pub function: String,
    /// The payload of the invocation.
    pub input: Value,
    at: At,
}

/// The kinds of time that the template uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Mondays at this time of day, UTC.
    Monday(Span),
    /// Every day at this time.
    Day(Span),
    /// At this interval. AWS counts it from the deploy on, the local stack from midnight.
    Every(Span),
}

impl Schedule {
    /// # Panics
    /// If the template's expression is of another kind.
    pub fn new(function: String, expression: &str, input: Value) -> Schedule {
        let fields = expression.strip_suffix(')').unwrap_or_default();
        let fields: Vec<&str> = fields.split(['(', ' ']).collect();
        let at = match fields[..] {
            ["cron", minute, hour, "?", "*", "MON", "*"] => time(minute, hour).map(At::Monday),
            ["cron", minute, hour, "*", "*", "?", "*"] => time(minute, hour).map(At::Day),
            ["rate", minutes, "minutes"] => interval(minutes).map(At::Every),
            _ => None,
        };
        let at =
            at.unwrap_or_else(|| panic!("template.yaml: the local stack knows no {expression}"));
        Schedule { function, input, at }
    }

    /// The last time at which it fires, up to `now`.
    pub fn last(&self, now: Instant) -> Instant {
        let (start, time, every) = match self.at {
            At::Monday(time) => (week(now).start, time, Span::from_s(7 * 86_400)),
            At::Day(time) => (Day::of(now).start(), time, Span::from_s(86_400)),
            At::Every(every) => {
                let start = Day::of(now).start();
                let passed_ms = (now - start).ms();
                return start + Span::from_ms(passed_ms - passed_ms % every.ms());
            }
        };
        if start + time <= now { start + time } else { start + time - every }
    }
}

fn time(minute: &str, hour: &str) -> Option<Span> {
    let (minute, hour): (i64, i64) = (minute.parse().ok()?, hour.parse().ok()?);
    Some(Span::from_s(hour * 3_600 + minute * 60))
}

fn interval(minutes: &str) -> Option<Span> {
    let minutes = minutes.parse::<i64>().ok().filter(|minutes| (1..=1_440).contains(minutes))?;
    Some(Span::from_s(minutes * 60))
}
