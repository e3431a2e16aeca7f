//! Grant: adds an operator's credits to an account.

use super::{AccountWrite, Guard, Step};
use crate::domain::account::MAX_GRANTS;
use crate::domain::entry::Explanation;
use crate::domain::{
    Account, Catalog, Credits, Entry, EntryKind, Grant, GrantId, GrantKind, Instant, OperationId,
    PendingChange, Refusal,
};

/// A request to grant credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    pub credits: Credits,
    pub explanation: Explanation,
    pub kind: GrantKind,
    pub reference: Option<String>,
    /// The first instant at which the credits are gone. None: they stay.
    pub expires_at: Option<Instant>,
}

impl GrantRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let reference = self.reference.as_deref().unwrap_or("");
        let expires_at = self.expires_at.map_or(0, Instant::ms);
        let (kind, credits, explained) =
            (self.kind.name(), self.credits, self.explanation.content());
        format!("grant {kind} {credits} {expires_at} {reference:?} {explained}")
    }
}

/// The write of a grant: a pending change that the next advance folds in. It compares nothing, so
/// on a busy account it does not have to wait for a quiet moment.
///
/// # Errors
/// [`Refusal::GrantTooLarge`], [`Refusal::GrantExpired`], [`Refusal::BalanceTooLarge`],
/// [`Refusal::TooManyGrants`].
pub fn change(
    account: &Account,
    request: &GrantRequest,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<AccountWrite, Refusal> {
    if let Some(limit) = catalog.grant_limit.filter(|limit| request.credits > *limit) {
        return Err(Refusal::GrantTooLarge { limit });
    }
    if let Some(expires_at) = request.expires_at.filter(|at| *at <= now) {
        return Err(Refusal::GrantExpired { expires_at });
    }
    if account.available + account.held() + request.credits > Credits::MAX_BALANCE {
        return Err(Refusal::BalanceTooLarge);
    }
    if account.grants_left(now) >= MAX_GRANTS {
        return Err(Refusal::TooManyGrants);
    }
    let (kind, expires_at) = (request.kind, request.expires_at);
    let id = GrantId::Operation(operation);
    let grant = Grant::new(id, kind, request.credits, now, expires_at);
    let entry = Entry {
        available: request.credits,
        actor: actor.map(str::to_owned),
        reference: request.reference.clone(),
        reason: Some(request.explanation.reason.clone()),
        message: request.explanation.message.clone(),
        ..Entry::new(operation, now, catalog.version, EntryKind::Granted { kind, expires_at })
    };
    Ok(AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::RoomFor(1)],
        then: vec![
            Step::Add(request.credits),
            Step::AddPending(vec![PendingChange::Grant { grant, at: now }]),
            Step::Append(entry),
        ],
    })
}
