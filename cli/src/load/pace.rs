//! When each request of a load is due.

use std::time::Duration;

use tokio::time::Instant;

/// What a stack did not take in a longer stall is not sent later: that would be above the rate.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The requests of a load that are not sent yet.
#[derive(Debug)]
pub struct Pace {
    /// The number of the next request, and when it is due.
    number: u32,
    due: Instant,
    requests: u32,
    between: Duration,
}

impl Pace {
    /// So many requests, `rate` a second: at least 1.
    pub fn new(began: Instant, requests: u32, rate: u32) -> Pace {
        Pace { number: 0, due: began, requests, between: Duration::from_secs(1) / rate }
    }

    /// The number of the next request and when it is due, asked for at `now`. None: there is no
    /// more.
    pub fn next(&mut self, now: Instant) -> Option<(u32, Instant)> {
        if self.number >= self.requests {
            return None;
        }
        let due = now.checked_sub(CATCH_UP).map_or(self.due, |earliest| earliest.max(self.due));
        let next = (self.number, due);
        (self.number, self.due) = (self.number + 1, due + self.between);
        Some(next)
    }
}
