//! Commands: commit, and if the account refuses, take the next step that `decide` names.
//!
//! Every loop here is bounded, waits before it repeats a try, and ends with a known outcome or with
//! an error that says that the outcome is not known.

pub mod auto_top_up;
mod batches;
pub mod directory;
pub mod limit;
mod maintenance;
mod member;
mod operation;
mod operator;
pub mod order;
pub mod payment;
mod refund;
mod revoke;
mod rollup;
pub mod service_key;
pub mod session;
pub mod subscribe;
pub mod subscription;
pub mod topup;

use std::time::Duration;

pub use batches::{batch, each};
pub use operation::{BatchFailure, operation};
pub use operator::{Make, receipted};
pub use refund::refund;
pub use revoke::revoke;
pub use rollup::rollup;

use crate::context::Context;
use crate::decide::Fault;
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::usage::Used;
use crate::domain::{AccountId, Catalog, Instant, Refusal};
use crate::failure::Failure;
use crate::metrics::{Metric, Metrics};
use crate::store::{InFlight, StoreError, unknown};

/// The most tries of one operation.
const TRIES: usize = 16;
/// How long new tries may begin. With the 5 s of the last call, this ends before the 15 s after
/// which Lambda would stop it without an answer.
const PATIENCE: Span = Span::from_s(8);
/// The wait after the nth try is random, from 0 to this, doubled each time up to the longest.
const SHORTEST_WAIT_MS: u64 = 5;
const LONGEST_WAIT_MS: u64 = 250;

/// An operation that happened: its entry, and whether it happened before this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    pub found: PostedEntry,
    pub replayed: bool,
}

type Answer = Result<Receipted, Failure>;

impl Receipted {
    /// Counts the operation: as a replay, or as done with the credits it spent.
    fn count(&self, metrics: &Metrics) {
        match Used::by(&self.found.entry) {
            _ if self.replayed => metrics.add(Metric::Replays, 1),
            Some((_, used)) if used.count > 0 => metrics.spent(used),
            _ => {}
        }
    }
}

/// The state of one request while a command runs.
struct Run<'a> {
    context: &'a Context,
    catalog: &'a Catalog,
    began: Instant,
    in_flight: InFlight,
}

impl<'a> Run<'a> {
    fn begin(context: &'a Context, catalog: &'a Catalog) -> Run<'a> {
        Run { context, catalog, began: context.clock.now(), in_flight: InFlight::default() }
    }

    /// A refusal says that nothing happened. So it is not answered while an attempt that was given
    /// up may still arrive and take effect: then the outcome is not known.
    fn refuse(&self, refusal: Refusal) -> Failure {
        match self.in_flight.is_raised() {
            true => StoreError::StillInFlight.into(),
            false => refusal.into(),
        }
    }
}

/// Tries until the outcome is known. A try returns None if another write came in between.
async fn until_known<T, F>(run: &Run<'_>, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Option<T>, Failure>>,
{
    for tried in 0..TRIES {
        // Boxed, so that what has a try in one of its branches stays small.
        match Box::pin(attempt()).await {
            Ok(Some(known)) => return Ok(known),
            Ok(None) => wait(run, tried).await,
            Err(Failure::Store(StoreError::Retryable(cause))) => {
                again(run, tried, StoreError::Retryable(cause)).await?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// Makes a call that no caller waits for. Repeats it while it is throttled or in conflict, as often
/// as a call that a caller waits for.
///
/// # Errors
/// [`StoreError`].
pub async fn retry<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    retried(&Run::begin(context, &*context.catalog().await), call).await
}

async fn retried<T, F>(run: &Run<'_>, mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for tried in 0..TRIES {
        match read().await {
            Err(StoreError::Retryable(cause)) => {
                again(run, tried, StoreError::Retryable(cause)).await?
            }
            done => return done,
        }
    }
    Err(StoreError::Exhausted { tries: TRIES })
}

/// Waits before the next try; after the last one returns the error that caused it.
async fn again(run: &Run<'_>, tried: usize, error: StoreError) -> Result<(), StoreError> {
    if tried + 1 == TRIES || run.context.clock.now() - run.began > PATIENCE {
        return Err(error);
    }
    wait(run, tried).await;
    Ok(())
}

async fn wait(run: &Run<'_>, tried: usize) {
    run.context.metrics.add(Metric::Conflicts, 1);
    let longest = (SHORTEST_WAIT_MS << tried.min(16)).min(LONGEST_WAIT_MS);
    tokio::time::sleep(Duration::from_millis(run.context.entropy.below(longest + 1))).await;
}

/// Checks that the kind of an entry is known to this version, before it is answered by.
///
/// # Errors
/// [`StoreError::Broken`]: what the entry did is not known, and is not guessed.
fn known(account: &AccountId, found: &PostedEntry) -> Result<(), StoreError> {
    match found.entry.kind.is_unknown() {
        true => Err(unknown(account, found.entry.id)),
        false => Ok(()),
    }
}

fn lost(account: &AccountId) -> StoreError {
    let problem = "a stored operation is not in the ledger".to_owned();
    StoreError::Fault(Fault::Account { account: account.to_string(), problem })
}
