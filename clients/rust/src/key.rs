//! Keys of operations: ULIDs of the stack's time, also where the local clock is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use ulid::Ulid;

/// `Date` has whole seconds and travels: within this, the clocks agree.
const AGREE_MS: i64 = 2_000;

/// The local clock, which may be wrong.
pub(crate) type LocalClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The stack's clock, as far as its answers have told.
pub(crate) struct Clock {
    local: LocalClock,
    /// By how much the local clock is ahead.
    ahead_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new(local: LocalClock) -> Clock {
        Clock { local, ahead_ms: AtomicI64::new(0) }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        let by = Duration::from_millis(ahead_ms.unsigned_abs());
        let local = (self.local)();
        let now = if ahead_ms > 0 { local.checked_sub(by) } else { local.checked_add(by) };
        now.unwrap_or(local)
    }

    /// Learns the time from an answer that was given just now.
    pub(crate) fn learn(&self, stack_ms: i64) {
        let ahead_ms = unix_ms((self.local)()) - stack_ms;
        let ahead_ms = if ahead_ms.abs() <= AGREE_MS { 0 } else { ahead_ms };
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// A new key, of the stack's time.
    pub(crate) fn mint(&self) -> String {
        ulid(unix_ms(self.now()))
    }
}

/// A number below 2^128 that nobody can foresee.
///
/// # Panics
/// If the system has no random numbers: a key that another caller has would lose a charge.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system's random numbers");
    u128::from_be_bytes(bytes)
}

/// A ULID of this time. Its bits are a UUIDv7: of others one in 64 is no time to Scrip, and costs a
/// write more.
fn ulid(ms: i64) -> String {
    let random = random() & ((1 << 80) - 1);
    let version = (random & !(0xf << 76)) | 0x7 << 76;
    let variant = (version & !(0b11 << 62)) | 0b10 << 62;
    let time = u128::from(ms.unsigned_abs()) << 80;
    Ulid(time | variant).to_string()
}

/// The time in a key that the client made.
pub(crate) fn key_ms(key: &str) -> Option<i64> {
    i64::try_from(Ulid::from_string(key).ok()?.timestamp_ms()).ok()
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
