//! Batches: which debits of one account are written together, and why the others are refused.

use super::debit;
use super::operation::{self, Attempt, Route};
use crate::domain::{Account, Catalog, Instant, OperationId, Refusal};

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
) -> Vec<Attempt<'a>> {
    let Some(account) = known.filter(|_| mode == Mode::Each) else { return attempts.to_vec() };
    let mut available = account.available;
    let passes = |attempt: &&Attempt<'_>| {
        let credits = attempt.price.credits;
        let passes = credits <= available;
        if passes {
            available -= credits;
        }
        passes
    };
    attempts.iter().filter(passes).copied().collect()
}

/// Why an advanced account refuses each of `attempts`. None: it would pass one of them.
pub fn all_refused(
    attempts: &[Attempt<'_>],
    account: &Account,
    catalog: &Catalog,
    now: Instant,
) -> Option<Vec<(OperationId, Refusal)>> {
    let refused = |attempt: &Attempt<'_>| {
        let refusal = debit::refusal(account, attempt.price.credits, catalog, now)?;
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
    if account.has_lapsed_hold(now) {
        return refused;
    }
    let is_written = |attempt: &&Attempt<'_>| written.contains(&attempt.id);
    let taken = attempts.iter().filter(is_written).map(|attempt| attempt.price.credits);
    let mut available = account.available + taken.sum();
    for attempt in attempts {
        let required = attempt.price.credits;
        if is_written(&attempt) {
            available -= required;
            continue;
        }
        let unseen = operation::unseen_from(&[*attempt], account, route).is_some();
        if unseen || account.find(&attempt.id).is_some() {
            break;
        }
        match debit::refusal_with(account, available, required, catalog, now) {
            Some(refusal) => refused.push((attempt.id, refusal)),
            None => break,
        }
    }
    refused
}
