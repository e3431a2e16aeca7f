//! Operations of a service: one request, or a batch of debits, by the same steps.

use std::sync::Arc;
use std::time::Duration;

use super::maintenance::{advance_now, archive_if_due, archive_now, how_it_ended, look_up};
use super::member::{Member, price_of};
use super::{Answer, Receipted, Run, TRIES, again, lost, retried, wait};
use crate::context::Context;
use crate::decide::batch::{self, Mode};
use crate::decide::limit::{self, InForce, Terms};
use crate::decide::operation::{self, Attempt, Next, Request, Route};
use crate::decide::{Expect, MAX_CLOCK_AHEAD, Row, RowWrite, Write};
use crate::domain::ledger::PostedEntry;
use crate::domain::{Account, AccountId, Catalog, Instant, Key, OperationId, Refusal};
use crate::failure::Failure;
use crate::store::{Outcome, StoreError};

/// So many tries of an operation on a hold follow each other without a wait.
const AT_ONCE: usize = 12;

/// Why a batch has no receipts, and which of its debits failed, if one did.
#[derive(Debug)]
pub struct BatchFailure {
    pub index: Option<usize>,
    pub failure: Failure,
}

impl<E: Into<Failure>> From<E> for BatchFailure {
    fn from(error: E) -> BatchFailure {
        BatchFailure { index: None, failure: error.into() }
    }
}

/// Runs an operation of a service on an account, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn operation(
    context: &Context,
    catalog: &Catalog,
    key: &Key,
    request: &Request,
) -> Answer {
    let run = &Run::begin(context, catalog);
    let price = price_of(run, key, request).await?;
    let mode = Mode::AllOrNothing;
    let member = Member::begin(run, mode, (key, request), Ok(price)).await?;
    let done = together(run, &request.account, mode, vec![member]).await;
    let result = done.map_err(|failed| failed.failure)?.pop();
    Ok(result.ok_or_else(|| lost(&request.account))??)
}

/// Runs operations of one account: of those that had not happened before, all or none, or as many
/// as one after the other would pass. Returns the receipt or the refusal of each, in their order.
pub(super) async fn together(
    run: &Run<'_>,
    account: &AccountId,
    mode: Mode,
    mut members: Vec<Member<'_>>,
) -> Result<Vec<Result<Receipted, Refusal>>, BatchFailure> {
    catch_up(run, &mut members).await?;
    let mut known = None;
    let mut route = Route::Fast;
    let mut terms = run.context.limit_terms.of(account);
    for tried in 0..TRIES {
        // An operation on a hold needs the hold as it is; every other operation is tried without a
        // read.
        let on_hold = members.iter().any(|member| member.request.ask.hold().is_some());
        let must_read = on_hold || members.iter().any(|member| member.needs_terms(run, &terms));
        if known.is_none() && must_read {
            known = retried(run, || run.context.store.account(account)).await?.map(Box::new);
        }
        if let Some(loaded) = &known {
            for member in &mut members {
                member.price_part(run, &loaded.account).await?;
            }
            if members.iter().any(Member::counts) {
                terms = Some(learn(run, &loaded.account).await?);
            }
        }
        // One clock reading serves for the ages and for the stamp: nothing is read in between.
        let now = run.context.clock.now();
        let mut came_of_age = false;
        for (index, member) in members.iter_mut().enumerate() {
            let came = member.comes_of_age(run, now).await;
            came_of_age |= came.map_err(|failure| BatchFailure { index: Some(index), failure })?;
        }
        if came_of_age {
            // The new id was not looked up, and time has passed.
            (known, route) = (None, Route::Fast);
            continue;
        }
        let held = known.as_ref().map(|loaded| &loaded.account);
        let in_force = members.iter().map(|member| member.limits(run, held, &terms, now));
        let Some(in_force) = in_force.collect::<Option<Vec<InForce>>>() else {
            // The account was read, and there is none.
            return Err(run.refuse(Refusal::no_account(account)).into());
        };
        let attempts = members.iter().zip(&in_force);
        let attempts = attempts.filter_map(|(member, limits)| member.attempt(limits));
        let attempts: Vec<Attempt<'_>> = attempts.collect();
        if attempts.is_empty() {
            break;
        }
        let chosen = batch::chosen(&attempts, held, mode, now);
        if held.is_none() && operation::counts_too_many(&chosen) {
            let read = retried(run, || run.context.store.account(account)).await?;
            if let Some(loaded) = read {
                known = Some(Box::new(loaded));
                continue;
            }
        }
        if let Some(change) = operation::change(&chosen, held, now, route) {
            known = match run.context.store.commit_in(&Write::account(change), &run.in_flight).await
            {
                Ok(Outcome::Done(Some(after))) => {
                    let made: Vec<OperationId> = chosen.iter().map(|attempt| attempt.id).collect();
                    let by = (run.catalog, now);
                    let mut refused = batch::left_out(&attempts, &made, &after.account, by, route);
                    tell_auto(run, &after.account, each_mut(&mut refused)).await;
                    record(run, &mut members, &made, &after.account)?;
                    if members.iter().any(Member::counts) {
                        run.context.limit_terms.saw(&after.account, run.catalog, now);
                        name_subjects(run, &after.account, &made).await;
                    }
                    let refusals = refused.iter().map(|(_, refusal)| refusal);
                    record_reached(run, refusals, &after.account, now).await;
                    archive_if_due(run, *after, made.len()).await;
                    refuse(run, &mut members, refused)?;
                    if members.iter().all(|member| member.id().is_none()) {
                        break;
                    }
                    known = None;
                    continue;
                }
                Ok(Outcome::AccountRefused(refused)) => refused,
                Ok(_) => unreachable!("an update is done or refused"),
                Err(StoreError::Retryable(cause)) => {
                    again(run, tried, StoreError::Retryable(cause)).await?;
                    known = known.filter(|_| !on_hold);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
        }
        let refused = known.as_ref().map(|loaded| &loaded.account);
        match operation::resume(&attempts, refused, run.catalog, now, route) {
            Next::Happened(happened) => {
                for found in happened {
                    take(run, &mut members, found).await?;
                }
            }
            Next::Refuse(refusal) => match refused.filter(|_| mode == Mode::Each) {
                None => {
                    let mut refusal = refusal;
                    if let Some(account) = refused {
                        record_reached(run, [&refusal], account, now).await;
                        tell_auto(run, account, vec![&mut refusal]).await;
                    }
                    return Err(run.refuse(refusal).into());
                }
                Some(account) => match batch::all_refused(&attempts, account, run.catalog, now) {
                    Some(mut refused) => {
                        tell_auto(run, account, each_mut(&mut refused)).await;
                        let refusals = refused.iter().map(|(_, refusal)| refusal);
                        record_reached(run, refusals, account, now).await;
                        refuse(run, &mut members, refused)?;
                    }
                    // The next write takes fewer. These were fewer already: others were faster.
                    None if chosen.len() < attempts.len() => wait(run, tried).await,
                    None => {}
                },
            },
            Next::Explain(hold) => {
                let refusal = how_it_ended(run, account, &hold).await?;
                return Err(run.refuse(refusal).into());
            }
            Next::LookUp { after, route: looked_up } => {
                let ids: Vec<OperationId> = attempts.iter().map(|attempt| attempt.id).collect();
                for id in ids {
                    if let Some(found) = look_up(run, account, &id, after).await? {
                        take(run, &mut members, found).await?;
                    }
                }
                route = looked_up;
            }
            Next::Relearn if tried < 2 => {}
            Next::Relearn => wait(run, tried).await,
            Next::Advance => {
                advance_now(run, known.take().as_deref()).await?;
                terms = run.context.limit_terms.of(account);
            }
            Next::Archive => archive_now(run, known.take().as_deref()).await?,
            // What ends a hold compares it whole, and parts of it may follow each other without a
            // pause: it goes on at once, from the account that refused it.
            Next::Retry if on_hold && tried < AT_ONCE => {}
            Next::Retry => {
                wait(run, tried).await;
                known = known.filter(|_| !on_hold);
            }
        }
    }
    results(run, members)
}

/// The terms of limits of an account as it is.
async fn learn(run: &Run<'_>, account: &Account) -> Result<Arc<Terms>, StoreError> {
    let (terms, store) = (&run.context.limit_terms, &run.context.store);
    let now = run.context.clock.now();
    retried(run, || terms.learn(store, account, run.catalog, now)).await
}

/// Keeps the names of the subjects whose counts began with these entries: counts have only hashes.
/// The entries are written, and the ledger has the names as well: if this fails, no caller needs to
/// know.
async fn name_subjects(run: &Run<'_>, account: &Account, made: &[OperationId]) {
    for subject in limit::begun(account, made) {
        let row = Row::Subject(account.id.clone(), subject);
        let put = Write::row(RowWrite::Put(row, Expect::Any));
        if run.context.store.commit(&put).await.is_err() {
            return;
        }
    }
}

fn each_mut(refused: &mut [(OperationId, Refusal)]) -> Vec<&mut Refusal> {
    refused.iter_mut().map(|(_, refusal)| refusal).collect()
}

/// Says of refusals for lack of credits that more are being bought, if that is so. An account without
/// auto top-up costs no read; if the read fails, the refusals say nothing of it.
async fn tell_auto(run: &Run<'_>, account: &Account, refusals: Vec<&mut Refusal>) {
    let mut lacks = Vec::new();
    for refusal in refusals {
        if let Refusal::InsufficientCredits { auto_top_up, .. } = refusal {
            lacks.push(auto_top_up);
        }
    }
    if account.threshold.is_none() || lacks.is_empty() {
        return;
    }
    if let Ok(Some(auto)) = run.context.store.auto_top_up(&account.id).await {
        for auto_top_up in lacks {
            *auto_top_up = auto.claim.is_some();
        }
    }
}

/// Records the limits that did not let charges pass, once in their window: the records are
/// announced. The refusals are decided: if this fails, no caller needs to know.
async fn record_reached(
    run: &Run<'_>,
    refusals: impl IntoIterator<Item = &Refusal>,
    account: &Account,
    now: Instant,
) {
    let told = &run.context.limits_told;
    for first in limit::first_reached(refusals, account, now) {
        if told.is_new(&first) {
            let row = Row::Reached(Box::new(first.clone()));
            let put = Write::row(RowWrite::Put(row, Expect::Absent));
            if run.context.store.commit(&put).await.is_err() {
                told.forget(&first);
            }
        }
    }
}

/// Waits for ids that are dated a little ahead of this clock, once for all of them.
async fn catch_up(run: &Run<'_>, members: &mut [Member<'_>]) -> Result<(), BatchFailure> {
    let now = run.context.clock.now();
    let mut most = MAX_CLOCK_AHEAD;
    for (index, member) in members.iter_mut().enumerate() {
        let failed = |failure| BatchFailure { index: Some(index), failure };
        most = most.max(member.lead(run, now).await.map_err(failed)?);
    }
    if most > MAX_CLOCK_AHEAD {
        let wait_ms = most.ms() - MAX_CLOCK_AHEAD.ms();
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
    }
    Ok(())
}

/// Records what happened before as the result of its member.
async fn take(
    run: &Run<'_>,
    members: &mut [Member<'_>],
    found: PostedEntry,
) -> Result<(), BatchFailure> {
    match members.iter().position(|member| member.id() == Some(found.entry.id)) {
        None => Ok(()),
        Some(index) => {
            let happened = members[index].happened(run, found).await;
            happened.map_err(|failure| BatchFailure { index: Some(index), failure })
        }
    }
}

/// Records the entries of a write as the results of its members.
fn record(
    run: &Run<'_>,
    members: &mut [Member<'_>],
    made: &[OperationId],
    after: &Account,
) -> Result<(), StoreError> {
    for member in members {
        let Some(id) = member.id().filter(|id| made.contains(id)) else { continue };
        let found = after.find(&id).ok_or_else(|| lost(&after.id))?;
        let receipted = Receipted { found, replayed: false };
        receipted.count(&run.context.metrics);
        member.done(receipted);
    }
    Ok(())
}

/// Records refusals as the results of their members.
fn refuse(
    run: &Run<'_>,
    members: &mut [Member<'_>],
    refused: Vec<(OperationId, Refusal)>,
) -> Result<(), Failure> {
    for (id, refusal) in refused {
        let mut its = members.iter_mut().filter(|member| member.id() == Some(id));
        its.try_for_each(|member| member.fails(run.refuse(refusal.clone())))?;
    }
    Ok(())
}

/// The results of all members, in their order.
fn results(
    run: &Run<'_>,
    members: Vec<Member<'_>>,
) -> Result<Vec<Result<Receipted, Refusal>>, BatchFailure> {
    let results: Option<Vec<_>> = members.into_iter().map(Member::result).collect();
    let results = results.ok_or(StoreError::Exhausted { tries: TRIES })?;
    let replayed = results.iter().flatten().filter(|receipted| receipted.replayed);
    replayed.for_each(|receipted| receipted.count(&run.context.metrics));
    Ok(results)
}
