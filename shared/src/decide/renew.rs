//! Renew: what a week, a plan period and a plan that begins are granted.

use crate::domain::period::{Period, week};
use crate::domain::{Credits, Given, Grant, GrantId, GrantKind, Instant, Plan, Standing, Status};

/// Whether a plan and its status leave the gate closed at `now`.
pub(super) fn closed_by_plan(plan: &Plan, status: Status, now: Instant) -> bool {
    !plan.ai.at(now) || status == Status::Canceled
}

/// The grants that `standing` has at once when it begins at `now`, and the period that is counted.
pub(super) fn begin(standing: Standing, plan: &Plan, now: Instant) -> (Standing, Vec<Grant>) {
    let mut standing = standing;
    let grants = renew(&mut standing, plan, now, Why::PlanBegins { restarts: false });
    let Period { start, end } = standing.period(now);
    (Standing { counted_from: start, counted_until: end, ..standing }, grants)
}

/// Why a plan grants now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A week or a plan period begins: the sizes in force at its start are granted.
    PeriodBegins,
    /// The account came to the plan, or has paid for it again: what its running periods have not been
    /// given yet is granted. `restarts`: whether the plan period begins now, and not with the anchor's.
    PlanBegins { restarts: bool },
}

/// The next instant after `struck` at which time means something to a standing.
pub(super) fn turn_after(standing: &Standing, plan: &Plan, struck: Instant) -> Instant {
    let grants = plan.monthly.values().any(|size| !size.is_zero());
    let renews = (standing.status == Status::Active && grants).then(|| {
        let after = Instant::from_ms(struck.ms() + 1);
        standing.anchor.from(after).max(standing.monthly.period.end)
    });
    let week = standing.weekly.period.end;
    standing.counted_until.min(week).min(renews.unwrap_or(Instant::MAX))
}

/// Grants what the week and the plan period of `now` are due. Going from plan to plan and back, a
/// period is given the size of its largest plan, once.
pub(super) fn renew(standing: &mut Standing, plan: &Plan, now: Instant, why: Why) -> Vec<Grant> {
    let mut grants = Vec::new();
    if !standing.weekly.runs(now) {
        standing.weekly = Given::nothing(week(now));
    }
    if standing.status != Status::Canceled {
        let given = &mut standing.weekly;
        let (size, id) = (plan.weekly.at(now), GrantId::Week(given.period.start));
        grants.extend(fill(given, size, id, GrantKind::Weekly, now));
    }
    if standing.status != Status::Active {
        return grants;
    }
    let (runs, begins) = (standing.monthly.runs(now), standing.anchor.period(now));
    let (period, sized_at) = match why {
        Why::PeriodBegins if runs || begins.start < now => return grants,
        Why::PeriodBegins => (begins, now),
        // It runs to its end; a larger plan adds what it gives more.
        Why::PlanBegins { .. } if runs => (standing.monthly.period, standing.monthly.period.start),
        Why::PlanBegins { restarts } => {
            // It begins no earlier than the one before ended: none overlap.
            let ended = if restarts { now } else { standing.monthly.period.end };
            (Period { start: begins.start.max(ended), ..begins }, now)
        }
    };
    let size = plan.monthly.at(sized_at);
    if !runs && !size.is_zero() {
        standing.monthly = Given::nothing(period);
    }
    let id = GrantId::Period(period.start);
    grants.extend(fill(&mut standing.monthly, size, id, GrantKind::Plan, now));
    grants
}

/// The grant that brings what was given for a period to `size`.
fn fill(
    given: &mut Given,
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
