//! Which limits an entry made low, and what names them in the ids of events.

use super::event::{About, Event};
use crate::domain::ledger::PostedEntry;
use crate::domain::limit::{Counted, FirstReached};
use crate::domain::{Account, Credits, Entry};

/// The event of a limit that did not let a charge pass.
pub fn limit_reached(first: FirstReached) -> Event {
    let FirstReached { account, limit, used, required, resets_at, at, balance } = first;
    Event {
        id: format!("{account}:{}", id(&limit, "reached")),
        account,
        at,
        seq: None,
        balance,
        about: About::LimitReached { limit, used, required, resets_at },
    }
}

/// How much of a limit was used when it is low, in hundredths.
pub(super) const LOW: u8 = 80;

/// The limits of which `entry` took the use across [`LOW`], with what was used after it. `later`
/// has the entries that the same write appended after it, and `after` is the account after all.
pub(super) fn made_low(
    after: &Account,
    entry: &Entry,
    later: &[PostedEntry],
) -> Vec<(Counted, Credits)> {
    let low = entry.counts.iter().filter_map(|limit| {
        let counter = limit.counter();
        let counts = |entry: &Entry| entry.counts.iter().any(|other| other.counter() == counter);
        let later = later.iter().map(|posted| &posted.entry).filter(|entry| counts(entry));
        let used = after.used(counter) - later.map(Entry::counted).sum();
        let is_low = |used: Credits| {
            let threshold = i128::from(limit.at_most.micro()) * i128::from(LOW);
            i128::from(used.micro()) * 100 >= threshold
        };
        let crossed = is_low(used) && !is_low(used - entry.counted());
        crossed.then(|| (limit.clone(), used))
    });
    low.collect()
}

/// The count, its window and the number. It has no colon: the id of an account may have some.
pub(super) fn id(Counted { of, window, at_most }: &Counted, what: &str) -> String {
    let (of, per, from_ms) = (of.hash(), window.per.name(), window.from.ms());
    format!("{of}.{per}-{from_ms}.limit-{what}-{at_most}")
}
