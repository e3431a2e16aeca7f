//! Time and randomness as arguments: a function's `main` passes the real ones, a test or the local
//! stack its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Instant, OperationId};

/// Returns the time. Read once for each call to DynamoDB.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    /// The system's, in whole milliseconds of UTC.
    #[expect(clippy::disallowed_methods, reason = "here time comes in, as an argument from now on")]
    pub fn system() -> Clock {
        Clock::new(|| Instant::from_ms(chrono::Utc::now().timestamp_millis()))
    }

    pub fn now(&self) -> Instant {
        (self.0)()
    }

    /// How long an invocation with this deadline may still run, if `reserve` is kept free. Zero
    /// after that.
    pub fn left(&self, deadline_ms: u64, reserve: Duration) -> Duration {
        let left_ms = deadline_ms.saturating_sub(self.now().ms().unsigned_abs());
        Duration::from_millis(left_ms).saturating_sub(reserve)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Draws random bytes.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> [u8; 10] + Send + Sync>);

impl Entropy {
    pub fn new(draw: impl Fn() -> [u8; 10] + Send + Sync + 'static) -> Entropy {
        Entropy(Arc::new(draw))
    }

    /// The random source of the operating system.
    pub fn system() -> Entropy {
        Entropy::new(|| {
            let mut bytes = [0; 10];
            getrandom::fill(&mut bytes).expect("the operating system has randomness");
            bytes
        })
    }

    /// A new id at `now`, for a key alias or a session.
    pub fn mint(&self, now: Instant) -> OperationId {
        OperationId::mint(now, (self.0)())
    }

    /// A new id at `now` that no caller chose.
    pub fn own(&self, now: Instant) -> OperationId {
        OperationId::own(now, (self.0)())
    }

    /// A random whole number below `bound`, which is more than 0.
    pub fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&(self.0)()[..8]);
        u64::from_le_bytes(bytes) % bound
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
