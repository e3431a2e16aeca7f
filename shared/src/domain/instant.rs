//! Instants: whole milliseconds UTC.

use std::fmt;
use std::ops::{Add, Sub};

use chrono::{DateTime, SecondsFormat, Utc};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Intervals are half-open.
///
/// In JSON it is RFC 3339 in UTC, to the millisecond: `"2026-11-23T00:00:00.000Z"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The earliest instant. A burn order valid until the epoch has to be advanced first.
    pub const EPOCH: Instant = Instant(0);
    /// The end of year 9999: nothing in Scrip is later, and RFC 3339 can still express it.
    pub const MAX: Instant = Instant(253_402_300_799_999);

    /// Clamps `ms` to [`Instant::EPOCH`]..=[`Instant::MAX`].
    pub fn from_ms(ms: i64) -> Instant {
        Instant(ms.clamp(Instant::EPOCH.0, Instant::MAX.0))
    }

    pub const fn ms(self) -> i64 {
        self.0
    }

    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).expect("an instant lies between 1970 and 9999")
    }

    /// Reads RFC 3339 with any offset. None: the text is malformed or out of range.
    pub fn parse(text: &str) -> Option<Instant> {
        let ms = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (Instant::EPOCH.0..=Instant::MAX.0).contains(&ms).then_some(Instant(ms))
    }
}

impl Add<Span> for Instant {
    type Output = Instant;
    fn add(self, span: Span) -> Instant {
        Instant::from_ms(self.0 + span.0)
    }
}

impl Sub<Span> for Instant {
    type Output = Instant;
    fn sub(self, span: Span) -> Instant {
        Instant::from_ms(self.0 - span.0)
    }
}

impl Sub for Instant {
    type Output = Span;
    fn sub(self, other: Instant) -> Span {
        Span(self.0 - other.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl serde::Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A length of time in milliseconds; negative when it looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    pub const fn from_ms(ms: i64) -> Span {
        Span(ms)
    }

    pub const fn from_s(s: i64) -> Span {
        Span(s * 1000)
    }

    pub const fn ms(self) -> i64 {
        self.0
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0 + other.0)
    }
}
