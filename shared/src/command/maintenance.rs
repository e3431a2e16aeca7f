//! Look-ups, advances and archiving that commands need around their own writes.

use super::{PATIENCE, Run, known, lost, retried};
use crate::decide::history::{Back, History, Next, Unclear};
use crate::decide::{AccountWrite, Guard, Row, STAMP_MARGIN, Write, advance, archive};
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::refusal::HoldEnd;
use crate::domain::{Account, AccountId, Credits, Entry, EntryKind, Instant, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::query::ledger;
use crate::store::{Loaded, Outcome, StoreError, unknown};

/// How many entries one read returns where a search may need many: few at first, because the search
/// mostly ends near the latest entry, then more. Below, the most entries that a search reads, some
/// 16 MB.
const READ_AT_ONCE: (usize, usize) = (64, 4_096);
const MAX_ENTRIES: usize = 64 * READ_AT_ONCE.1;

/// Looks for the operation in the account and in its segments.
pub(super) async fn seen(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
) -> Result<Option<PostedEntry>, StoreError> {
    // The account is read first: an entry that is archived after this read is found in a segment.
    match retried(run, || run.context.store.account(account)).await? {
        Some(loaded) => seen_in(run, &loaded.account, id).await,
        None => look_up(run, account, id, 0).await,
    }
}

/// Looks for the operation in an account that was read, and in its segments.
pub(super) async fn seen_in(
    run: &Run<'_>,
    account: &Account,
    id: &OperationId,
) -> Result<Option<PostedEntry>, StoreError> {
    match account.find(id) {
        Some(found) => Ok(Some(found)),
        None => look_up(run, &account.id, id, 0).await,
    }
}

pub(super) async fn look_up(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
    after: u64,
) -> Result<Option<PostedEntry>, StoreError> {
    retried(run, || run.context.store.look_up(account, id, after)).await
}

/// The refusal for a hold that is not open: how it ended, or that it never existed.
pub(super) async fn how_it_ended(
    run: &Run<'_>,
    account: &AccountId,
    hold: &OperationId,
) -> Result<Refusal, StoreError> {
    let Some(found) = seen(run, account, hold).await? else {
        return Ok(Refusal::HoldNotFound);
    };
    known(account, &found)?;
    let EntryKind::Held { expires_at, .. } = found.entry.kind else {
        return Ok(Refusal::HoldNotFound);
    };
    let lived = (found.entry.at, expires_at);
    let (ended, at) = retried(run, || end_of_hold(run, account, hold, lived)).await?;
    Ok(Refusal::HoldEnded { ended, at })
}

/// How a hold ended, from the entries since it began. A hold ends once; if no entry ended it, it
/// lapsed at its latest expiry.
async fn end_of_hold(
    run: &Run<'_>,
    account: &AccountId,
    hold: &OperationId,
    (began, mut expires_at): (Instant, Instant),
) -> Result<(HoldEnd, Instant), StoreError> {
    let late = || run.context.clock.now() - run.began > PATIENCE;
    let end = |entry: &Entry| match &entry.kind {
        EntryKind::Captured { hold: other, ends: true, .. } if other == hold => {
            Some(Ok((HoldEnd::Captured, entry.at)))
        }
        EntryKind::Released { hold: other } if other == hold => {
            Some(Ok((HoldEnd::Released, entry.at)))
        }
        EntryKind::Extended { hold: other, expires_at: later } if other == hold => {
            expires_at = *later;
            None
        }
        EntryKind::Unknown { .. } => Some(Err(unknown(account, entry.id))),
        // No later entry can end it.
        _ if entry.at > expires_at + STAMP_MARGIN => Some(Ok((HoldEnd::Lapsed, expires_at))),
        _ => late().then_some(Err(StoreError::Exhausted { tries: 1 })),
    };
    // An entry that follows it may have a slightly earlier stamp.
    let ended = run.context.store.first_from(account, began - STAMP_MARGIN, end).await?;
    ended.unwrap_or(Ok((HoldEnd::Lapsed, expires_at)))
}

/// Reads the history of an account backwards. Returns the credits that come back, and how much of
/// the reversals to undo is not in the history.
pub(super) async fn recall(
    run: &Run<'_>,
    loaded: &Loaded,
    mut asked: History,
) -> Result<(Back, Credits), Failure> {
    loop {
        let mut history = asked.clone();
        go_back(run, loaded, &mut history).await?;
        match history.back(&loaded.account) {
            Ok(back) => return Ok((back, history.rest())),
            Err(Unclear::Within(advance)) => asked = asked.all_before(advance),
            Err(Unclear::Broken(fault)) => return Err(fault.into()),
        }
    }
}

/// Gives `history` the entries, the latest first, until it has enough.
async fn go_back(run: &Run<'_>, loaded: &Loaded, history: &mut History) -> Result<(), StoreError> {
    let (mut from, mut limit) = (None, READ_AT_ONCE.0);
    let (mut read, mut tries) = (0, 0);
    while read < MAX_ENTRIES && run.context.clock.now() - run.began <= PATIENCE {
        let listed = retried(run, || ledger::list(&run.context.store, loaded, from, limit));
        let listed = listed.await?;
        (from, limit) = (listed.next, READ_AT_ONCE.1.min(2 * limit));
        (read, tries) = (read + listed.entries.len(), tries + 1);
        for posted in &listed.entries {
            match history.take(posted) {
                Next::Before => {}
                Next::Enough => return Ok(()),
                Next::Unknown => return Err(unknown(&loaded.account.id, posted.entry.id)),
                Next::Skip(seq, at) => {
                    // The segment that holds this entry has no later key.
                    let segment = Some((at + STAMP_MARGIN + Span::from_ms(1), 0));
                    from = Some(ledger::From { below: seq + 1, segment });
                    limit = READ_AT_ONCE.0;
                    break;
                }
            }
        }
        if from.is_none() {
            return Err(lost(&loaded.account.id));
        }
    }
    Err(StoreError::Exhausted { tries })
}

/// Whether the account, as it was read, can take this write at `now`. If not, removes the obstacle:
/// it advances the account, or writes a segment.
pub(super) async fn make_ready(
    run: &Run<'_>,
    loaded: &Loaded,
    write: &AccountWrite,
    now: Instant,
) -> Result<bool, Failure> {
    let stale = loaded.account.valid_until <= now;
    if stale && write.when.contains(&Guard::ValidAt(now)) {
        advance_now(run, Some(loaded)).await?;
        return Ok(false);
    }
    // By weight: a dry run, which weighs nothing, needs no room.
    let count = loaded.weight.recent.len();
    let lacks_room =
        |guard: &Guard| matches!(guard, Guard::RoomFor(more) if count + more > archive::CAPACITY);
    if write.when.iter().any(lacks_room) {
        archive_now(run, Some(loaded)).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Advances the account; if another request did so first, that is as good.
pub(super) async fn advance_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    advance(run, loaded, 1).await
}

/// Advances the account. `appended` counts the entry of the advance and those that the caller
/// appended before it.
async fn advance(run: &Run<'_>, loaded: &Loaded, appended: usize) -> Result<(), Failure> {
    run.context.may_advance()?;
    let change = advance::change(&loaded.account, run.catalog, run.context.clock.now())?;
    commit_advance(run, change, appended).await
}

/// Finishes the work after a transaction, whose answer does not include the account. If the
/// transaction added pending changes, advances the account, so that the ledger records their effect
/// and no debit is refused because of them first. Otherwise writes the segment that is due. A
/// failure here does not change the reply: the next request does this work.
pub(super) async fn tidy(run: &Run<'_>, loaded: Loaded) {
    if loaded.account.valid_until > Instant::EPOCH {
        return archive_if_due(run, loaded, 1).await;
    }
    if let Err(failure) = advance(run, &loaded, 2).await {
        let account = loaded.account.id.as_str();
        tracing::warn!(
            account,
            ?failure,
            "pending changes are not folded in; the next request will"
        );
    }
}

/// Advances with an entry, even if only time has passed: the burn order is written anew.
pub(super) async fn advance_with_entry(run: &Run<'_>, loaded: &Loaded) -> Result<(), Failure> {
    run.context.may_advance()?;
    let change = advance::lay_out(&loaded.account, run.catalog, run.context.clock.now())?;
    commit_advance(run, change, 1).await
}

async fn commit_advance(
    run: &Run<'_>,
    change: AccountWrite,
    appended: usize,
) -> Result<(), Failure> {
    match run.context.store.commit(&Write::account(change)).await {
        Ok(Outcome::Done(Some(after))) => {
            let now = run.context.clock.now();
            run.context.limit_terms.saw(&after.account, run.catalog, now);
            archive_if_due(run, *after, appended).await;
        }
        Ok(_) | Err(StoreError::Retryable(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Makes room in a full list of recent entries.
pub(super) async fn archive_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    match write_segment(run, loaded, archive::all(&loaded.account), true).await {
        Ok(_) | Err(StoreError::Retryable(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the segment that is due after `appended` entries, if one is, and the next if enough
/// entries have arrived by then. A failure here does not change the reply: the entries stay in the
/// account, and the next request moves them.
pub(super) async fn archive_if_due(run: &Run<'_>, loaded: Loaded, appended: usize) {
    let mut count = archive::due(&loaded.account, &loaded.weight, appended);
    let mut loaded = Box::new(loaded);
    for _ in 0..archive::IN_A_ROW {
        if count == 0 {
            return;
        }
        loaded = match write_segment(run, &loaded, count, false).await {
            Ok(Some(after)) => after,
            Ok(None) => return,
            Err(error) => {
                let account = loaded.account.id.as_str();
                tracing::warn!(account, %error, "segment not archived; the next request will");
                return;
            }
        };
        count = archive::enough_for_one(&loaded.account, &loaded.weight);
    }
}

/// Moves the oldest `count` entries to a segment. Returns the account without them. None: another
/// request is archiving them, or has done so. `takes_over`: whether to finish a segment that
/// another request wrote.
async fn write_segment(
    run: &Run<'_>,
    loaded: &Loaded,
    count: usize,
    takes_over: bool,
) -> Result<Option<Box<Loaded>>, StoreError> {
    let account = &loaded.account;
    let Some(segment) = archive::segment(account, &loaded.weight, count) else {
        return Ok(None);
    };
    let there =
        match run.context.store.commit(&Write::create(Row::Segment(segment.clone()))).await? {
            Outcome::Done(_) => {
                run.context.metrics.add(Metric::Segments, 1);
                segment
            }
            // The segment there may be our own, if the reply was lost and the SDK sent it again.
            Outcome::RowRefused(_, Some(Row::Segment(there)))
                if takes_over || there == segment || archive::is_left_behind(account, &there) =>
            {
                there
            }
            _ => return Ok(None),
        };
    let trim = match archive::trim(account, &there) {
        Some(trim) => trim,
        None => {
            // A faster request's segment may hold more entries than we read.
            let Some(now) = run.context.store.account(&account.id).await? else { return Ok(None) };
            let Some(trim) = archive::trim(&now.account, &there) else {
                // Either another request has removed these entries since, or the ledger contradicts
                // the account: a person must look at that.
                if now.account.archived_seq == account.archived_seq {
                    let (account, segment) = (account.id.as_str(), there.first);
                    tracing::error!(account, segment, "a segment differs from its entries");
                }
                return Ok(None);
            };
            trim
        }
    };
    match run.context.store.commit(&Write::account(trim)).await? {
        Outcome::Done(after) => Ok(after),
        _ => Ok(None),
    }
}
