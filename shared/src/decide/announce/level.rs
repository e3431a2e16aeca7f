//! The levels at which credits are low.

use crate::domain::{Account, Credits, Instant, PeriodAllowance};

/// The credits of a full account: what was granted for the period that contains `now`; or, where no
/// plan grants anything, the latest purchase that is still in the burn order. Zero: neither, so
/// credits are never low.
pub(super) fn full(account: &Account, now: Instant) -> Credits {
    let Account { plan_state, burn_order, .. } = account;
    let grants = |given: &&PeriodAllowance| given.runs(now) && !given.amount.is_zero();
    let given = [&plan_state.monthly, &plan_state.weekly].into_iter().find(grants);
    let bought = burn_order.grants().iter().filter(|grant| grant.kind.is_paid());
    let bought = bought.max_by_key(|grant| grant.granted_at).map(|grant| grant.amount);
    given.map(|given| given.amount).or(bought).unwrap_or(Credits::ZERO)
}

/// So many hundredths of an amount, rounded down.
pub(super) fn share(of: Credits, percent: u8) -> Credits {
    Credits::from_micro(of.micro() / 100 * i64::from(percent))
}
