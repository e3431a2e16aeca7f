//! Counts what a contender asks of its store, and loses one reply in so many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One reply in so many is lost where replies are lost.
pub const LOST_ONE_IN: u32 = 100;

/// The time of a call to DynamoDB in the same region: while requests are counted, each to its
/// tables takes so long, so that callers meet each other as they would there.
pub const CALL: Duration = Duration::from_millis(5);

/// The requests that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Costs {
    pub round_trips: u64,
    /// DynamoDB's, those of refused writes among them.
    pub write_units: f64,
    pub read_units: f64,
}

#[derive(Default)]
struct State {
    counts: bool,
    loses: Option<StdRng>,
    costs: Costs,
}

/// A meter. A clone is the same meter.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<State>>);

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, counts; with a seed, loses one reply in [`LOST_ONE_IN`].
    pub fn count(&self, seed: Option<u64>) {
        let loses = seed.map(StdRng::seed_from_u64);
        *self.state() = State { counts: true, loses, costs: Costs::default() };
    }

    /// From now on, counts and loses nothing. Returns what was counted.
    pub fn stop(&self) -> Costs {
        std::mem::take(&mut *self.state()).costs
    }

    pub fn counts(&self) -> bool {
        self.state().counts
    }

    /// Counts one round trip, and returns whether its reply is lost.
    pub fn round_trip(&self) -> bool {
        let mut state = self.state();
        state.costs.round_trips += u64::from(state.counts);
        state.loses.as_mut().is_some_and(|random| random.random_ratio(1, LOST_ONE_IN))
    }

    /// Adds DynamoDB's units of one request.
    pub fn add_units(&self, write_units: f64, read_units: f64) {
        let mut state = self.state();
        state.costs.write_units += write_units;
        state.costs.read_units += read_units;
    }
}
