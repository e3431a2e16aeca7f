//! Plan changes and freezes: an operator changes what an account may do.

use super::open::PlanRequest;
use super::renew::closed_by_plan;
use super::{AccountWrite, Guard, Made, Step};
use crate::domain::entry::Explanation;
use crate::domain::period::{Anchor, Day};
use crate::domain::{
    Account, Catalog, Entry, EntryKind, Gate, Instant, OperationId, PendingChange, Refusal, Status,
};

/// The write of a plan change: a pending change that the next advance folds in.
///
/// The pending change is dated, so the burn order must still be valid: no turn lies between it and
/// the account. A field that the request leaves out stays as it is, except the anchor of a plan
/// that begins now with no period running: that is today. A plan state that is so already is not
/// written again, and neither is that of a request without a plan, whatever the account's is.
///
/// # Errors
/// [`Refusal::UnknownPlan`] if the catalog has no such plan; [`Refusal::InvalidRequest`] for an
/// anchor in the future, and for a restart of a plan that grants nothing.
pub fn change(
    account: &Account,
    request: &PlanRequest,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<Made, Refusal> {
    let Some(plan) = request.plan.clone() else {
        return Ok(Made::Already(latest(account)));
    };
    let terms = catalog.offered_plan(&plan)?;
    let named = request.anchor(now)?;
    let plan_state = &account.plan_state;
    let status = request.status.unwrap_or(plan_state.status);
    let grants = status == Status::Active && !terms.monthly.at(now).is_zero();
    if request.restart && !grants {
        return Err(Refusal::invalid("restart", "needs an active plan with monthly credits"));
    }
    // An account that pays late for its plan keeps its anchor.
    let came_back = plan_state.plan == plan && plan_state.status == Status::PastDue;
    let is_new = plan_state.plan != plan || plan_state.status == Status::Canceled;
    let begins = grants && is_new && !came_back && !plan_state.monthly.runs(now);
    let anchor = match (named, begins || request.restart) {
        (Some(anchor), false) => anchor,
        (Some(anchor), true) if !request.restart => anchor,
        (_, true) => Anchor(Day::of(now)),
        (None, false) => plan_state.anchor,
    };
    let known = (&plan_state.plan, plan_state.status, plan_state.anchor);
    // A pending change that is not folded in yet has to be advanced first.
    if known == (&plan, status, anchor) && !request.restart && account.valid_until > now {
        return Ok(Made::Already(plan_state.since));
    }
    let gate = Gate { no_plan: closed_by_plan(terms, status, now), ..account.gate };
    let restart = request.restart;
    let kind = EntryKind::PlanChanged { plan: plan.clone(), status, anchor };
    let note = PendingChange::Plan { plan, status, anchor, restart, at: now, entry: operation };
    Ok(Made::Change(AccountWrite {
        account: account.id.clone(),
        when: vec![
            Guard::ValidAt(now),
            // The fields that the request leaves out are as they were read.
            Guard::AdvancedIs(account.advanced_seq),
            Guard::GateIs(account.gate),
            Guard::RoomFor(1),
        ],
        then: vec![
            Step::SetGate(gate),
            Step::AddPending(vec![note]),
            Step::Append(entry(kind, operation, catalog, actor, None, now)),
        ],
    }))
}

/// The entry that set the plan, with a change that no advance has folded in yet.
fn latest(account: &Account) -> OperationId {
    let pending = account.pending_changes.iter().rev().find_map(|change| match change {
        PendingChange::Plan { entry, .. } => Some(*entry),
        _ => None,
    });
    pending.unwrap_or(account.plan_state.since)
}

/// A freeze or an unfreeze in one line, for its idempotency record.
pub fn freeze_content(frozen: bool, explanation: &Explanation) -> String {
    format!("freeze {frozen} {}", explanation.content())
}

/// Freezes or unfreezes an account, with a reason. It changes no balance.
pub fn freeze(
    account: &Account,
    frozen: bool,
    explanation: &Explanation,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> AccountWrite {
    let kind = if frozen { EntryKind::Frozen } else { EntryKind::Unfrozen };
    AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::GateIs(account.gate), Guard::RoomFor(1)],
        then: vec![
            Step::SetGate(Gate { frozen, ..account.gate }),
            Step::Append(entry(kind, operation, catalog, actor, Some(explanation), now)),
        ],
    }
}

/// The entry of an operator's change that moves no credits by itself.
pub(super) fn entry(
    kind: EntryKind,
    id: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    explanation: Option<&Explanation>,
    now: Instant,
) -> Entry {
    Entry {
        actor: actor.map(str::to_owned),
        reason: explanation.map(|said| said.reason.clone()),
        message: explanation.and_then(|said| said.message.clone()),
        ..Entry::new(id, now, catalog.version, kind)
    }
}
