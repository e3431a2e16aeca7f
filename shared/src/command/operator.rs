//! An operator's operations: the idempotency record and the change in one transaction.

use super::maintenance::{make_ready, tidy};
use super::{Answer, Receipted, Run, known, lost, until_known};
use crate::context::Context;
use crate::decide::{Expect, IdempotencyRecord, Made, Row, RowWrite, Write};
use crate::domain::{Account, AccountId, Catalog, Instant, Key, KeySpace, OperationId, Refusal};
use crate::failure::Failure;
use crate::store::Outcome;

/// The change that an operator's operation makes to an account, at an instant and with a new id.
pub type Make<'a> =
    dyn Fn(Option<&Account>, Instant, OperationId) -> Result<Made, Refusal> + Send + Sync + 'a;

/// Runs an operator's operation, once for the key of this space: its idempotency record and its
/// change in one transaction.
///
/// # Errors
/// [`Failure`]: a refusal, or that the outcome is not known.
pub async fn receipted(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    space: KeySpace,
    key: &Key,
    content: &str,
    make: &Make<'_>,
) -> Answer {
    let run = &Run::begin(context, catalog);
    counted(run, || try_receipted(run, account, space, key, content, make)).await
}

/// Tries an operation until its outcome is known, and counts it.
pub(super) async fn counted<F>(run: &Run<'_>, attempt: impl FnMut() -> F) -> Answer
where
    F: Future<Output = Result<Option<Receipted>, Failure>>,
{
    let receipted = until_known(run, attempt).await?;
    receipted.count(&run.context.metrics);
    Ok(receipted)
}

/// One try. None: another write came in between; try again.
async fn try_receipted(
    run: &Run<'_>,
    account: &AccountId,
    space: KeySpace,
    key: &Key,
    content: &str,
    make: &Make<'_>,
) -> Result<Option<Receipted>, Failure> {
    // Read first: an operation that happened is answered, even if it would be refused now.
    if let Some(receipt) = run.context.store.receipt(account, space, key).await? {
        return happened(run, &receipt, content, true).await.map(Some);
    }
    let loaded = run.context.store.account(account).await?;
    let now = run.context.clock.now();
    let id = run.context.entropy.own(now);
    let before = loaded.as_ref().map(|loaded| &loaded.account);
    let receipt = |id| IdempotencyRecord {
        account: account.clone(),
        space,
        key: key.clone(),
        id,
        content: content.to_owned(),
    };
    let made = make(before, now, id).map_err(|refusal| run.refuse(refusal))?;
    let (made, row) = made.parts();
    let rows = row.into_iter().collect();
    let mut made = match made {
        Ok(made) => made,
        Err(entry) => {
            return commit_receipted(run, receipt(entry), Write { account: None, rows }).await;
        }
    };
    made.keyed(key);
    if let Some(loaded) = &loaded
        && !make_ready(run, loaded, &made, now).await?
    {
        return Ok(None);
    }
    commit_receipted(run, receipt(id), Write { account: Some(made), rows }).await
}

/// Commits a change with its idempotency record: both, or neither. None: another write came in
/// between; try again.
pub(super) async fn commit_receipted(
    run: &Run<'_>,
    receipt: IdempotencyRecord,
    mut write: Write,
) -> Result<Option<Receipted>, Failure> {
    let content = receipt.content.clone();
    write.rows.insert(0, RowWrite::Put(Row::IdempotencyRecord(receipt.clone()), Expect::Absent));
    match run.context.store.commit_in(&write, &run.in_flight).await? {
        Outcome::Done(_) => happened(run, &receipt, &content, false).await.map(Some),
        Outcome::RowRefused(_, Some(Row::IdempotencyRecord(there))) => {
            happened(run, &there, &content, true).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The entry of an idempotency record. A transaction returns no items, so the account is read.
pub(super) async fn happened(
    run: &Run<'_>,
    receipt: &IdempotencyRecord,
    content: &str,
    replayed: bool,
) -> Answer {
    if receipt.content != content {
        return Err(Refusal::OperationReused.into());
    }
    let loaded = run.context.store.account(&receipt.account).await?;
    let found = loaded.as_ref().and_then(|loaded| loaded.account.find(&receipt.id));
    if let Some(loaded) = loaded {
        tidy(run, loaded).await;
    }
    let found = match found {
        Some(found) => Some(found),
        None => run.context.store.look_up(&receipt.account, &receipt.id, 0).await?,
    };
    let found = found.ok_or_else(|| lost(&receipt.account))?;
    known(&receipt.account, &found)?;
    Ok(Receipted { found, replayed })
}
