//! Batches: which debits of one account are written together, and why the others are refused.

use std::collections::BTreeSet;

use super::limit;
use super::operation::{self, Attempt, Route};
use crate::domain::limit::{Counted, Counter, MAX_COUNTED};
use crate::domain::{Account, Catalog, Credits, Instant, OperationId, Refusal};

/// How the debits of a batch depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All happen, or none that had not happened before.
    AllOrNothing,
    /// As if they had been sent one after the other at one instant: each happens if what those
    /// before it leave covers it.
    Each,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::AllOrNothing, Mode::Each];

    /// The name of it in a request.
    pub fn name(self) -> &'static str {
        match self {
            Mode::AllOrNothing => "all_or_nothing",
            Mode::Each => "each",
        }
    }
}

/// The attempts of the next write: all of them; or, if each stands alone and the account is known,
/// those that it covers one after the other.
pub fn chosen<'a>(
    attempts: &[Attempt<'a>],
    known: Option<&Account>,
    mode: Mode,
    now: Instant,
) -> Vec<Attempt<'a>> {
    let Some(account) = known.filter(|_| mode == Mode::Each) else { return attempts.to_vec() };
    let (mut left, mut counters) = (account.clone(), BTreeSet::new());
    let mut chosen = Vec::new();
    for attempt in attempts {
        let its: BTreeSet<Counter> = attempt.limits.counts.iter().map(Counted::counter).collect();
        let fits = counters.union(&its).count() <= MAX_COUNTED;
        if fits && passes(attempt, &left, now) {
            counters.extend(its);
            spend(&mut left, attempt);
            chosen.push(*attempt);
        }
    }
    chosen
}

/// Whether what is left of an account, and of limits, covers the attempt.
fn passes(attempt: &Attempt<'_>, left: &Account, now: Instant) -> bool {
    let credits = attempt.price.credits;
    credits <= left.available
        && limit::reached([(attempt.limits, credits)], left, now).is_empty()
        && (credits.is_zero() || !limit::is_full(attempt.limits, left, now))
}

/// Takes what the attempt spends from what is left of an account.
fn spend(left: &mut Account, attempt: &Attempt<'_>) {
    move_by(left, attempt, attempt.price.credits);
}

/// Puts back what the attempt spent.
fn unspend(left: &mut Account, attempt: &Attempt<'_>) {
    move_by(left, attempt, -attempt.price.credits);
}

fn move_by(left: &mut Account, attempt: &Attempt<'_>, credits: Credits) {
    left.available -= credits;
    for counted in attempt.limits.counts.iter().filter(|_| !credits.is_zero()) {
        *left.used.entry(counted.counter()).or_default() += credits;
    }
}

/// Why an advanced account refuses each of `attempts`. None: it would pass one of them.
pub fn all_refused(
    attempts: &[Attempt<'_>],
    account: &Account,
    catalog: &Catalog,
    now: Instant,
) -> Option<Vec<(OperationId, Refusal)>> {
    let refused = |attempt: &Attempt<'_>| {
        let refusal = operation::refusal(&[*attempt], account, catalog, now)?;
        Some((attempt.id, refusal))
    };
    attempts.iter().map(refused).collect()
}

/// Why attempts that a write left out are refused: because of what was available in their places,
/// after the `written` attempts before them. `account` is the one that the write returned. The
/// first that it does not refuse, and those after it, are left for another write: credits came
/// meanwhile, a hold has lapsed, or the attempt may have happened before.
pub fn left_out(
    attempts: &[Attempt<'_>],
    written: &[OperationId],
    account: &Account,
    (catalog, now): (&Catalog, Instant),
    route: Route,
) -> Vec<(OperationId, Refusal)> {
    let mut refused = Vec::new();
    let is_written = |attempt: &&Attempt<'_>| written.contains(&attempt.id);
    if attempts.iter().all(|attempt| is_written(&attempt)) || account.has_lapsed_hold(now) {
        return refused;
    }
    let mut left = account.clone();
    attempts.iter().filter(is_written).for_each(|attempt| unspend(&mut left, attempt));
    for attempt in attempts {
        if is_written(&attempt) {
            spend(&mut left, attempt);
            continue;
        }
        let unseen = operation::unseen_from(&[*attempt], account, route).is_some();
        if unseen || !attempt.limits.is_of(account) || account.find(&attempt.id).is_some() {
            break;
        }
        match operation::refusal(&[*attempt], &left, catalog, now) {
            Some(refusal) => refused.push((attempt.id, refusal)),
            None => break,
        }
    }
    refused
}
