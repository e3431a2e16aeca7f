//! Refunds: looks up the debit, and the history of its credits since.

use super::maintenance::{advance_with_entry, make_ready, recall, seen_in};
use super::operator::{commit_receipted, counted, happened};
use super::{Answer, Receipted, Run, known};
use crate::context::Context;
use crate::decide::IdempotencyRecord;
use crate::decide::history::History;
use crate::decide::refund::{self, Known, RefundRequest};
use crate::domain::{AccountId, Catalog, EntryKind, Key, KeySpace, Refusal};
use crate::failure::Failure;

/// Gives back what a debit charged, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`](crate::store::StoreError) if the outcome is not known.
pub async fn refund(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    request: &RefundRequest,
    actor: Option<&str>,
) -> Answer {
    let run = &Run::begin(context, catalog);
    counted(run, || try_refund(run, account, key, request, actor)).await
}

/// One try. None: another write came in between; try again.
async fn try_refund(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    request: &RefundRequest,
    actor: Option<&str>,
) -> Result<Option<Receipted>, Failure> {
    let content = request.content();
    if let Some(receipt) = run.context.store.receipt(account, KeySpace::Services, key).await? {
        return happened(run, &receipt, &content, true).await.map(Some);
    }
    let loaded = run.context.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))?;
    let debit = seen_in(run, &loaded.account, &request.debit).await?;
    if let Some(found) = &debit {
        known(account, found)?;
    }
    let charged = debit.and_then(|found| found.entry.charged().map(|charged| (found, charged)));
    let (debit, charged) = charged.ok_or_else(|| run.refuse(Refusal::DebitNotFound))?;
    let refunded = run.context.store.returned(account, request.debit).await?;
    let back = match loaded.account.advanced_seq < debit.seq {
        true => None,
        false => {
            let less = request.less(charged, refunded);
            let history = History::of_refund(&loaded.account, &debit, request.credits, less);
            Some(recall(run, &loaded, history).await?.0)
        }
    };
    let hold = match debit.entry.kind {
        EntryKind::Captured { hold, .. } if !loaded.account.used.is_empty() => {
            seen_in(run, &loaded.account, &hold).await?
        }
        _ => None,
    };
    let now = run.context.clock.now();
    if back.as_ref().is_some_and(|back| back.is_over(now)) {
        advance_with_entry(run, &loaded).await?;
        return Ok(None);
    }
    let id = run.context.entropy.own(now);
    let state = Known { debit, refunded, back, hold };
    let write = refund::change(&loaded.account, request, &state, id, run.catalog, actor, now);
    let mut write = write.map_err(|refusal| run.refuse(refusal))?;
    if let Some(account) = &mut write.account {
        account.keyed(key);
        if !make_ready(run, &loaded, account, now).await? {
            return Ok(None);
        }
    }
    let (account, space) = (account.clone(), KeySpace::Services);
    let receipt = IdempotencyRecord { account, space, key: key.clone(), id, content };
    commit_receipted(run, receipt, write).await
}
