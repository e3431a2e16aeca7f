//! Revocations: finds out what grant it is, even if nothing is left of it.

use super::maintenance::{advance_now, make_ready, seen_in};
use super::operator::{commit_receipted, counted, happened};
use super::{Answer, Receipted, Run, known, retried};
use crate::context::Context;
use crate::decide::revoke::{self, RevokeRequest};
use crate::decide::{IdempotencyRecord, Write};
use crate::domain::{
    AccountId, Catalog, EntryKind, GrantId, GrantKind, Key, KeySpace, OperationId, Refusal,
};
use crate::failure::Failure;
use crate::store::{Loaded, StoreError};

/// Takes back what is free of one grant, once for the key.
///
/// # Errors
/// [`Refusal::GrantNotFound`], [`Refusal::GrantNotRevocable`], or a [`StoreError`] if the outcome
/// is not known.
pub async fn revoke(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    request: &RevokeRequest,
    actor: Option<&str>,
) -> Answer {
    let run = &Run::begin(context, catalog);
    counted(run, || try_revoke(run, account, key, request, actor)).await
}

/// One try. None: another write came in between; try again.
async fn try_revoke(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    request: &RevokeRequest,
    actor: Option<&str>,
) -> Result<Option<Receipted>, Failure> {
    let (content, space) = (request.content(), KeySpace::Operators);
    if let Some(receipt) = run.context.store.receipt(account, space, key).await? {
        return happened(run, &receipt, &content, true).await.map(Some);
    }
    let loaded = run.context.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))?;
    let kind = kind(run, &loaded, request.grant).await?;
    let kind = kind.ok_or_else(|| run.refuse(Refusal::GrantNotFound))?;
    if !kind.is_revocable() {
        return Err(run.refuse(Refusal::GrantNotRevocable));
    }
    run.context.may_advance()?;
    let now = run.context.clock.now();
    let id = run.context.entropy.own(now);
    let write = revoke::change(&loaded.account, request, kind, id, run.catalog, actor, now)?;
    let Some(mut write) = write else {
        advance_now(run, Some(&loaded)).await?;
        return Ok(None);
    };
    write.keyed(key);
    if !make_ready(run, &loaded, &write, now).await? {
        return Ok(None);
    }
    let (account, key) = (account.clone(), key.clone());
    let receipt = IdempotencyRecord { account, space, key, id, content };
    commit_receipted(run, receipt, Write::account(write)).await
}

/// The kind of a grant of the account, by its burn order; if the grant is used up or has expired,
/// by the entry or the order that its id names. None: there was none, as far as that tells.
async fn kind(
    run: &Run<'_>,
    loaded: &Loaded,
    grant: GrantId,
) -> Result<Option<GrantKind>, StoreError> {
    if let Some(kind) = revoke::kind(&loaded.account, grant) {
        return Ok(Some(kind));
    }
    match grant {
        GrantId::Week(_) => Ok(Some(GrantKind::Weekly)),
        GrantId::Period(_) => Ok(Some(GrantKind::Plan)),
        GrantId::Operation(id) => given(run, loaded, id).await,
    }
}

async fn given(
    run: &Run<'_>,
    loaded: &Loaded,
    id: OperationId,
) -> Result<Option<GrantKind>, StoreError> {
    let account = &loaded.account.id;
    if let Some(found) = seen_in(run, &loaded.account, &id).await? {
        known(account, &found)?;
        return Ok(match found.entry.kind {
            EntryKind::Granted { kind, .. } => Some(kind),
            _ => None,
        });
    }
    let order = retried(run, || run.context.store.order(id)).await?;
    let bought = order.is_some_and(|order| order.account == *account);
    Ok(bought.then_some(GrantKind::Purchased))
}
