//! Operations of a service: one request, or a batch of debits, by the same steps.

use std::time::Duration;

use super::maintenance::{advance_now, archive_if_due, archive_now, how_it_ended, look_up, seen};
use super::{Answer, Receipted, Run, TRIES, again, known, lost, retried, until_known, wait};
use crate::context::Context;
use crate::decide::debit::{self, Price};
use crate::decide::operation::{self, Attempt, Next, Request, Route};
use crate::decide::{
    DEDUP_WINDOW, KeyAlias, MAX_CLOCK_AHEAD, MAX_KEY_AHEAD, MAX_WAIT_AHEAD, Row, STAMP_MARGIN,
    Write,
};
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::refusal::FieldProblem;
use crate::domain::{AccountId, Catalog, Credits, Instant, Key, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::store::{Outcome, StoreError};

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
    let member = Member::begin(run, key, request, price).await?;
    let done = together(run, &request.account, vec![member]).await;
    let receipted = done.map_err(|failed| failed.failure)?.pop();
    receipted.ok_or_else(|| lost(&request.account).into())
}

/// Debits an account for all of `debits`, each once for its key; a debit that happened before
/// counts as done.
///
/// # Errors
/// [`BatchFailure`]: no debit happened that had not happened before. If it holds a [`StoreError`],
/// that is not known.
pub async fn batch(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    debits: &[(Key, Request)],
) -> Result<Vec<Receipted>, BatchFailure> {
    let run = &Run::begin(context, catalog);
    let prices = prices(run, debits).await?;
    let mut members: Vec<Member<'_>> = Vec::with_capacity(debits.len());
    for (index, ((key, request), price)) in debits.iter().zip(prices).enumerate() {
        let failed = |failure| BatchFailure { index: Some(index), failure };
        members.push(Member::begin(run, key, request, price).await.map_err(failed)?);
    }
    // A UUID and the ULID of the same bits are one id.
    let ids: Vec<_> = members.iter().map(Member::id).collect();
    let again = (0..ids.len()).filter(|&n| ids[n].is_some() && ids[..n].contains(&ids[n]));
    let again: Vec<_> =
        again.map(|n| FieldProblem::new("id", "is repeated").within(&nth(n))).collect();
    match again.is_empty() {
        true => together(run, account, members).await,
        false => Err(Refusal::InvalidRequest { fields: again }.into()),
    }
}

/// The price of each debit of a batch. If several debits are invalid, the refusal names all of
/// them.
async fn prices(run: &Run<'_>, debits: &[(Key, Request)]) -> Result<Vec<Price>, BatchFailure> {
    let (mut prices, mut wrong) = (Vec::with_capacity(debits.len()), Vec::new());
    for (index, (key, request)) in debits.iter().enumerate() {
        match price_of(run, key, request).await {
            Ok(price) => prices.push(price),
            Err(Failure::Refusal(Refusal::InvalidRequest { fields })) => {
                wrong.extend(fields.into_iter().map(|field| field.within(&nth(index))));
            }
            Err(failure) => return Err(BatchFailure { index: Some(index), failure }),
        }
    }
    match wrong.is_empty() {
        true => Ok(prices),
        false => Err(Refusal::InvalidRequest { fields: wrong }.into()),
    }
}

/// The name of a debit of a batch in the names of its fields.
fn nth(index: usize) -> String {
    format!("debits[{index}]")
}

/// One operation in progress.
struct Member<'a> {
    key: &'a Key,
    request: &'a Request,
    price: Price,
    state: State,
}

/// The progress of an operation.
enum State {
    Done(Box<Receipted>),
    /// It may happen under this id. The id is the key itself, or the key has an alias for it.
    New {
        id: OperationId,
        named: bool,
    },
}

impl<'a> Member<'a> {
    async fn begin(
        run: &Run<'_>,
        key: &'a Key,
        request: &'a Request,
        price: Price,
    ) -> Result<Member<'a>, Failure> {
        let state = match key.id() {
            Some(id) => State::New { id, named: false },
            None => {
                State::New { id: key_alias(run, key, &request.account, None).await?, named: true }
            }
        };
        Ok(Member { key, request, price, state })
    }

    fn id(&self) -> Option<OperationId> {
        match self.state {
            State::New { id, .. } => Some(id),
            State::Done(_) => None,
        }
    }

    fn attempt(&self) -> Option<Attempt<'_>> {
        let State::New { id, named } = self.state else { return None };
        let key = if named { Some(self.key.as_str()) } else { self.key.shown() };
        Some(Attempt { request: self.request, price: self.price, id, key })
    }

    /// Records the earlier operation as the result, if it is the same request.
    fn happened(&mut self, found: PostedEntry) -> Result<(), Failure> {
        if let Some(attempt) = self.attempt() {
            known(&self.request.account, &found)?;
            operation::replay(&attempt, &found.entry)?;
            self.state = State::Done(Box::new(Receipted { found, replayed: true }));
        }
        Ok(())
    }

    /// How far the id's time is ahead of `now`. A key dated far ahead never becomes a key alias: in
    /// a moment it is an ordinary id, and would be charged again. If it is too far ahead to wait
    /// for, it is looked up, because another handler's clock may be further ahead. The look-up also
    /// asks DynamoDB whether it is this clock that is off.
    async fn lead(&mut self, run: &Run<'_>, now: Instant) -> Result<Span, Failure> {
        let State::New { id, named } = self.state else { return Ok(Span::from_ms(0)) };
        let lead = id.time() - now;
        if lead <= MAX_CLOCK_AHEAD {
            return Ok(lead);
        }
        if !named {
            run.context.metrics.add(Metric::KeysAhead, 1);
        }
        if lead <= MAX_WAIT_AHEAD {
            return Ok(lead);
        }
        match seen(run, &self.request.account, &id).await? {
            Some(found) => self.happened(found).map(|()| Span::from_ms(0)),
            None if lead > MAX_KEY_AHEAD => Err(Refusal::KeyAhead { server_time: now }.into()),
            None => Err(StoreError::Ahead { lead_ms: lead.ms() }.into()),
        }
    }

    /// Whether the id was older than the deduplication window at `now` and has been dealt with: the
    /// operation happened, or it has another id now. For a while an earlier attempt may still be in
    /// flight; after that the old id can never be applied, and the key is treated like any other
    /// string.
    async fn comes_of_age(&mut self, run: &Run<'_>, now: Instant) -> Result<bool, Failure> {
        let State::New { id, named } = self.state else { return Ok(false) };
        if id.time() > now + MAX_CLOCK_AHEAD {
            return Err(StoreError::Ahead { lead_ms: (id.time() - now).ms() }.into());
        }
        if now - id.time() <= DEDUP_WINDOW {
            return Ok(false);
        }
        let account = &self.request.account;
        match seen(run, account, &id).await? {
            Some(found) => self.happened(found)?,
            None if now - id.time() <= DEDUP_WINDOW + STAMP_MARGIN => {
                return Err(StoreError::StillInFlight.into());
            }
            None => {
                let replaces = Some(id).filter(|_| named);
                let id = key_alias(run, self.key, account, replaces).await?;
                self.state = State::New { id, named: true };
            }
        }
        Ok(true)
    }
}

/// Runs operations of one account: of those that had not happened before, all or none.
async fn together(
    run: &Run<'_>,
    account: &AccountId,
    mut members: Vec<Member<'_>>,
) -> Result<Vec<Receipted>, BatchFailure> {
    catch_up(run, &mut members).await?;
    let mut known = None;
    let mut route = Route::Fast;
    for tried in 0..TRIES {
        // An operation on a hold needs the hold as it is; every other operation is tried without a
        // read.
        let about_hold = |member: &Member<'_>| member.request.ask.hold().is_some();
        if known.is_none() && members.iter().any(about_hold) {
            known = retried(run, || run.context.store.account(account)).await?.map(Box::new);
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
        let attempts: Vec<Attempt<'_>> = members.iter().filter_map(Member::attempt).collect();
        if attempts.is_empty() {
            break;
        }
        let held = known.as_ref().map(|loaded| &loaded.account);
        if let Some(change) = operation::change(&attempts, held, now, route) {
            known = match run.context.store.commit_in(&Write::account(change), &run.in_flight).await
            {
                Ok(Outcome::Done(Some(after))) => {
                    let count = attempts.len();
                    for member in &mut members {
                        let Some(id) = member.id() else { continue };
                        let found = after.account.find(&id).ok_or_else(|| lost(account))?;
                        member.state = State::Done(Box::new(Receipted { found, replayed: false }));
                    }
                    archive_if_due(run, *after, count).await;
                    return Ok(receipts(run, members));
                }
                Ok(Outcome::AccountRefused(refused)) => refused,
                Ok(_) => unreachable!("an update is done or refused"),
                Err(StoreError::Retryable(cause)) => {
                    again(run, tried, StoreError::Retryable(cause)).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
        }
        let refused = known.as_ref().map(|loaded| &loaded.account);
        match operation::resume(&attempts, refused, run.catalog, now, route) {
            Next::Happened(found) => found.into_iter().try_for_each(|found| {
                let id = found.entry.id;
                take(&mut members, |member| member.id() == Some(id), found)
            })?,
            Next::Refuse(refusal) => return Err(run.refuse(refusal).into()),
            Next::Explain(hold) => {
                let refusal = how_it_ended(run, account, &hold).await?;
                return Err(run.refuse(refusal).into());
            }
            Next::LookUp { after, route: looked_up } => {
                let ids: Vec<OperationId> = attempts.iter().map(|attempt| attempt.id).collect();
                for id in ids {
                    if let Some(found) = look_up(run, account, &id, after).await? {
                        take(&mut members, |member| member.id() == Some(id), found)?;
                    }
                }
                route = looked_up;
            }
            Next::Advance => advance_now(run, known.take().as_deref()).await?,
            Next::Archive => archive_now(run, known.take().as_deref()).await?,
            Next::Retry => wait(run, tried).await,
        }
    }
    match members.iter().all(|member| member.id().is_none()) {
        true => Ok(receipts(run, members)),
        false => Err(StoreError::Exhausted { tries: TRIES }.into()),
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
fn take(
    members: &mut [Member<'_>],
    is_its: impl Fn(&Member<'_>) -> bool,
    found: PostedEntry,
) -> Result<(), BatchFailure> {
    match members.iter().position(is_its) {
        None => Ok(()),
        Some(index) => {
            let happened = members[index].happened(found);
            happened.map_err(|failure| BatchFailure { index: Some(index), failure })
        }
    }
}

/// The receipts of all members, in their order. Every member is done.
fn receipts(run: &Run<'_>, members: Vec<Member<'_>>) -> Vec<Receipted> {
    let receipts = members.into_iter().filter_map(|member| match member.state {
        State::Done(receipted) => Some(*receipted),
        State::New { .. } => None,
    });
    receipts.inspect(|receipted| receipted.count(&run.context.metrics)).collect()
}

/// The id for which a key has an alias; a new one if the key has no alias, or has the one to
/// replace.
async fn key_alias(
    run: &Run<'_>,
    key: &Key,
    account: &AccountId,
    replaces: Option<OperationId>,
) -> Result<OperationId, Failure> {
    until_known(run, || async {
        let id = run.context.entropy.mint(run.context.clock.now());
        let name = KeyAlias { account: account.clone(), key: key.clone(), id, replaces };
        Ok(match run.context.store.commit(&operation::key_alias(name)).await? {
            Outcome::Done(_) => Some(id),
            Outcome::RowRefused(_, Some(Row::KeyAlias(there))) => Some(there.id),
            _ => None,
        })
    })
    .await
}

/// The price of a request. If the catalog no longer sells the action, the price is the one charged,
/// if the operation happened.
async fn price_of(run: &Run<'_>, key: &Key, request: &Request) -> Result<Price, Failure> {
    let catalog = run.catalog.version;
    let Some(charge) = request.ask.charge() else {
        return Ok(Price { credits: Credits::ZERO, action: None, catalog });
    };
    let refusal = match debit::price(charge, run.catalog) {
        Ok(price) => return Ok(price),
        Err(refusal) => refusal,
    };
    let known = charge.action().and_then(|action| run.catalog.actions.get(action));
    let Some(known) = known else { return Err(refusal.into()) };
    let name = run.context.store.name(&request.account, key).await?.map(|name| name.id);
    for id in [key.id(), name].into_iter().flatten() {
        if let Some(found) = seen(run, &request.account, &id).await? {
            let credits = -found.entry.available;
            return Ok(Price { credits, action: Some(known.number), catalog });
        }
    }
    Err(refusal.into())
}
