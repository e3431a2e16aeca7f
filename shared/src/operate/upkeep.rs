//! What an account needs in between: look-ups, settles and pages.

use super::{Failure, Run, retried};
use crate::decide::{Change, page, settle};
use crate::domain::ledger::Placed;
use crate::domain::{AccountId, OperationId};
use crate::store::{Loaded, Outcome, StoreError};

/// The operation wherever it is: in the account or in its pages.
pub(super) async fn seen(
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

pub(super) async fn look_up(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
    after: u64,
) -> Result<Option<Placed>, StoreError> {
    retried(run, || run.world.store.look_up(account, id, after)).await
}

/// Settles; losing to somebody else is as good.
pub(super) async fn settle_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    let change = settle::change(&loaded.account, run.catalog, run.world.clock.now())?;
    match run.world.store.commit(&Change::Account(change)).await {
        Ok(Outcome::Done(Some(after))) => page_if_due(run, *after).await,
        Ok(_) | Err(StoreError::Again(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub(super) async fn page_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    match write_page(run, loaded, loaded.account.recent.len() / 2).await {
        Ok(()) | Err(StoreError::Again(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the page that is due, if one is. Its failure does not change the reply: the entries are
/// in the account, and somebody else will move them.
pub(super) async fn page_if_due(run: &Run<'_>, loaded: Loaded) {
    let count = page::due(&loaded.weight);
    if count == 0 {
        return;
    }
    if let Err(error) = write_page(run, &loaded, count).await {
        let account = loaded.account.id.as_str();
        tracing::warn!(account, error = %error, "a page was not written; the next caller will");
    }
}

pub(super) async fn write_page(
    run: &Run<'_>,
    loaded: &Loaded,
    count: usize,
) -> Result<(), StoreError> {
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
