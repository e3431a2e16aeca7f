//! Renew: the grants of a week, of a plan period and of a plan that begins.

use crate::domain::period::{Period, week};
use crate::domain::{
    Credits, Grant, GrantId, GrantKind, Instant, PeriodAllowance, Plan, PlanState, PlanTerms,
    Status,
};

/// Whether a plan and its status leave the gate closed at `now`.
pub(super) fn closed_by_plan(plan: &Plan, status: Status, now: Instant) -> bool {
    !plan.ai.at(now) || status == Status::Canceled
}

/// The first grants of `plan_state` when it begins at `now`, and the period that is counted.
pub(super) fn begin(plan_state: PlanState, plan: &Plan, now: Instant) -> (PlanState, Vec<Grant>) {
    let mut plan_state = plan_state;
    let grants = renew(&mut plan_state, plan, now, Why::PlanBegins { restarts: false });
    let Period { start, end } = plan_state.period(now);
    (PlanState { counted_from: start, counted_until: end, ..plan_state }, grants)
}

/// The reason why a plan grants now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A week or a plan period begins: the sizes in force at its start are granted.
    PeriodBegins,
    /// The account gets the plan, or has paid for it again: the plan grants what the current
    /// periods have not been given yet. `restarts`: whether the plan period begins now, and not
    /// with the anchor's.
    PlanBegins { restarts: bool },
}

/// The next instant after `struck` at which time changes something for a plan state.
pub(super) fn turn_after(plan_state: &PlanState, plan: &Plan, struck: Instant) -> Instant {
    let PlanTerms { status, anchor, .. } = plan_state.terms;
    let grants = plan.sized(status).values().any(|size| !size.is_zero());
    let renews = (status.renews() && grants).then(|| {
        let after = Instant::from_ms(struck.ms() + 1);
        anchor.from(after).max(plan_state.monthly.period.end)
    });
    let changes = plan_state.next.as_ref().map(|next| next.at);
    let week = plan_state.weekly.period.end;
    let first = [renews, changes].into_iter().flatten().min().unwrap_or(Instant::MAX);
    plan_state.counted_until.min(week).min(first)
}

/// Grants what is due for the week and the plan period of `now`. Through any changes of plan, a
/// period is given the size of its largest plan, once.
pub(super) fn renew(plan_state: &mut PlanState, plan: &Plan, now: Instant, why: Why) -> Vec<Grant> {
    let mut grants = Vec::new();
    if !plan_state.weekly.runs(now) {
        plan_state.weekly = PeriodAllowance::nothing(week(now));
    }
    let PlanTerms { status, anchor, seats, .. } = plan_state.terms;
    if status != Status::Canceled {
        let given = &mut plan_state.weekly;
        let (size, id) = (plan.weekly.at(now).times(seats), GrantId::Week(given.period.start));
        grants.extend(fill(given, size, id, GrantKind::Weekly, now));
    }
    if !status.renews() {
        return grants;
    }
    let (runs, begins) = (plan_state.monthly.runs(now), anchor.period(now));
    let (period, sized_at) = match why {
        Why::PeriodBegins if runs || begins.start < now => return grants,
        Why::PeriodBegins => (begins, now),
        // The period runs to its end; a larger plan adds the difference.
        Why::PlanBegins { .. } if runs => {
            (plan_state.monthly.period, plan_state.monthly.period.start)
        }
        Why::PlanBegins { restarts } => {
            // It begins no earlier than the end of the one before: periods never overlap.
            let ended = if restarts { now } else { plan_state.monthly.period.end };
            (Period { start: begins.start.max(ended), ..begins }, now)
        }
    };
    let size = plan.sized(status).at(sized_at).times(seats);
    if !runs && !size.is_zero() {
        plan_state.monthly = PeriodAllowance::nothing(period);
    }
    let id = GrantId::Period(period.start);
    grants.extend(fill(&mut plan_state.monthly, size, id, GrantKind::Plan, now));
    grants
}

/// The grant that fills up what was given for a period to `size`.
fn fill(
    given: &mut PeriodAllowance,
    size: Credits,
    id: GrantId,
    kind: GrantKind,
    now: Instant,
) -> Option<Grant> {
    let missing = size - given.amount;
    if missing <= Credits::ZERO {
        return None;
    }
    given.amount = size;
    let grant = Grant::new(id, kind, size, now, Some(given.period.end));
    Some(Grant { left: missing, ..grant })
}
