//! Batch: several debits of one account in one write, all or nothing.

use std::collections::BTreeMap;

use super::once::{Attempt, Route, change};
use super::{AccountChange, Guard, Step};
use crate::domain::catalog::ActionNumber;
use crate::domain::{Credits, Gate, Instant};

/// The most debits of one batch: with them the account stays below its capacity, and a write below
/// the 4 KB of DynamoDB's expressions.
pub const MOST: usize = 24;

/// What all of them cost together.
pub fn total(attempts: &[Attempt<'_>]) -> Credits {
    attempts.iter().map(|attempt| attempt.price.credits).sum()
}

/// The write: all the debits, their conditions and their entries. None of no debits.
pub fn join(attempts: &[Attempt<'_>], now: Instant, route: Route) -> Option<AccountChange> {
    let earliest = attempts.iter().map(|attempt| attempt.id.time()).min()?;
    let mut when = vec![
        Guard::Covers(total(attempts)),
        Guard::ValidAt(now),
        Guard::GateIs(Gate::OPEN),
        match route {
            Route::Fast => Guard::FloorBelow(earliest),
            Route::LookedUp(seq) => Guard::PagedAtMost(seq),
        },
        Guard::RoomFor(attempts.len()),
    ];
    when.extend(attempts.iter().map(|attempt| Guard::New(attempt.id)));
    let mut consumed: BTreeMap<ActionNumber, Credits> = BTreeMap::new();
    for attempt in attempts {
        *consumed.entry(attempt.price.action.unwrap_or(0)).or_default() += attempt.price.credits;
    }
    let mut then = vec![Step::Add(-total(attempts))];
    then.extend(consumed.into_iter().map(|(action, credits)| Step::Consume(action, credits)));
    for attempt in attempts {
        let one = change(attempt, None, now, route)?;
        then.extend(one.then.into_iter().filter(|step| matches!(step, Step::Append(_))));
    }
    let account = attempts.first()?.request.account.clone();
    Some(AccountChange { account, when, then })
}
