//! What a load found, for a person and for a script.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use shared::domain::Credits;

use super::drive::{Driven, Ended, Kind, Outcome};
use crate::terminal::{Side, Table};

/// What a load found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ended: Ended,
    pub(super) took_ms: u64,
    pub(super) sent: usize,
    pub(super) kinds: BTreeMap<Kind, Times>,
    /// By the code of the API.
    pub(super) refused: BTreeMap<String, usize>,
    /// The gateway did not take them.
    pub(super) throttled: usize,
    pub(super) unknown: Unknown,
    pub(super) ledger: Ledger,
}

/// The times of the requests of one kind that were answered, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    pub(super) answered: usize,
    pub(super) p50_ms: u64,
    pub(super) p99_ms: u64,
    pub(super) most_ms: u64,
}

/// The requests without an answer, and what became of those that spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Unknown {
    pub(super) at_first: usize,
    /// Sent again with their keys, they were done, or had been done.
    pub(super) done: usize,
    pub(super) refused: usize,
    pub(super) still: usize,
}

/// What the ledgers of the accounts say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Ledger {
    pub(super) accounts: usize,
    pub(super) debits: usize,
    pub(super) spent: Credits,
    /// All of it was compared, and nothing is wrong.
    pub(super) adds_up: bool,
    pub(super) wrong: Vec<String>,
    /// The accounts whose ledger could not be read, and why.
    pub(super) not_compared: Vec<String>,
}

impl Report {
    pub(super) fn new(driven: &Driven, unknown: Unknown, ledger: Ledger) -> Report {
        let mut times: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
        let (mut refused, mut throttled) = (BTreeMap::new(), 0);
        for sent in &driven.sent {
            match &sent.outcome {
                Outcome::Refused(code) => *refused.entry(code.clone()).or_default() += 1,
                Outcome::Done => {}
                Outcome::Throttled => {
                    throttled += 1;
                    continue;
                }
                Outcome::Unknown => continue,
            }
            times.entry(sent.kind).or_default().push(sent.took);
        }
        Report {
            ended: driven.ended,
            took_ms: ms(driven.took),
            sent: driven.sent.len(),
            kinds: times.into_iter().map(|(kind, times)| (kind, Times::of(times))).collect(),
            refused,
            throttled,
            unknown,
            ledger,
        }
    }
}

impl Times {
    /// By nearest rank.
    fn of(mut times: Vec<Duration>) -> Times {
        times.sort_unstable();
        let rank = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(place).copied().map_or(0, ms)
        };
        Times { answered: times.len(), p50_ms: rank(50), p99_ms: rank(99), most_ms: rank(100) }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Debit => "debit",
            Kind::Replay => "replay",
            Kind::Overdraft => "overdraft",
            Kind::Balance => "balance",
        }
    }
}

impl Ended {
    fn words(self) -> &'static str {
        match self {
            Ended::Count => "all of its requests were sent",
            Ended::Time => "its time was over",
            Ended::Failures => "the stack did not answer any more",
            Ended::Interrupted => "it was interrupted",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { ended, took_ms, sent, kinds, refused, throttled, unknown, ledger } = self;
        writeln!(f, "{sent} requests in {took_ms} ms; it ended because {}", ended.words())?;
        let columns = ["ANSWERED", "P50 MS", "P99 MS", "MOST MS"].map(|name| (name, Side::Right));
        let mut table = Table::new(&[&[("", Side::Left)], &columns[..]].concat());
        for (kind, Times { answered, p50_ms, p99_ms, most_ms }) in kinds {
            let numbers = [p50_ms, p99_ms, most_ms].map(u64::to_string);
            let texts = [kind.name().to_owned(), answered.to_string()];
            table.row(texts.into_iter().chain(numbers));
        }
        write!(f, "{table}")?;
        for (code, count) in refused {
            writeln!(f, "refused {code}: {count}")?;
        }
        writeln!(f, "throttled by the gateway: {throttled}")?;
        let Unknown { at_first, done, refused, still } = unknown;
        writeln!(
            f,
            "outcome unknown at first: {at_first}; sent again: {done} done, {refused} refused, \
             {still} still unknown"
        )?;
        let Ledger { accounts, debits, spent, adds_up, wrong, not_compared } = ledger;
        for line in wrong.iter().chain(not_compared) {
            writeln!(f, "{line}")?;
        }
        let sum = match (adds_up, wrong.is_empty()) {
            (true, _) => "adds up",
            (false, true) => "is not compared in whole",
            (false, false) => "DOES NOT ADD UP",
        };
        writeln!(f, "the ledger {sum}: {debits} debits of {spent} credits in {accounts} accounts")
    }
}
