//! Plan changes and freezing: an operator's changes of what an account may do.

use super::open::{PlanRequest, closed_by_plan};
use super::{AccountWrite, Guard, Step};
use crate::domain::{Account, Catalog, Entry, Gate, Instant, Note, OperationId, Refusal, What};

/// The change of plan: a note, folded in by whoever settles next.
///
/// The note is dated, so the line must still be valid: no turn lies between it and the account.
/// What the request leaves out stays as it is.
///
/// # Errors
/// [`Refusal::UnknownPlan`] if the catalog has no such plan.
pub fn change(
    account: &Account,
    request: &PlanRequest,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<AccountWrite, Refusal> {
    let unknown = || Refusal::UnknownPlan { plan: request.plan.clone() };
    let terms = catalog.plan(&request.plan).ok_or_else(unknown)?;
    let (_, status, anchor) = account.latest_plan();
    let status = request.status.unwrap_or(status);
    let anchor = request.anchor.unwrap_or(anchor);
    let plan = request.plan.clone();
    let gate = Gate { no_plan: closed_by_plan(terms, status), ..account.gate };
    let what = What::PlanChanged { plan: plan.clone(), status, anchor };
    Ok(AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::ValidAt(now), Guard::GateIs(account.gate), Guard::RoomFor(1)],
        then: vec![
            Step::SetGate(gate),
            Step::Notes(vec![Note::Plan { plan, status, anchor, at: now }]),
            Step::Append(entry(what, operation, catalog, actor, None, now)),
        ],
    })
}

/// A freeze or its end in one line, for its receipt.
pub fn freeze_content(frozen: bool, reason: &str) -> String {
    format!("freeze {frozen} {reason:?}")
}

/// Freezes or thaws an account, with a reason. It changes no balance.
pub fn freeze(
    account: &Account,
    frozen: bool,
    reason: &str,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> AccountWrite {
    let what = if frozen { What::Frozen } else { What::Unfrozen };
    AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::GateIs(account.gate), Guard::RoomFor(1)],
        then: vec![
            Step::SetGate(Gate { frozen, ..account.gate }),
            Step::Append(entry(what, operation, catalog, actor, Some(reason), now)),
        ],
    }
}

/// The entry of what an operator does that moves no credits by itself.
pub(super) fn entry(
    what: What,
    id: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    reason: Option<&str>,
    now: Instant,
) -> Entry {
    Entry {
        user: actor.map(str::to_owned),
        reason: reason.map(str::to_owned),
        ..Entry::new(id, now, catalog.version, what)
    }
}
