//! Open: creates an account with its first grants.

use std::collections::BTreeMap;

use super::renew;
use crate::domain::grant::BurnOrder;
use crate::domain::period::{Anchor, Day};
use crate::domain::{
    Account, AccountId, Catalog, Debts, Entry, EntryKind, Gate, Instant, Movement, OperationId,
    PeriodAllowance, PlanState, Refusal, Status,
};

/// The plan an operator wants an account to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    /// None: the account keeps all of its plan state, and the other fields are not read.
    pub plan: Option<String>,
    pub status: Option<Status>,
    pub anchor: Option<Anchor>,
    /// Whether a new cycle was paid for: the current plan period ends, and a whole one begins
    /// today.
    pub restart: bool,
}

impl PlanRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let plan = self.plan.as_deref().unwrap_or("-");
        let status = self.status.map_or("-", Status::name);
        let anchor = self.anchor.map_or("-".to_owned(), |anchor| anchor.0.to_string());
        let restart = if self.restart { " restart" } else { "" };
        format!("plan {plan} {status} {anchor}{restart}")
    }

    /// The anchor that the request names.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for a day in the future.
    pub(super) fn anchor(&self, now: Instant) -> Result<Option<Anchor>, Refusal> {
        match self.anchor {
            Some(anchor) if anchor.0 > Day::of(now) => {
                Err(Refusal::invalid("anchor", "must not be in the future"))
            }
            anchor => Ok(anchor),
        }
    }
}

/// A new account on `request`'s plan: active and anchored today, unless the request says otherwise.
///
/// # Errors
/// [`Refusal::UnknownPlan`] if the catalog has no such plan; [`Refusal::InvalidRequest`] for a
/// request without a plan, and for an anchor in the future.
pub fn open(
    id: &AccountId,
    request: &PlanRequest,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<Account, Refusal> {
    let required = || Refusal::invalid("plan", "is required: there is no such account");
    let named = request.plan.as_ref().ok_or_else(required)?;
    let plan = catalog.offered_plan(named)?;
    let plan_state = PlanState {
        plan: named.clone(),
        status: request.status.unwrap_or(Status::Active),
        anchor: request.anchor(now)?.unwrap_or_else(|| Anchor(Day::of(now))),
        since: operation,
        weekly: PeriodAllowance::NOTHING,
        monthly: PeriodAllowance::NOTHING,
        counted_from: now,
        counted_until: now,
        filled_at: now,
    };
    let no_plan = renew::closed_by_plan(plan, plan_state.status, now);
    let (plan_state, grants) = renew::begin(plan_state, plan, now);
    let plan_state = PlanState { filled_at: plan_state.recharged_at(), ..plan_state };
    let until = renew::turn_after(&plan_state, plan, now);
    let moved = grants.iter().map(|grant| Movement::of(grant, grant.left)).collect();
    let burn_order = BurnOrder::new(grants);
    let (plan, status, anchor) = (named.clone(), plan_state.status, plan_state.anchor);
    let kind = EntryKind::Opened { plan, status, anchor, moved };
    let entry = Entry {
        available: burn_order.left(),
        actor: actor.map(str::to_owned),
        ..Entry::new(operation, now, catalog.version, kind)
    };
    let valid_until = burn_order.next_expiry().map_or(until, |expiry| expiry.min(until));
    Ok(Account {
        id: id.clone(),
        available: burn_order.left(),
        debts: Debts::NONE,
        burn_order,
        pending_changes: Vec::new(),
        valid_until,
        gate: Gate { no_plan, ..Gate::OPEN },
        holds: BTreeMap::new(),
        consumed: BTreeMap::new(),
        used: BTreeMap::new(),
        limits_version: 0,
        threshold: None,
        plan_state,
        seq: 1,
        archived_seq: 0,
        advanced_seq: 1,
        advanced_at: now,
        dedup_floor: Instant::EPOCH,
        archived_at: Instant::EPOCH,
        recent: vec![entry],
    })
}
