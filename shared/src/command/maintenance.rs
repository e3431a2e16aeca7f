//! What an account needs in between: look-ups, advances and segments.

use super::{PATIENCE, Run, lost, retried};
use crate::decide::history::{Back, History, Next, Unclear};
use crate::decide::{AccountWrite, Guard, Row, STAMP_MARGIN, Write, advance, archive};
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::refusal::HoldEnd;
use crate::domain::{AccountId, Credits, Entry, EntryKind, Instant, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::query::ledger;
use crate::store::{Loaded, Outcome, StoreError};

/// How many entries are read at a time where many may have to be: few at first, for what is sought
/// is mostly near, then more; and how many at most, some 16 MB.
const READ_AT_ONCE: (usize, usize) = (64, 4_096);
const MAX_ENTRIES: usize = 64 * READ_AT_ONCE.1;

/// The operation wherever it is: in the account or in its segments.
pub(super) async fn seen(
    run: &Run<'_>,
    account: &AccountId,
    id: &OperationId,
) -> Result<Option<PostedEntry>, StoreError> {
    // The account first: what leaves it in between is in a segment by then.
    let loaded = retried(run, || run.context.store.account(account)).await?;
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
) -> Result<Option<PostedEntry>, StoreError> {
    retried(run, || run.context.store.look_up(account, id, after)).await
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
    let EntryKind::Held { expires_at, .. } = found.entry.kind else {
        return Ok(Refusal::HoldNotFound);
    };
    let lived = (found.entry.at, expires_at);
    let (ended, at) = retried(run, || end_of_hold(run, account, hold, lived)).await?;
    Ok(Refusal::HoldEnded { ended, at })
}

/// How a hold ended, by the entries from its first one on. It ends once; and if nothing ended it, the
/// latest end it was given did.
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
        // Nothing ends it later.
        _ if entry.at > expires_at + STAMP_MARGIN => Some(Ok((HoldEnd::Lapsed, expires_at))),
        _ => late().then_some(Err(StoreError::Exhausted { tries: 1 })),
    };
    // What came after it may be stamped a little earlier.
    let ended = run.context.store.first_from(account, began - STAMP_MARGIN, end).await?;
    ended.unwrap_or(Ok((HoldEnd::Lapsed, expires_at)))
}

/// Goes back through the history of an account. Returns what comes back, and how much of what was to be
/// undone of reversals is not in it.
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

/// Shows `history` the entries, the latest first, as far as it needs them.
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
                Next::Skip(seq, at) => {
                    // The segment that it is in has no later key.
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

/// Whether the account, as it was read, can take this write at `now`. If not, what is in the way is
/// done away with: it is advanced, or a segment is written.
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
    let full = loaded.account.recent.len() >= archive::CAPACITY;
    if full && write.when.iter().any(|guard| matches!(guard, Guard::RoomFor(_))) {
        archive_now(run, Some(loaded)).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Advances; losing to somebody else is as good.
pub(super) async fn advance_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    advance(run, loaded, 1).await
}

/// Advances; `appended` is how many entries that makes with those that the caller appended before.
async fn advance(run: &Run<'_>, loaded: &Loaded, appended: usize) -> Result<(), Failure> {
    run.context.may_advance()?;
    let change = advance::change(&loaded.account, run.catalog, run.context.clock.now())?;
    commit_advance(run, change, appended).await
}

/// Does what is left to do after a transaction, which tells nothing of the account. It advances what the
/// transaction noted: the ledger tells what became of it, and no debit is refused for it first. If nothing
/// was noted it writes the segment that is due. Its failure does not change the reply: the next caller does it.
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

/// Advances with an entry, even if nothing but time went by: the line is laid out anew.
pub(super) async fn lay_out_now(run: &Run<'_>, loaded: &Loaded) -> Result<(), Failure> {
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
        Ok(Outcome::Done(Some(after))) => archive_if_due(run, *after, appended).await,
        Ok(_) | Err(StoreError::Retryable(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Makes room in a list that is full.
pub(super) async fn archive_now(run: &Run<'_>, loaded: Option<&Loaded>) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    match write_segment(run, loaded, archive::all(&loaded.account), true).await {
        Ok(_) | Err(StoreError::Retryable(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the segment that is due after `appended` entries, if one is, and the next if as many have come by
/// then. Its failure does not change the reply: the entries are in the account, and somebody else will
/// move them.
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

/// Moves the oldest `count` entries to a segment. Returns the account without them. None: somebody else is
/// at it, or was faster. `takes_over`: whether the segment of somebody else is not left to him.
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
            // Our own is there as well, if the reply was lost and the SDK sent it again.
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
            // A faster caller's segment may hold more than there was when we read.
            let Some(now) = run.context.store.account(&account.id).await? else { return Ok(None) };
            let Some(trim) = archive::trim(&now.account, &there) else {
                // Either somebody trimmed since, or the ledger contradicts the account: that must
                // be seen by a person.
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
