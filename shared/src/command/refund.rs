//! A refund carried through: the debit is looked up, and the line it was burnt of.

use super::operator::{commit_receipted, happened};
use super::upkeep::{back_to, look_up, make_ready};
use super::{Answer, Receipted, Run, lost, until_known};
use crate::decide::Receipt;
use crate::decide::refund::{self, Known, Layout, RefundRequest, ReturnedOf};
use crate::domain::grant::Line;
use crate::domain::{
    Account, AccountId, Catalog, Credits, Grant, Instant, Key, Movement, Refusal, Seq, What,
};
use crate::failure::Failure;
use crate::store::StoreError;
use crate::world::World;

/// Gives back what a debit charged, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn refund(
    world: &World,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    request: &RefundRequest,
) -> Answer {
    let run = &Run::begin(world, catalog);
    let receipted = until_known(run, || try_refund(run, account, key, request)).await?;
    receipted.count(&world.metrics);
    Ok(receipted)
}

/// One try. None: something came in between; try again.
async fn try_refund(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    request: &RefundRequest,
) -> Result<Option<Receipted>, Failure> {
    let content = request.content();
    if let Some(receipt) = run.world.store.receipt(account, key).await? {
        return happened(run, &receipt, &content, true).await.map(Some);
    }
    let loaded = run.world.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::AccountNotFound))?;
    // The account was read first: what leaves it in between is in a page by then.
    let debit = match loaded.account.find(&request.debit) {
        Some(found) => Some(found),
        None => look_up(run, account, &request.debit, 0).await?,
    };
    let debit = debit.ok_or_else(|| run.refuse(Refusal::DebitNotFound))?;
    let layout = match loaded.account.settled_seq < debit.seq {
        true => None,
        false => Some(layout_of(run, &loaded.account, debit.seq).await?),
    };
    let refunded = run.world.store.returned(account, ReturnedOf::Debit(request.debit)).await?;
    let now = run.world.clock.now();
    let id = run.world.entropy.mint(now);
    let known = Known { debit: &debit, refunded, layout: layout.as_ref() };
    let write = refund::change(&loaded.account, request, known, id, run.catalog, now);
    let mut write = write.map_err(|refusal| run.refuse(refusal))?;
    if let Some(account) = &mut write.account {
        account.keyed(key);
        if !make_ready(run, &loaded, account, now).await? {
            return Ok(None);
        }
    }
    let receipt = Receipt { account: account.clone(), key: key.clone(), id, content };
    commit_receipted(run, receipt, write).await
}

/// The line that entry number `seq` was burnt of, and what became of it.
async fn layout_of(run: &Run<'_>, account: &Account, seq: Seq) -> Result<Layout, StoreError> {
    // Of the settle that came first after the entry: what was spent of the line until then.
    let mut spent = None;
    let laid_out = back_to(run, &account.id, 1, |placed| match &placed.entry.what {
        What::Settled { spent: until, .. } if placed.seq > seq => {
            spent = Some(*until);
            None
        }
        What::Settled { line, .. } if placed.seq < seq => Some((placed.seq, line.clone())),
        What::Opened { moved, .. } => Some((placed.seq, opened(moved, placed.entry.at))),
        _ => None,
    });
    let laid_out = laid_out.await?.zip(spent);
    let ((seq, line), spent) = laid_out.ok_or_else(|| lost(&account.id))?;
    let returned = run.world.store.returned(&account.id, ReturnedOf::Layout(seq)).await?;
    Ok(Layout { seq, line, spent, returned })
}

/// The line of an account as it was opened.
fn opened(moved: &[Movement], at: Instant) -> Line {
    let grants = moved.iter().map(|movement| {
        let Movement { grant, kind, credits, expires_at } = *movement;
        Grant::new(grant, kind, credits, at, expires_at)
    });
    Line::new(grants.filter(|grant| grant.left > Credits::ZERO).collect())
}
