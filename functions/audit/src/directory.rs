//! Compares an account's row in the directory, by which operators find it, with the account.

use shared::context::Context;
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
pub async fn listed(context: &Context, id: &AccountId) -> Result<Option<Difference>, StoreError> {
    let mut audit = Findings::of(id);
    // The row is read first: of what relay writes meanwhile, the account knows.
    let Some(found) = audit.read(context.store.listed(id).await)? else {
        return Ok(audit.found.pop());
    };
    let Some(account) = audit.read(context.store.account_as_written(id).await)? else {
        // The audit of the account reports it.
        return Ok(None);
    };
    let state = account.as_ref().map(|account| (AccountState::of(account), account.seq));
    if found.as_ref().map(|found| &found.state) == state.as_ref().map(|(state, _)| state) {
        return Ok(None);
    }
    let shown = |state: Option<&AccountState>| state.map_or("none".to_owned(), ToString::to_string);
    let expected = shown(state.as_ref().map(|(state, _)| state));
    let kind = Kind::Directory { found: found.as_ref().map(|found| found.seq), state };
    audit.differs(kind, expected, shown(found.as_ref().map(|found| &found.state)));
    Ok(audit.found.pop())
}

/// The difference, if relay will not write it any more. `account`: as it was scanned.
pub(crate) async fn late(
    context: &Context,
    account: Account,
) -> Result<Option<Difference>, StoreError> {
    let since = context.clock.now() - RELAY_TIME;
    if account.recent.iter().any(|entry| entry.at > since && may_change(entry)) {
        return Ok(None);
    }
    match context.store.listed(&account.id).await {
        Ok(Some(found)) if found.state == AccountState::of(&account) => Ok(None),
        // The account is read again: the scan may have read it earlier.
        _ => listed(context, &account.id).await,
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
