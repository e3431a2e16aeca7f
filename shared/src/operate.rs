//! Operations carried through: commit, and where the account refuses, what `decide` says comes next.
//!
//! Every loop here is bounded, waits before it tries the same again, and ends in an answer that is
//! known, or in one that says it is not.

use std::time::Duration;

use crate::decide::debit::{self, Attempt, Debit, Next, Price, Route};
use crate::decide::{
    self, AHEAD, AccountChange, Change, Guard, MARGIN, Name, Receipt, Step, WINDOW, page, settle,
};
use crate::domain::instant::Span;
use crate::domain::ledger::Placed;
use crate::domain::{Account, AccountId, Catalog, Instant, Key, OperationId, Refusal};
use crate::store::{Doubt, Loaded, Outcome, StoreError};
use crate::world::World;

/// How often an operation is tried at most.
const TRIES: usize = 16;
/// For how long new tries are begun. With the last call's own 5 s it ends before the 15 s after which
/// Lambda would cut it off without an answer.
const PATIENCE: Span = Span::from_s(8);
/// The wait after the nth try is drawn from 0 to this, doubled each time up to the longest.
const SHORTEST_WAIT_MS: u64 = 5;
const LONGEST_WAIT_MS: u64 = 250;

/// Why an operation has no receipt.
#[derive(Debug)]
pub enum Failure {
    Refusal(Refusal),
    Store(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refusal(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

impl From<decide::Fault> for Failure {
    fn from(fault: decide::Fault) -> Failure {
        Failure::Store(StoreError::Fault(fault))
    }
}

/// An operation that happened: its entry, and whether it happened before this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    pub found: Placed,
    pub replayed: bool,
}

type Answer = Result<Receipted, Failure>;

/// One request being carried through.
struct Run<'a> {
    world: &'a World,
    catalog: &'a Catalog,
    began: Instant,
    doubt: Doubt,
}

impl<'a> Run<'a> {
    fn begin(world: &'a World, catalog: &'a Catalog) -> Run<'a> {
        Run { world, catalog, began: world.clock.now(), doubt: Doubt::default() }
    }
}

impl Run<'_> {
    /// A refusal has no effect, so it is not answered while an attempt that was given up may still
    /// arrive and have one: then the outcome is not known.
    fn refuse(&self, refusal: Refusal) -> Failure {
        match self.doubt.is_raised() {
            true => StoreError::OnItsWay.into(),
            false => refusal.into(),
        }
    }
}

// ---------------------------------------------------------------- debit

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

// ---------------------------------------------------------------- operations of an operator

/// What an operator's operation makes of an account, at an instant and with a new id.
pub type Make<'a> =
    dyn Fn(Option<&Account>, Instant, OperationId) -> Result<Made, Refusal> + Send + Sync + 'a;

/// A change to be committed together with its receipt.
pub enum Made {
    Open(Box<Account>),
    Change(AccountChange),
}

/// Does an operator's operation, once for the key: its receipt and its change in one transaction.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn receipted(
    world: &World,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    content: &str,
    make: &Make<'_>,
) -> Answer {
    let run = &Run::begin(world, catalog);
    for tried in 0..TRIES {
        match try_receipted(run, account, key, content, make).await {
            Ok(Some(receipted)) => return Ok(receipted),
            Ok(None) => wait(run, tried).await,
            Err(Failure::Store(StoreError::Again(cause))) => {
                again(run, tried, StoreError::Again(cause)).await?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(StoreError::Exhausted { tries: TRIES }.into())
}

/// One try. None: something came in between; try again.
async fn try_receipted(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    content: &str,
    make: &Make<'_>,
) -> Result<Option<Receipted>, Failure> {
    // Looked at first: an operation that happened is answered, whatever is refused by now.
    if let Some(receipt) = run.world.store.receipt(account, key).await? {
        return happened(run, &receipt, content, true).await.map(Some);
    }
    let loaded = run.world.store.account(account).await?;
    let now = run.world.clock.now();
    let id = run.world.entropy.mint(now);
    let before = loaded.as_ref().map(|loaded| &loaded.account);
    let receipt =
        Receipt { account: account.clone(), key: key.clone(), id, content: content.to_owned() };
    let change = match make(before, now, id).map_err(|refusal| run.refuse(refusal))? {
        Made::Open(mut opened) => {
            opened.recent.iter_mut().for_each(|entry| entry.key = Some(key.as_str().to_owned()));
            Change::Open(receipt.clone(), opened)
        }
        Made::Change(mut change) => {
            for step in &mut change.then {
                if let Step::Append(entry) = step {
                    entry.key = Some(key.as_str().to_owned());
                }
            }
            if let Some(loaded) = &loaded {
                if change.when.contains(&Guard::ValidAt(now)) && loaded.account.valid_until <= now {
                    settle_now(run, Some(loaded)).await?;
                    return Ok(None);
                }
                if loaded.account.recent.len() >= page::CAPACITY {
                    page_now(run, Some(loaded)).await?;
                    return Ok(None);
                }
            }
            Change::Receipted(receipt.clone(), change)
        }
    };
    match run.world.store.commit_in(&change, &run.doubt).await? {
        Outcome::Done(_) => happened(run, &receipt, content, false).await.map(Some),
        Outcome::ReceiptExists(there) => happened(run, &there, content, true).await.map(Some),
        _ => Ok(None),
    }
}

/// The entry of a receipt. A transaction returns nothing, so the account is read.
async fn happened(run: &Run<'_>, receipt: &Receipt, content: &str, replayed: bool) -> Answer {
    if receipt.content != content {
        return Err(Refusal::OperationReused.into());
    }
    let loaded = run.world.store.account(&receipt.account).await?;
    let found = loaded.as_ref().and_then(|loaded| loaded.account.find(&receipt.id));
    if let Some(loaded) = loaded {
        page_if_due(run, loaded).await;
    }
    let found = match found {
        Some(found) => Some(found),
        None => run.world.store.look_up(&receipt.account, &receipt.id, 0).await?,
    };
    let found = found.ok_or_else(|| lost(&receipt.account))?;
    Ok(Receipted { found, replayed })
}

// ---------------------------------------------------------------- what an account needs in between

/// The operation wherever it is: in the account or in its pages.
async fn seen(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
) -> Result<Option<Placed>, StoreError> {
    // The account first: what leaves it in between is in a page by then.
    let loaded = retried(run, || run.world.store.account(account)).await?;
    match loaded.and_then(|loaded| loaded.account.find(id)) {
        Some(found) => Ok(Some(found)),
        None => look_up(run, account, id, 0).await,
    }
}

async fn look_up(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
    after: u64,
) -> Result<Option<Placed>, StoreError> {
    retried(run, || run.world.store.look_up(account, id, after)).await
}

/// Settles; losing to somebody else is as good.
async fn settle_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    let change = settle::change(&loaded.account, run.catalog, run.world.clock.now())?;
    match run.world.store.commit(&Change::Account(change)).await {
        Ok(Outcome::Done(Some(after))) => page_if_due(run, *after).await,
        Ok(_) | Err(StoreError::Again(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn page_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    match write_page(run, loaded, loaded.account.recent.len() / 2).await {
        Ok(()) | Err(StoreError::Again(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the page that is due, if one is. Its failure does not change the reply: the entries are
/// in the account, and somebody else will move them.
async fn page_if_due(run: &Run<'_>, loaded: Loaded) {
    let count = page::due(&loaded.weight);
    if count == 0 {
        return;
    }
    if let Err(error) = write_page(run, &loaded, count).await {
        let account = loaded.account.id.as_str();
        tracing::warn!(account, error = %error, "a page was not written; the next caller will");
    }
}

async fn write_page(run: &Run<'_>, loaded: &Loaded, count: usize) -> Result<(), StoreError> {
    let account = &loaded.account;
    let Some(page) = page::page(account, &loaded.weight, count) else {
        return Ok(());
    };
    let there = match run.world.store.commit(&Change::Page(page.clone())).await? {
        Outcome::PageExists(there) => there,
        _ => page,
    };
    let Some(trim) = page::trim(account, &there) else {
        // Either somebody trimmed and paged on since we read, or the ledger contradicts the
        // account. The first shows in the account; the second must be seen by a person.
        let now = run.world.store.account(&account.id).await?;
        if now.is_some_and(|now| now.account.paged == account.paged) {
            let (account, page) = (account.id.as_str(), there.first);
            tracing::error!(account, page, "a page differs from the entries it should hold");
        }
        return Ok(());
    };
    run.world.store.commit(&Change::Account(trim)).await?;
    Ok(())
}

// ---------------------------------------------------------------- patience

async fn retried<T, F>(run: &Run<'_>, mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for tried in 0..TRIES {
        match read().await {
            Err(StoreError::Again(cause)) => again(run, tried, StoreError::Again(cause)).await?,
            done => return done,
        }
    }
    Err(StoreError::Exhausted { tries: TRIES })
}

/// Waits before the next try; after the last one returns the error that caused it.
async fn again(run: &Run<'_>, tried: usize, error: StoreError) -> Result<(), StoreError> {
    if tried + 1 == TRIES || run.world.clock.now() - run.began > PATIENCE {
        return Err(error);
    }
    wait(run, tried).await;
    Ok(())
}

async fn wait(run: &Run<'_>, tried: usize) {
    let longest = (SHORTEST_WAIT_MS << tried.min(16)).min(LONGEST_WAIT_MS);
    tokio::time::sleep(Duration::from_millis(run.world.entropy.below(longest + 1))).await;
}

fn lost(account: &AccountId) -> StoreError {
    let problem = "an operation that was written is not in the ledger".to_owned();
    StoreError::Fault(decide::Fault::Account { account: account.to_string(), problem })
}
