//! Limits of an account's own: each change is one transaction with its entry.

use super::maintenance::make_ready;
use super::operator::{commit_receipted, counted, happened};
use super::{Answer, Receipted, Run};
use crate::context::Context;
use crate::decide::IdempotencyRecord;
use crate::decide::own_limit::{self, LimitRequest};
use crate::domain::{AccountId, Catalog, Key, KeySpace, Refusal};
use crate::failure::Failure;

/// Who changes a limit: a customer by the subject of the session, or the company by a principal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changer<'a> {
    pub user: Option<&'a str>,
    pub actor: Option<&'a str>,
}

/// Sets or removes a limit of an account's own, once for the key of this space.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`](crate::store::StoreError) if the outcome is not known.
pub async fn set(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    (space, key): (KeySpace, &Key),
    request: &LimitRequest,
    by: Changer<'_>,
) -> Answer {
    let run = &Run::begin(context, catalog);
    counted(run, || try_set(run, account, (space, key), request, by)).await
}

/// One try. None: another write came in between; try again.
async fn try_set(
    run: &Run<'_>,
    account: &AccountId,
    (space, key): (KeySpace, &Key),
    request: &LimitRequest,
    by: Changer<'_>,
) -> Result<Option<Receipted>, Failure> {
    let content = request.content();
    if let Some(receipt) = run.context.store.receipt(account, space, key).await? {
        return happened(run, &receipt, &content, true).await.map(Some);
    }
    let loaded = run.context.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))?;
    let own = run.context.store.limits_of(&loaded.account).await?;
    let now = run.context.clock.now();
    let id = run.context.entropy.own(now);
    let by = (id, by.user, by.actor);
    let write = own_limit::change(&loaded.account, &own, request, by, run.catalog, now);
    let mut write = write.map_err(|refusal| run.refuse(refusal))?;
    if let Some(change) = &mut write.account {
        change.keyed(key);
        if !make_ready(run, &loaded, change, now).await? {
            return Ok(None);
        }
    }
    let (account, key) = (account.clone(), key.clone());
    let receipt = IdempotencyRecord { account, space, key, id, content };
    commit_receipted(run, receipt, write).await
}
