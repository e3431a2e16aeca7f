//! What an account needs in between: look-ups, settles and pages.

use super::{PATIENCE, Run, lost, retried};
use crate::decide::history::{Back, History};
use crate::decide::{AccountWrite, Guard, Row, Write, page, settle};
use crate::domain::ledger::Placed;
use crate::domain::refusal::HoldEnd;
use crate::domain::{Account, AccountId, Credits, Instant, OperationId, Refusal, Seq, What};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::query::ledger;
use crate::store::{Loaded, Outcome, StoreError};

/// How many entries are read at a time where many may have to be: few at first, for what is sought
/// is mostly near, then more; and how often at most: a quarter of a million entries, some 16 MB.
const STRETCH: (usize, usize) = (64, 4_096);
const STRETCHES: usize = 64;

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

/// Why a hold is not open: how it ended, or that there never was one.
pub(super) async fn how_it_ended(
    run: &Run<'_>,
    account: &AccountId,
    hold: &OperationId,
) -> Result<Refusal, StoreError> {
    let Some(found) = seen(run, account, hold).await? else {
        return Ok(Refusal::HoldNotFound);
    };
    let What::Held { expires_at, .. } = found.entry.what else {
        return Ok(Refusal::HoldNotFound);
    };
    // It ends once; and if nothing ended it, the latest end it was given did.
    let mut lapses_at = None;
    let ended = back_to(run, account, found.seq, |placed| {
        let at = placed.entry.at;
        match &placed.entry.what {
            What::Captured { hold: other, ends: true, .. } if other == hold => {
                Some((HoldEnd::Captured, at))
            }
            What::Released { hold: other } if other == hold => Some((HoldEnd::Released, at)),
            What::Extended { hold: other, expires_at } if other == hold => {
                lapses_at.get_or_insert(*expires_at);
                None
            }
            _ => None,
        }
    })
    .await?;
    let lapsed = (HoldEnd::Lapsed, lapses_at.unwrap_or(expires_at));
    let (ended, at) = ended.unwrap_or(lapsed);
    Ok(Refusal::HoldEnded { ended, at })
}

/// Goes through the history of `account`. Returns what comes back, and how much of what was to be
/// undone of reversals is not in it.
pub(super) async fn recall(
    run: &Run<'_>,
    account: &Account,
    mut history: History,
) -> Result<(Back, Credits), Failure> {
    let whole = back_to(run, &account.id, 1, |placed| {
        let taken = placed.seq <= account.seq && history.take(&placed.entry);
        taken.then_some(())
    });
    whole.await?.ok_or_else(|| lost(&account.id))?;
    Ok((history.back(account)?, history.rest()))
}

/// Shows `visit` the entries from the latest back to number `seq`, until it has found something.
pub(super) async fn back_to<T>(
    run: &Run<'_>,
    account: &AccountId,
    seq: Seq,
    mut visit: impl FnMut(&Placed) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let loaded = retried(run, || run.world.store.account(account)).await?;
    let loaded = loaded.ok_or_else(|| lost(account))?;
    let mut from = None;
    for nth in 0..STRETCHES {
        if run.world.clock.now() - run.began > PATIENCE {
            break;
        }
        let stretch = (STRETCH.0 << nth.min(16)).min(STRETCH.1);
        let listed = retried(run, || ledger::list(&run.world.store, &loaded, from, stretch));
        let listed = listed.await?;
        for placed in listed.entries.iter().take_while(|placed| placed.seq >= seq) {
            if let Some(found) = visit(placed) {
                return Ok(Some(found));
            }
        }
        from = listed.next.filter(|next| next.below > seq);
        if from.is_none() {
            return Ok(None);
        }
    }
    Err(StoreError::Exhausted { tries: STRETCHES })
}

/// Whether the account, as it was read, can take this write at `now`. If not, what is in the way is
/// done away with: it is settled, or a page is written.
pub(super) async fn make_ready(
    run: &Run<'_>,
    loaded: &Loaded,
    write: &AccountWrite,
    now: Instant,
) -> Result<bool, Failure> {
    let stale = loaded.account.valid_until <= now;
    if stale && write.when.contains(&Guard::ValidAt(now)) {
        settle_now(run, Some(loaded)).await?;
        return Ok(false);
    }
    let full = loaded.account.recent.len() >= page::CAPACITY;
    if full && write.when.iter().any(|guard| matches!(guard, Guard::RoomFor(_))) {
        page_now(run, Some(loaded)).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Settles; losing to somebody else is as good.
pub(super) async fn settle_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    run.world.may_settle()?;
    let change = settle::change(&loaded.account, run.catalog, run.world.clock.now())?;
    commit_settle(run, change).await
}

/// Settles with an entry, even if nothing but time went by: the line is laid out anew.
pub(super) async fn lay_out_now(run: &Run<'_>, loaded: &Loaded) -> Result<(), Failure> {
    run.world.may_settle()?;
    let change = settle::lay_out(&loaded.account, run.catalog, run.world.clock.now())?;
    commit_settle(run, change).await
}

async fn commit_settle(run: &Run<'_>, change: AccountWrite) -> Result<(), Failure> {
    match run.world.store.commit(&Write::account(change)).await {
        Ok(Outcome::Done(Some(after))) => page_if_due(run, *after, 1).await,
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

/// Writes the page that is due after `appended` entries, if one is. Its failure does not change the reply: the entries are
/// in the account, and somebody else will move them.
pub(super) async fn page_if_due(run: &Run<'_>, loaded: Loaded, appended: usize) {
    let count = page::due(&loaded.account, &loaded.weight, appended);
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
    let there = match run.world.store.commit(&Write::once(Row::Page(page.clone()))).await? {
        Outcome::RowRefused(_, Some(Row::Page(there))) => there,
        Outcome::Done(_) => {
            run.world.metrics.add(Metric::Pages, 1);
            page
        }
        // What is there is not known, so nothing is trimmed by it.
        _ => return Ok(()),
    };
    let trim = match page::trim(account, &there) {
        Some(trim) => trim,
        None => {
            // A faster caller's page may hold more than there was when we read.
            let Some(now) = run.world.store.account(&account.id).await? else { return Ok(()) };
            let Some(trim) = page::trim(&now.account, &there) else {
                // Either somebody trimmed since, or the ledger contradicts the account: that must
                // be seen by a person.
                if now.account.paged == account.paged {
                    let (account, page) = (account.id.as_str(), there.first);
                    tracing::error!(account, page, "a page differs from its entries");
                }
                return Ok(());
            };
            trim
        }
    };
    run.world.store.commit(&Write::account(trim)).await?;
    Ok(())
}
