//! An operator's operation carried through: its receipt and its change in one transaction.

use super::upkeep::{page_if_due, page_now, settle_now};
use super::{Answer, Failure, Receipted, Run, TRIES, again, lost, wait};
use crate::decide::{AccountChange, Change, Guard, Receipt, Step, page};
use crate::domain::{Account, AccountId, Catalog, Instant, Key, OperationId, Refusal};
use crate::store::{Outcome, StoreError};
use crate::world::World;

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
    until_known(run, || try_receipted(run, account, key, content, make)).await
}

/// Tries until the outcome is known. A try without one: something came in between.
pub(super) async fn until_known<F>(run: &Run<'_>, mut attempt: impl FnMut() -> F) -> Answer
where
    F: Future<Output = Result<Option<Receipted>, Failure>>,
{
    for tried in 0..TRIES {
        match attempt().await {
            Ok(Some(receipted)) => {
                receipted.count(&run.world.metrics);
                return Ok(receipted);
            }
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
pub(super) async fn happened(
    run: &Run<'_>,
    receipt: &Receipt,
    content: &str,
    replayed: bool,
) -> Answer {
    if receipt.content != content {
        return Err(Refusal::OperationReused.into());
    }
    let loaded = run.world.store.account(&receipt.account).await?;
    let found = loaded.as_ref().and_then(|loaded| loaded.account.find(&receipt.id));
    if let Some(loaded) = loaded {
        page_if_due(run, loaded, 1).await;
    }
    let found = match found {
        Some(found) => Some(found),
        None => run.world.store.look_up(&receipt.account, &receipt.id, 0).await?,
    };
    let found = found.ok_or_else(|| lost(&receipt.account))?;
    Ok(Receipted { found, replayed })
}
