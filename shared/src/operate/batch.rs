//! A batch carried through: debits that happened already count as done, the others happen together.

use super::once::{Resolved, price_of, resolve, settled_replay};
use super::upkeep::{look_up, page_if_due, page_now, settle_now};
use super::{Failure, Receipted, Run, TRIES, again, lost, wait};
use crate::decide::debit::Price;
use crate::decide::once::{Attempt, Request, Route};
use crate::decide::page::CAPACITY;
use crate::decide::{Change, WINDOW, batch, debit};
use crate::domain::{AccountId, Catalog, Key, Refusal};
use crate::store::{Outcome, StoreError};
use crate::world::World;

/// Why a batch has no receipts, and which of its debits is the reason, if it is one of them.
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

/// One debit on its way.
struct Item<'a> {
    key: &'a Key,
    request: &'a Request,
    price: Price,
    state: Resolved,
}

impl Item<'_> {
    fn attempt(&self) -> Option<Attempt<'_>> {
        match &self.state {
            Resolved::Found(_) => None,
            Resolved::New(id) => {
                let key = Some(self.key.as_str()).filter(|key| *key != id.to_string());
                Some(Attempt { request: self.request, price: self.price, id: *id, key })
            }
        }
    }

    /// Takes what happened before as done, if it is the same request.
    fn done(&mut self, index: usize, receipted: Receipted) -> Result<(), BatchFailure> {
        let Resolved::New(id) = self.state else { return Ok(()) };
        let attempt = Attempt { request: self.request, price: self.price, id, key: None };
        let failed = |failure| BatchFailure { index: Some(index), failure };
        let replayed = match receipted.replayed {
            true => settled_replay(&attempt, receipted.found).map_err(failed)?,
            false => receipted,
        };
        self.state = Resolved::Found(Box::new(replayed));
        Ok(())
    }
}

/// Debits an account for all of `debits`, each once for its key.
///
/// # Errors
/// [`BatchFailure`]: nothing of what had not happened before has happened, or, of a [`StoreError`],
/// it is not known.
pub async fn batch(
    world: &World,
    catalog: &Catalog,
    account: &AccountId,
    debits: &[(Key, Request)],
) -> Result<Vec<Receipted>, BatchFailure> {
    let run = &Run::begin(world, catalog);
    let mut items = Vec::with_capacity(debits.len());
    for (index, (key, request)) in debits.iter().enumerate() {
        let failed = |failure| BatchFailure { index: Some(index), failure };
        let price = price_of(run, key, request).await.map_err(failed)?;
        let state = resolve(run, key, request, price).await.map_err(failed)?;
        items.push(Item { key, request, price, state });
    }
    // A UUID and the ULID of the same bits are one id.
    for (index, item) in items.iter().enumerate() {
        let Resolved::New(id) = item.state else { continue };
        let same = |other: &Item<'_>| matches!(other.state, Resolved::New(known) if known == id);
        if items[..index].iter().any(same) {
            let failure = Refusal::invalid("id", "is repeated").into();
            return Err(BatchFailure { index: Some(index), failure });
        }
    }
    let mut route = Route::Fast;
    for tried in 0..TRIES {
        let now = run.world.clock.now();
        for (index, item) in items.iter_mut().enumerate() {
            // While we tried, its id came of age.
            if matches!(item.state, Resolved::New(id) if now - id.time() > WINDOW) {
                let state = resolve(run, item.key, item.request, item.price).await;
                item.state =
                    state.map_err(|failure| BatchFailure { index: Some(index), failure })?;
            }
        }
        let attempts: Vec<Attempt<'_>> = items.iter().filter_map(Item::attempt).collect();
        let Some(change) = batch::join(&attempts, now, route) else {
            return Ok(receipts(run, items));
        };
        let (count, total) = (attempts.len(), batch::total(&attempts));
        let refused = match run.world.store.commit_in(&Change::Account(change), &run.doubt).await {
            Ok(Outcome::Done(Some(after))) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let Resolved::New(id) = item.state else { continue };
                    let found = after.account.find(&id).ok_or_else(|| lost(account))?;
                    item.done(index, Receipted { found, replayed: false })?;
                }
                page_if_due(run, *after, count).await;
                return Ok(receipts(run, items));
            }
            Ok(Outcome::Refused(refused)) => refused,
            Ok(_) => unreachable!("an update is done or refused"),
            Err(StoreError::Again(cause)) => {
                again(run, tried, StoreError::Again(cause)).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(loaded) = refused else {
            return Err(run.refuse(Refusal::AccountNotFound).into());
        };
        let refusing = &loaded.account;
        // As for one debit, in the same order: what happened, what may be in a page, time, room.
        let mut seen = false;
        for (index, item) in items.iter_mut().enumerate() {
            let Resolved::New(id) = item.state else { continue };
            if let Some(found) = refusing.find(&id) {
                item.done(index, Receipted { found, replayed: true })?;
                seen = true;
            }
        }
        if seen {
            continue;
        }
        let unseen_from = match route {
            Route::Fast => attempts_below(&items, refusing.floor).then_some(0),
            Route::LookedUp(seq) => (refusing.paged > seq).then_some(seq),
        };
        if let Some(after) = unseen_from {
            for (index, item) in items.iter_mut().enumerate() {
                let Resolved::New(id) = item.state else { continue };
                if let Some(found) = look_up(run, account, &id, after).await? {
                    item.done(index, Receipted { found, replayed: true })?;
                }
            }
            route = Route::LookedUp(refusing.seq);
            continue;
        }
        if refusing.valid_until <= now {
            settle_now(run, Some(&loaded)).await.map_err(BatchFailure::from)?;
            continue;
        }
        if refusing.recent.len() + count > CAPACITY {
            page_now(run, Some(&loaded)).await.map_err(BatchFailure::from)?;
            continue;
        }
        match debit::refusal(refusing, total, run.catalog, now) {
            Some(Refusal::InsufficientCredits { .. })
                if refusing.holds.values().any(|held| held.is_over(now)) =>
            {
                settle_now(run, Some(&loaded)).await.map_err(BatchFailure::from)?;
            }
            Some(refusal) => return Err(run.refuse(refusal).into()),
            None => wait(run, tried).await,
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// All of them, done.
fn receipts(run: &Run<'_>, items: Vec<Item<'_>>) -> Vec<Receipted> {
    let receipts = items.into_iter().filter_map(|item| item.state.found());
    receipts.inspect(|receipted| receipted.count(&run.world.metrics)).collect()
}

/// Whether one of those on their way may have left for a page.
fn attempts_below(items: &[Item<'_>], floor: crate::domain::Instant) -> bool {
    items.iter().any(|item| matches!(item.state, Resolved::New(id) if id.time() <= floor))
}
