//! Stacks whose clock a test stops, paces or ticks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use local::clock::LocalClock;
use shared::clock::{Clock, Entropy};
use shared::domain::Instant;
use shared::domain::instant::Span;

use super::{Stack, counting, instant};

impl Stack {
    /// A stack with a stopped clock and counting randomness: every answer is the same in every run.
    pub async fn still(now: &str) -> Stack {
        Stack::drawing(instant(now), counting(0)).await
    }

    /// A stack with a stopped clock and this randomness; it records its streams.
    pub async fn drawing(now: Instant, entropy: Entropy) -> Stack {
        let clock = Clock::new(move || now);
        Stack::with(LocalClock::starting_at(now), clock, entropy, true).await
    }

    /// A stack whose clock starts at `now` and follows tokio's, which a test pauses.
    pub async fn paced(now: &str) -> Stack {
        let (began, now) = (tokio::time::Instant::now(), instant(now));
        let clock = Clock::new(move || {
            let ms = i64::try_from(began.elapsed().as_millis()).expect("a short test");
            now + Span::from_ms(ms)
        });
        Stack::with(LocalClock::starting_at(now), clock, Entropy::system(), false).await
    }

    /// A stack at a Wednesday noon whose clock only ticks: its costs depend on no machine.
    pub async fn ticking() -> Stack {
        Stack::ticks(false).await
    }

    /// The same; it records its streams.
    pub async fn ticking_streamed() -> Stack {
        Stack::ticks(true).await
    }

    async fn ticks(streamed: bool) -> Stack {
        let (now, ticks) = (instant("2026-11-18T12:00:00Z"), Arc::<AtomicI64>::default());
        let read = ticks.clone();
        let clock = Clock::new(move || now + Span::from_ms(read.load(Ordering::Relaxed)));
        let stack = Stack::with(LocalClock::starting_at(now), clock, Entropy::system(), streamed);
        Stack { ticks, ..stack.await }
    }
}
