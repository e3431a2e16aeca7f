//! What a service asks for, carried through: by its id, or by the id that its name stands for.

use super::upkeep::{how_it_ended, look_up, page_if_due, page_now, seen, settle_now};
use super::{Answer, Failure, Receipted, Run, TRIES, again, lost, retried, wait};
use crate::decide::debit::{self, Price};
use crate::decide::once::{self, Attempt, Next, Request, Route};
use crate::decide::{AHEAD, Change, MARGIN, Name, WINDOW};
use crate::domain::ledger::Placed;
use crate::domain::{AccountId, Catalog, Credits, Instant, Key, OperationId, Refusal};
use crate::store::{Outcome, StoreError};
use crate::world::World;

/// Does what a service asks of an account, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn once(world: &World, catalog: &Catalog, key: &Key, request: &Request) -> Answer {
    let run = &Run::begin(world, catalog);
    let receipted = by_key(run, key, request).await?;
    receipted.count(&world.metrics);
    Ok(receipted)
}

async fn by_key(run: &Run<'_>, key: &Key, request: &Request) -> Answer {
    let price = price_of(run, key, request).await?;
    if let Some(id) = key.id() {
        let attempt = Attempt { request, price, id, key: key.shown() };
        if let Some(receipted) = ordinary(run, &attempt).await? {
            return Ok(receipted);
        }
    }
    named(run, key, request, price).await
}

/// The ordinary way: by an id. None if the id is so old that it can never be applied by itself any
/// more: then it is taken like any other string.
async fn ordinary(run: &Run<'_>, attempt: &Attempt<'_>) -> Result<Option<Receipted>, Failure> {
    let Attempt { request, id, .. } = *attempt;
    let account = &request.account;
    let mut known = None;
    let mut route = Route::Fast;
    for tried in 0..TRIES {
        // What is about a hold names it as it is; everything else is asked for without looking.
        if known.is_none() && request.ask.hold().is_some() {
            known = retried(run, || run.world.store.account(account)).await?.map(Box::new);
        }
        let now = run.world.clock.now();
        if id.time() > now + AHEAD {
            let problem = "is dated more than 5 s in the future";
            return Err(Refusal::invalid("Idempotency-Key", problem).into());
        }
        if now - id.time() > WINDOW {
            return aged(run, attempt, now).await;
        }
        let held = known.as_ref().map(|loaded| &loaded.account);
        if let Some(change) = once::change(attempt, held, now, route) {
            known = match run.world.store.commit_in(&Change::Account(change), &run.doubt).await {
                Ok(Outcome::Done(Some(after))) => {
                    let found = after.account.find(&id);
                    page_if_due(run, *after, 1).await;
                    let found = found.ok_or_else(|| lost(account))?;
                    return Ok(Some(Receipted { found, replayed: false }));
                }
                Ok(Outcome::Refused(refused)) => refused,
                Ok(_) => unreachable!("an update is done or refused"),
                Err(StoreError::Again(cause)) => {
                    again(run, tried, StoreError::Again(cause)).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
        }
        let refused = known.as_ref().map(|loaded| &loaded.account);
        match once::resume(attempt, refused, run.catalog, now, route) {
            Next::Replay(found) => {
                return Ok(Some(Receipted { found: *found, replayed: true }));
            }
            Next::Refuse(refusal) => return Err(run.refuse(refusal)),
            Next::Explain(hold) => {
                let refusal = how_it_ended(run, account, &hold).await?;
                return Err(run.refuse(refusal));
            }
            Next::LookUp { after, route: looked_up } => {
                if let Some(found) = look_up(run, account, &id, after).await? {
                    return settled_replay(attempt, found).map(Some);
                }
                route = looked_up;
            }
            Next::Settle => settle_now(run, known.take().as_deref()).await?,
            Next::Page => page_now(run, known.take().as_deref()).await?,
            Next::Again => wait(run, tried).await,
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// An id older than the window is answered if it happened. If not, an earlier attempt may still be
/// on its way for a while; after that, None: it can never be applied by itself any more.
async fn aged(
    run: &Run<'_>,
    attempt: &Attempt<'_>,
    now: Instant,
) -> Result<Option<Receipted>, Failure> {
    let Attempt { request, id, .. } = *attempt;
    match seen(run, &request.account, &id).await? {
        Some(found) => settled_replay(attempt, found).map(Some),
        None if now - id.time() <= WINDOW + MARGIN => Err(StoreError::OnItsWay.into()),
        None => Ok(None),
    }
}

/// By a name: the key stands for an id that was minted for it, for ever.
async fn named(run: &Run<'_>, key: &Key, request: &Request, price: Price) -> Answer {
    let mut replaces = None;
    for _ in 0..TRIES {
        let id = name(run, key, &request.account, replaces).await?;
        let attempt = Attempt { request, price, id, key: Some(key.as_str()) };
        match ordinary(run, &attempt).await? {
            Some(receipted) => return Ok(receipted),
            None => replaces = Some(id),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// The id that a key stands for; minted now if it stands for none, or for the one to replace.
async fn name(
    run: &Run<'_>,
    key: &Key,
    account: &AccountId,
    replaces: Option<OperationId>,
) -> Result<OperationId, StoreError> {
    for tried in 0..TRIES {
        let id = run.world.entropy.mint(run.world.clock.now());
        let name = Name { account: account.clone(), key: key.clone(), id, replaces };
        match run.world.store.commit(&Change::Name(name)).await {
            Ok(Outcome::Done(_)) => return Ok(id),
            Ok(Outcome::NameExists(there)) => return Ok(there.id),
            Ok(_) => unreachable!("a name is done or exists"),
            Err(StoreError::Again(cause)) => again(run, tried, StoreError::Again(cause)).await?,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES })
}

/// What is known of an operation before it is tried.
pub(super) enum Resolved {
    /// It happened.
    Found(Box<Receipted>),
    /// It may happen by this id.
    New(OperationId),
}

impl Resolved {
    pub(super) fn found(self) -> Option<Receipted> {
        match self {
            Resolved::Found(receipted) => Some(*receipted),
            Resolved::New(_) => None,
        }
    }
}

/// The id by which a request may happen now, or its first answer if its id is of age.
pub(super) async fn resolve(
    run: &Run<'_>,
    key: &Key,
    request: &Request,
    price: Price,
) -> Result<Resolved, Failure> {
    let (mut own, mut replaces) = (key.id(), None);
    for _ in 0..TRIES {
        let (id, named) = match own.take() {
            Some(id) => (id, false),
            None => (name(run, key, &request.account, replaces).await?, true),
        };
        let now = run.world.clock.now();
        if id.time() > now + AHEAD {
            return Err(Refusal::invalid("id", "is dated more than 5 s in the future").into());
        }
        if now - id.time() <= WINDOW {
            return Ok(Resolved::New(id));
        }
        let attempt = Attempt { request, price, id, key: Some(key.as_str()) };
        match aged(run, &attempt, now).await? {
            Some(receipted) => return Ok(Resolved::Found(Box::new(receipted))),
            None => replaces = Some(id).filter(|_| named),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// What a request costs. What the catalog does not sell any more has the price it had, if it happened.
pub(super) async fn price_of(
    run: &Run<'_>,
    key: &Key,
    request: &Request,
) -> Result<Price, Failure> {
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
    let name = run.world.store.name(&request.account, key).await?.map(|name| name.id);
    for id in [key.id(), name].into_iter().flatten() {
        if let Some(found) = seen(run, &request.account, &id).await? {
            let credits = -found.entry.available;
            return Ok(Price { credits, action: Some(known.number), catalog });
        }
    }
    Err(refusal.into())
}

pub(super) fn settled_replay(attempt: &Attempt<'_>, found: Placed) -> Answer {
    match once::replay(attempt, found) {
        Next::Refuse(refusal) => Err(refusal.into()),
        Next::Replay(found) => Ok(Receipted { found: *found, replayed: true }),
        _ => unreachable!("what happened replays or was reused"),
    }
}
