//! The two sizes of every proof: small at every `cargo test`, full with `SCRIP_PROOF=full`.

use std::fmt::Display;
use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};

/// The size of one proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The environment variable that sets another number.
    pub variable: &'static str,
    /// The unit that is counted: "operations".
    pub unit: &'static str,
    pub small: u64,
    pub full: u64,
}

/// Operations of the simulation over all seeds; each is sent until its outcome is known.
pub const OPERATIONS: Size = Size::new("OPERATIONS", "operations", 10_000, 200_000);
/// Seeds that each mutant is run with at most. The small size runs the one that kills it.
pub const MUTANT_SEEDS: Size = Size::new("MUTANT_SEEDS", "seeds a mutant", 1, 100);
/// Schedules of three handlers in each state of an account: this many at random, or all.
pub const SCHEDULES: Size = Size::new("SCHEDULES", "schedules a state", 40, u64::MAX);
/// Debits while one reply in fifty is lost.
pub const DEBITS: Size = Size::new("DEBITS", "debits", 2_000, 20_000);
/// Rounds of eight callers on one hold.
pub const ROUNDS: Size = Size::new("ROUNDS", "rounds", 40, 1_000);
/// How often the stack is killed under load.
pub const KILLS: Size = Size::new("KILLS", "kills", 4, 100);
/// One pair of moments of two tables in this many is torn, repaired and audited.
pub const PAIRS: Size = Size::new("PAIRS", "pairs: one in so many", 26, 1);
/// Orders of the events of a payment or a subscription, for each story.
pub const PERMUTATIONS: Size = Size::new("PERMUTATIONS", "orders a story", 12, 120);
/// Deliveries of Stripe's events, mixed and repeated.
pub const DELIVERIES: Size = Size::new("DELIVERIES", "deliveries", 400, 10_000);
/// Payments that those deliveries belong to.
pub const PAYMENTS: Size = Size::new("PAYMENTS", "payments", 10, 100);
/// Lives of an account that are run twice and must end in the same state.
pub const LIVES: Size = Size::new("LIVES", "lives", 100, 1_000);
/// Lives of an account that buys packs by itself.
pub const AUTO_LIVES: Size = Size::new("AUTO_LIVES", "lives", 8, 300);
/// Streams of events over a bus that loses and refuses events.
pub const STREAMS: Size = Size::new("STREAMS", "streams", 20, 200);
/// Weeks in which the sweep runs at any time, or not at all.
pub const WEEKS: Size = Size::new("WEEKS", "weeks", 80, 520);
/// Accounts that pass a Monday; every fifth of them was used.
pub const ACCOUNTS: Size = Size::new("ACCOUNTS", "accounts", 2_000, 100_000);
/// Accounts that are audited and advanced, to see how both grow.
pub const AUDITED: Size = Size::new("AUDITED", "accounts", 1_000, 20_000);
/// Entries of a ledger that is listed while it grows.
pub const ENTRIES: Size = Size::new("ENTRIES", "entries", 5_000, 100_000);
/// Orders in which two tenants act.
pub const INTERLEAVINGS: Size = Size::new("INTERLEAVINGS", "orders", 10, 40);
/// Seconds for which the fuzzer runs each target.
pub const FUZZ_SECONDS: Size = Size::new("FUZZ_SECONDS", "seconds a target", 1, 10);

/// All sizes: CONTRIBUTING.md lists them, and a test compares the two.
pub const ALL: [Size; 19] = [
    OPERATIONS,
    MUTANT_SEEDS,
    SCHEDULES,
    DEBITS,
    ROUNDS,
    KILLS,
    PAIRS,
    PERMUTATIONS,
    DELIVERIES,
    PAYMENTS,
    LIVES,
    AUTO_LIVES,
    STREAMS,
    WEEKS,
    ACCOUNTS,
    AUDITED,
    ENTRIES,
    INTERLEAVINGS,
    FUZZ_SECONDS,
];

impl Size {
    const fn new(variable: &'static str, unit: &'static str, small: u64, full: u64) -> Size {
        Size { variable, unit, small, full }
    }

    /// How many are run: the environment's number, else the full or the small size.
    ///
    /// # Panics
    /// If the environment's value is not a number.
    pub fn get(self) -> u64 {
        number(self.variable).unwrap_or(if is_full() { self.full } else { self.small })
    }

    /// Prints in one line how much was run, and how to run more.
    ///
    /// The line bypasses the test's captured output, which is hidden while a test passes.
    pub fn say(self, played: impl Display) {
        let more = match self.get() == self.full {
            true => String::new(),
            false => format!(" (more: SCRIP_PROOF=full, or {}=n)", self.variable),
        };
        // A closed terminal fails no proof.
        let _ = writeln!(std::io::stderr(), "proof: {played}{more}");
    }

    /// A progress bar over `steps`, at a terminal, for proofs that take more than half a minute.
    ///
    /// # Panics
    /// Never: the template is constant.
    pub fn bar(self, steps: u64) -> ProgressBar {
        if self.get() == self.small {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left");
        let bar = ProgressBar::new(steps).with_style(style.expect("a template of known words"));
        bar.with_message(self.unit)
    }
}

/// Whether every proof runs in its full size.
pub fn is_full() -> bool {
    std::env::var("SCRIP_PROOF").is_ok_and(|size| size == "full")
}

/// The seed of the run: `SEED` in the environment, or the usual one.
pub fn seed(usual: u64) -> u64 {
    number("SEED").unwrap_or(usual)
}

/// The number in an environment variable. None: the variable is not set.
///
/// # Panics
/// If it is not a number.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: a number, not {text:?}")))
}
