//! A clock that can be moved.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use http::HeaderValue;
use shared::clock::Clock;
use shared::domain::Instant;

use crate::atomic_file;

/// The first instant of the year 3000: an advance walks through every period, so it needs an end.
const LATEST_MS: i64 = 32_503_680_000_000;

/// The system's clock, moved by an offset.
#[derive(Clone, Debug, Default)]
pub struct LocalClock {
    offset_ms: Arc<AtomicI64>,
    file: Option<PathBuf>,
}

impl LocalClock {
    /// A clock that reads `now`, and runs from there.
    pub fn starting_at(now: Instant) -> LocalClock {
        let clock = LocalClock::default();
        clock.set(now);
        clock
    }

    pub fn set(&self, now: Instant) {
        let offset_ms = now.ms() - Utc::now().timestamp_millis();
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        if let Some(file) = &self.file
            && let Err(error) = atomic_file::write(file, offset_ms.to_string().as_bytes())
        {
            tracing::warn!(%error, "the clock's offset could not be saved");
        }
    }

    pub fn now(&self) -> Instant {
        system_now(self.offset_ms())
    }

    /// The milliseconds that it is ahead of the system's clock.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// The time as HTTP writes it: `Sun, 22 Nov 2026 02:59:40 GMT`.
    pub fn http_date(&self) -> HeaderValue {
        http_date(self.now())
    }

    /// A clock that continues where the one in this file stopped, and stores each move there.
    ///
    /// A stack that is started again must not run at a time before its own entries.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn kept_in(file: PathBuf) -> std::io::Result<LocalClock> {
        let offset_ms = match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let offset_ms = Arc::new(AtomicI64::new(offset_ms));
        Ok(LocalClock { offset_ms, file: Some(file) })
    }

    /// The same clock in the type that the functions use.
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

/// A time as HTTP writes it.
pub(crate) fn http_date(now: Instant) -> HeaderValue {
    let now = DateTime::from_timestamp_millis(now.ms()).unwrap_or_default();
    let text = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("letters and digits")
}

fn system_now(offset_ms: i64) -> Instant {
    Instant::from_ms(Utc::now().timestamp_millis() + offset_ms)
}

/// The instant `to`, if a clock that reads `now` may be moved there: not back, because accounts
/// have entries since, and not beyond the end of the calendar.
///
/// # Errors
/// The reason why it may not.
pub fn may_go(now: Instant, to: Instant) -> Result<Instant, &'static str> {
    if to < now {
        return Err("the clock only moves forward: accounts may have later entries");
    }
    if to > Instant::from_ms(LATEST_MS) {
        return Err("the clock goes to the year 3000 at most");
    }
    Ok(to)
}
