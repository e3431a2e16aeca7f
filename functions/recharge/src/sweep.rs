//! Sweeps one segment of the table for as long as there is time.

use lambda_runtime::Error;
use shared::bus::Bus;
use shared::command;
use shared::context::Context;
use shared::decide::{Write, advance, announce};
use shared::domain::{Account, Catalog, Instant};
use shared::metrics::{Metric, Of};
use shared::store::{Loaded, StoreError};

use crate::part::{SweepPart, SweepProgress, Task};

/// Accounts per request: 100 of 1 KB are 12.5 read units, read eventually consistent.
const READ: i32 = 100;

/// Sweeps from where `part` begins while `goes_on`, called after each account, returns true.
/// Returns the part that remains, or None at the end. A recharge needs no bus: the tables' streams
/// announce it.
///
/// # Errors
/// If the table or the bus does not answer. Accounts already done stay done: the part may restart.
pub async fn sweep(
    context: &Context,
    bus: Option<&Bus>,
    mut part: SweepPart,
    mut goes_on: impl FnMut(&SweepProgress) -> bool,
) -> Result<Option<SweepPart>, Error> {
    loop {
        let catalog = context.catalog().await;
        context.may_advance()?;
        let scan = || context.store.scan(part.segment, part.of, part.after.as_ref(), READ);
        let scan = command::retry(context, scan).await?;
        let mut before = part.progress;
        for account in scan.accounts {
            let id = account.as_ref().ok().map(|loaded| loaded.account.id.clone());
            part.progress.seen = part.progress.seen.saturating_add(1);
            let done = match account {
                Ok(loaded) => {
                    let now = context.clock.now();
                    match part.task {
                        Task::Recharge => recharge(context, &loaded, &catalog, now).await,
                        Task::Expiring => expiring(bus, &loaded, &catalog, now).await,
                    }
                }
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(done) => {
                    part.progress.done = part.progress.done.saturating_add(u64::from(done));
                }
                // A throttled table, or a bus that is down: the part comes again.
                Err(error) if !is_of_one_account(&error) => {
                    count(context, &mut before, &part);
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!(%error, "the sweep skipped an account");
                    part.progress.broken = part.progress.broken.saturating_add(1);
                }
            }
            // One account may take as long as a request.
            if let Some(id) = id.filter(|_| !goes_on(&part.progress)) {
                count(context, &mut before, &part);
                part.after = Some(id);
                return Ok(Some(part));
            }
        }
        part.after = scan.next;
        if part.after.is_none() {
            context.metrics.add(Metric::SweepsFinished, 1);
        }
        count(context, &mut before, &part);
        if part.after.is_none() {
            let (task, segment) = (part.task.name(), part.segment);
            let SweepProgress { seen, done, broken } = part.progress;
            tracing::info!(task, segment, seen, done, broken, "a segment was swept");
            return Ok(None);
        }
    }
}

/// Emits the counts of one request, so that an operator sees the progress of a recharge, and the
/// end of any segment.
fn count(context: &Context, before: &mut SweepProgress, part: &SweepPart) {
    if part.task == Task::Recharge {
        let SweepProgress { seen, done, broken } = part.progress;
        let (seen, done) = (seen - before.seen, done - before.done);
        let broken = broken - before.broken;
        *before = part.progress;
        context.metrics.add(Metric::AccountsSeen, seen);
        context.metrics.add(Metric::AccountsAdvanced, done);
        context.metrics.add(Metric::AccountsSkipped, seen - done - broken);
        context.metrics.add(Metric::AccountsBroken, broken);
    }
    context.metrics.emit(context.clock.now(), Of::ScanSegment(part.segment));
}

/// Whether a sweep advances the account: it is due, and was used since its latest advance. A
/// dormant account is never written.
pub fn is_to_be_advanced(account: &Account, now: Instant) -> bool {
    advance::is_due(account, now) && account.seq > account.advanced_seq
}

/// Advances the account. If a concurrent request advances or uses it first, that is as good.
async fn recharge(
    context: &Context,
    loaded: &Loaded,
    catalog: &Catalog,
    now: Instant,
) -> Result<bool, Error> {
    let account = &loaded.account;
    if !is_to_be_advanced(account, now) {
        return Ok(false);
    }
    let change = Write::account(advance::change(account, catalog, now).map_err(StoreError::from)?);
    command::retry(context, || context.store.commit(&change)).await?;
    Ok(true)
}

fn is_of_one_account(error: &Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::is_of_one_account)
}

/// Announces the grants of the account that expire soon.
async fn expiring(
    bus: Option<&Bus>,
    loaded: &Loaded,
    catalog: &Catalog,
    now: Instant,
) -> Result<bool, Error> {
    let bus = bus.ok_or("no event bus is configured")?;
    let advanced = advance::advance(&loaded.account, catalog, now).map_err(StoreError::from)?;
    let events = announce::expiring(&advanced.account, now);
    match bus.announce(&events, catalog).await.is_empty() {
        true => Ok(!events.is_empty()),
        false => Err("the bus did not accept an event".into()),
    }
}
