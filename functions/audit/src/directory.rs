//! Compares an account's row in the directory, by which operators find it, with the account.

use shared::context::Context;
use shared::decide::directory::Found;
use shared::domain::instant::Span;
use shared::domain::{Account, AccountId, AccountState, Entry, EntryKind};
use shared::store::StoreError;

use crate::difference::{Difference, Kind};
use crate::findings::Findings;

/// How long relay may take to write a change: a stream keeps its records for a day.
const RELAY_TIME: Span = Span::from_s(86_400);

/// The difference between an account and its row, whatever the age of the change.
///
/// # Errors
/// [`StoreError`] if they cannot be read at all.
pub async fn directory_difference(
    context: &Context,
    id: &AccountId,
) -> Result<Option<Difference>, StoreError> {
    let mut audit = Findings::of(id);
    // The row is read first: of what relay writes meanwhile, the account knows.
    let row = match context.store.directory_row(id).await {
        Ok(row) => row.ok_or(Found::None),
        Err(StoreError::Broken { attribute, problem, .. }) => {
            Err(Found::Unreadable(format!("{attribute} {problem}")))
        }
        Err(error) => return Err(error),
    };
    let Some(account) = audit.read(context.store.account_as_written(id).await)? else {
        // The audit of the account reports it.
        return Ok(None);
    };
    let state = account.as_ref().map(|account| (AccountState::of(account), account.seq));
    let (expected, shown, found) = match (&state, row) {
        (None, Err(Found::None)) => return Ok(None),
        (Some((state, seq)), Ok(row)) if *state == row.state => {
            if row.seq <= *seq {
                return Ok(None);
            }
            // It would refuse what relay writes until the account has as many entries.
            let expected = format!("entry {seq} at the latest");
            (expected, format!("entry {}", row.seq), Found::At(row.seq))
        }
        (state, row) => {
            let expected = state.as_ref().map_or("none".to_owned(), |(state, _)| state.to_string());
            match row {
                Ok(row) => (expected, row.state.to_string(), Found::At(row.seq)),
                Err(found) => (expected, found.to_string(), found),
            }
        }
    };
    audit.differs(Kind::Directory { found, state }, expected, shown);
    Ok(audit.found.pop())
}

/// The difference, if relay will not mend it any more: a row that is late, relay may still write; one
/// that is ahead of its account, or cannot be read, refuses what relay writes. `account`: as it was
/// scanned.
pub(crate) async fn late(
    context: &Context,
    account: Account,
) -> Result<Option<Difference>, StoreError> {
    let since = context.clock.now() - RELAY_TIME;
    let may_be_late = account.recent.iter().any(|entry| entry.at > since && may_change(entry));
    match context.store.directory_row(&account.id).await {
        Ok(None) if may_be_late => return Ok(None),
        Ok(Some(row))
            if row.seq <= account.seq
                && (may_be_late || row.state == AccountState::of(&account)) =>
        {
            return Ok(None);
        }
        _ => {}
    }
    // The account is read again: the scan may have read it earlier.
    let difference = directory_difference(context, &account.id).await?;
    Ok(difference.filter(|difference| !may_be_late || is_stuck(&difference.kind)))
}

/// Whether a row refuses what relay writes.
fn is_stuck(kind: &Kind) -> bool {
    match kind {
        Kind::Directory { found: Found::Unreadable(_), .. } => true,
        Kind::Directory { found: Found::At(row), state: Some((_, seq)) } => row > seq,
        _ => false,
    }
}

/// Whether an entry may change the plan, the status, the gate or the debt of its account.
fn may_change(entry: &Entry) -> bool {
    match &entry.kind {
        EntryKind::Debit { .. }
        | EntryKind::Held { .. }
        | EntryKind::Captured { .. }
        | EntryKind::Released { .. }
        | EntryKind::Extended { .. } => false,
        // Where a catalog closes a plan from a day on, an advance closes the gate: the audit begins
        // long after the sweep of that day.
        EntryKind::TimePassed { debts, .. } => !debts.is_empty(),
        _ => true,
    }
}
