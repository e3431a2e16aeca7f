//! Revoke: takes back what is free of one grant that an operator gave.
//!
//! What is free is decided on an account that is brought up to now, and the advance that takes it
//! from the burn order is part of the same write. So nothing comes between the two, and the
//! [history](super::history) of a later refund knows the burn order at that very moment.

use super::{AccountWrite, Fault, Guard, Step, advance};
use crate::domain::entry::Explanation;
use crate::domain::{
    Account, Catalog, Credits, Entry, EntryKind, GrantId, GrantKind, Instant, OperationId,
};

/// A request to revoke one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeRequest {
    pub grant: GrantId,
    pub explanation: Explanation,
}

impl RevokeRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        format!("revoke {} {}", self.grant, self.explanation.content())
    }
}

/// The kind of a grant in the burn order of `account`. None: it is not there, or not any more.
pub fn kind(account: &Account, grant: GrantId) -> Option<GrantKind> {
    let mut grants = account.burn_order.grants().iter();
    grants.find(|known| known.id == grant).map(|known| known.kind)
}

/// The write of a revocation: its entry, and that of an advance, which is written even if nothing
/// is free: what a refund would give back to the grant later is revoked by it.
///
/// At most what is left of the grant is taken, and at most what the burn order has beyond what
/// holds set aside: a hold is a promise, and keeps what it has. `kind`: the grant's.
///
/// None: time has changed the account, or a change is pending. Advance it first, so that its
/// entries never say that credits were taken before they arrived.
///
/// # Errors
/// [`Fault`], as of an advance.
pub fn change(
    account: &Account,
    request: &RevokeRequest,
    kind: GrantKind,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<Option<AccountWrite>, Fault> {
    if advance::is_due(account, now) {
        return Ok(None);
    }
    let mut advanced = advance::advance(account, catalog, now)?;
    let grant = request.grant;
    let free = advanced.account.available;
    let taken = advanced.account.burn_order.take(free, |known| known.id == grant);
    let credits: Credits = taken.iter().map(|grant| grant.left).sum();
    advanced.account.available -= credits;
    let entry = Entry {
        available: -credits,
        actor: actor.map(str::to_owned),
        reason: Some(request.explanation.reason.clone()),
        message: request.explanation.message.clone(),
        ..Entry::new(operation, now, catalog.version, EntryKind::Revoked { grant, kind })
    };
    let revoked =
        Account { available: account.available - credits, seq: account.seq + 1, ..account.clone() };
    let AccountWrite { account: id, then, .. } = advance::record(&revoked, advanced, catalog, now);
    let then = [vec![Step::Append(entry)], then].concat();
    let when = vec![Guard::SeqIs(account.seq), Guard::ValidAt(now), Guard::RoomFor(2)];
    Ok(Some(AccountWrite { account: id, when, then }))
}
