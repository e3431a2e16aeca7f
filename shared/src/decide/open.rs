//! Open: creates an account with its first grants.

use std::collections::BTreeMap;

use super::renew;
use crate::domain::grant::BurnOrder;
use crate::domain::period::{Anchor, Day};
use crate::domain::{
    Account, AccountId, Catalog, Debts, Entry, EntryKind, Gate, Instant, Movement, OperationId,
    PeriodAllowance, Plan, PlanState, PlanTerms, Refusal, Status,
};

/// The plan an operator wants an account to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// None: the account keeps all of its plan state, and the other fields are not read.
    pub plan: Option<String>,
    pub status: Option<Status>,
    pub anchor: Option<Anchor>,
    /// How many seats are paid for, of a plan by the seat.
    pub seats: Option<u32>,
    /// Whether a new cycle was paid for: the current plan period ends, and a whole one begins
    /// today.
    pub restart: bool,
    pub when: When,
}

/// When a change of plan takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    #[default]
    Now,
    /// At the end of the plan period that runs, or else of the week.
    PeriodEnd,
}

impl When {
    pub const ALL: [When; 2] = [When::Now, When::PeriodEnd];

    pub fn name(self) -> &'static str {
        match self {
            When::Now => "now",
            When::PeriodEnd => "period_end",
        }
    }
}

impl PlanRequest {
    /// A request for a plan alone, now.
    pub fn of(plan: &str) -> PlanRequest {
        PlanRequest { plan: Some(plan.to_owned()), ..PlanRequest::default() }
    }

    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let plan = self.plan.as_deref().unwrap_or("-");
        let status = self.status.map_or("-", Status::name);
        let anchor = self.anchor.map_or("-".to_owned(), |anchor| anchor.0.to_string());
        let restart = if self.restart { " restart" } else { "" };
        let seats = self.seats.map_or(String::new(), |seats| format!(" seats {seats}"));
        let at = if self.when == When::Now { "" } else { " at period_end" };
        format!("plan {plan} {status} {anchor}{restart}{seats}{at}")
    }

    /// The seats that it asks for, of a plan that may have several.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for several seats of a plan that has none.
    pub(super) fn seats(&self, plan: &Plan) -> Result<Option<u32>, Refusal> {
        match self.seats {
            Some(seats) if seats > 1 && !plan.per_seat => {
                Err(Refusal::invalid("seats", "must be 1: the plan is not by the seat"))
            }
            seats => Ok(seats),
        }
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
    if request.when != When::Now {
        return Err(Refusal::invalid("at", "must be now: there is no such account"));
    }
    let terms = PlanTerms {
        plan: named.clone(),
        status: request.status.unwrap_or(Status::Active),
        anchor: request.anchor(now)?.unwrap_or_else(|| Anchor(Day::of(now))),
        seats: request.seats(plan)?.unwrap_or(1),
    };
    let plan_state = PlanState {
        terms: terms.clone(),
        next: None,
        since: operation,
        weekly: PeriodAllowance::NOTHING,
        monthly: PeriodAllowance::NOTHING,
        counted_from: now,
        counted_until: now,
        filled_at: now,
    };
    let no_plan = renew::closed_by_plan(plan, terms.status, now);
    let (plan_state, grants) = renew::begin(plan_state, plan, now);
    let plan_state = PlanState { filled_at: plan_state.recharged_at(), ..plan_state };
    let until = renew::turn_after(&plan_state, plan, now);
    let moved = grants.iter().map(|grant| Movement::of(grant, grant.left)).collect();
    let burn_order = BurnOrder::new(grants);
    let kind = EntryKind::Opened { terms, moved };
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
