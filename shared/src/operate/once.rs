//! A debit carried through: by its id, or by the id that its name stands for.

use super::upkeep::{look_up, page_if_due, page_now, seen, settle_now};
use super::{Answer, Failure, Receipted, Run, TRIES, again, lost, wait};
use crate::decide::debit::{self, Attempt, Debit, Next, Price, Route};
use crate::decide::{AHEAD, Change, MARGIN, Name, WINDOW};
use crate::domain::ledger::Placed;
use crate::domain::{Catalog, Instant, Key, Refusal};
use crate::store::{Outcome, StoreError};
use crate::world::World;

/// Debits an account, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn debit(world: &World, catalog: &Catalog, key: &Key, debit: &Debit) -> Answer {
    let run = &Run::begin(world, catalog);
    let price = match debit::price(&debit.charge, run.catalog) {
        Ok(price) => price,
        Err(refusal) => return replay_unpriced(run, key, debit, refusal).await,
    };
    if let Some(id) = key.id() {
        let attempt = Attempt { debit, price, id, key: key.shown() };
        if let Some(receipted) = ordinary(run, &attempt).await? {
            return Ok(receipted);
        }
    }
    named(run, key, debit, price).await
}

/// The ordinary way: by an id. None if the id is so old that it can never be applied by itself any
/// more: then it is taken like any other string.
async fn ordinary(run: &Run<'_>, attempt: &Attempt<'_>) -> Result<Option<Receipted>, Failure> {
    let Attempt { debit, id, .. } = *attempt;
    let mut route = Route::Fast;
    for tried in 0..TRIES {
        let now = run.world.clock.now();
        if id.time() > now + AHEAD {
            let problem = "is dated more than 5 s in the future";
            return Err(Refusal::invalid("Idempotency-Key", problem).into());
        }
        if now - id.time() > WINDOW {
            return aged(run, attempt, now).await;
        }
        let change = Change::Account(debit::change(attempt, now, route));
        let refused = match run.world.store.commit_in(&change, &run.doubt).await {
            Ok(Outcome::Done(Some(after))) => {
                let found = after.account.find(&id);
                page_if_due(run, *after).await;
                let found = found.ok_or_else(|| lost(&debit.account))?;
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
        let account = refused.as_ref().map(|loaded| &loaded.account);
        match debit::resume(attempt, account, run.catalog, now, route) {
            Next::Replay(found) => return Ok(Some(Receipted { found, replayed: true })),
            Next::Refuse(refusal) => return Err(run.refuse(refusal)),
            Next::LookUp { after, route: looked_up } => {
                if let Some(found) = look_up(run, &debit.account, &id, after).await? {
                    return settled_replay(attempt, found).map(Some);
                }
                route = looked_up;
            }
            Next::Settle => settle_now(run, refused.as_deref()).await?,
            Next::Page => page_now(run, refused.as_deref()).await?,
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
    let Attempt { debit, id, .. } = *attempt;
    match seen(run, &debit.account, &id).await? {
        Some(found) => settled_replay(attempt, found).map(Some),
        None if now - id.time() <= WINDOW + MARGIN => Err(StoreError::OnItsWay.into()),
        None => Ok(None),
    }
}

/// By a name: the key stands for an id that was minted for it, for ever.
async fn named(run: &Run<'_>, key: &Key, debit: &Debit, price: Price) -> Answer {
    let mut replaces = None;
    for tried in 0..TRIES {
        let id = run.world.entropy.mint(run.world.clock.now());
        let account = debit.account.clone();
        let name = Name { account, key: key.clone(), id, replaces };
        let id = match run.world.store.commit(&Change::Name(name)).await {
            Ok(Outcome::Done(_)) => id,
            Ok(Outcome::NameExists(there)) => there.id,
            Ok(_) => unreachable!("a name is done or exists"),
            Err(StoreError::Again(cause)) => {
                again(run, tried, StoreError::Again(cause)).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let attempt = Attempt { debit, price, id, key: Some(key.as_str()) };
        match ordinary(run, &attempt).await? {
            Some(receipted) => return Ok(receipted),
            None => replaces = Some(id),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// What the catalog does not sell any more is still answered if it happened.
async fn replay_unpriced(run: &Run<'_>, key: &Key, debit: &Debit, refusal: Refusal) -> Answer {
    let debit::Charge::Action { action, .. } = &debit.charge else {
        return Err(refusal.into());
    };
    let Some(known) = run.catalog.actions.get(action) else {
        return Err(refusal.into());
    };
    let name = run.world.store.name(&debit.account, key).await?.map(|name| name.id);
    for id in [key.id(), name].into_iter().flatten() {
        if let Some(found) = seen(run, &debit.account, &id).await? {
            let credits = -found.entry.available;
            let price = Price { credits, action: Some(known.number), catalog: run.catalog.version };
            let attempt = Attempt { debit, price, id, key: Some(key.as_str()) };
            return settled_replay(&attempt, found);
        }
    }
    Err(refusal.into())
}

fn settled_replay(attempt: &Attempt<'_>, found: Placed) -> Answer {
    match debit::replay(attempt, found) {
        Next::Refuse(refusal) => Err(refusal.into()),
        Next::Replay(found) => Ok(Receipted { found, replayed: true }),
        _ => unreachable!("what happened replays or was reused"),
    }
}
