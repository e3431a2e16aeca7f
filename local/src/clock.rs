//! A clock that can be moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;
use shared::clock::Clock;
use shared::domain::Instant;

/// The system's clock, moved by an offset.
#[derive(Clone, Debug, Default)]
pub struct LocalClock {
    offset_ms: Arc<AtomicI64>,
}

impl LocalClock {
    /// A clock that reads `now`, and goes on from there.
    pub fn starting_at(now: Instant) -> LocalClock {
        let clock = LocalClock::default();
        clock.set(now);
        clock
    }

    pub fn set(&self, now: Instant) {
        let offset_ms = now.ms() - Utc::now().timestamp_millis();
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    pub fn now(&self) -> Instant {
        system_now(self.offset_ms.load(Ordering::Relaxed))
    }

    /// The same clock as the functions take it.
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

/// The system's own clock, for comparing with an endpoint that has one.
pub fn system_clock() -> Clock {
    Clock::new(|| system_now(0))
}

fn system_now(offset_ms: i64) -> Instant {
    Instant::from_ms(Utc::now().timestamp_millis() + offset_ms)
}
