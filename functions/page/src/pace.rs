//! How long credits last at the present pace. Exact, in micro-credits and milliseconds.

use std::collections::BTreeMap;

use shared::domain::instant::Span;
use shared::domain::period::Day;
use shared::domain::{Credits, Grant, GrantKind, Instant};

/// The pace is that of so many full days before today,
const DAYS: u32 = 7;
/// but for days before consumption began, or began again after as many days without any.
const DAYS_WITHOUT: u32 = 7;
/// Of one day nothing follows.
const MIN_DAYS: u32 = 2;
/// The days that [`pace`] looks at.
pub const DAYS_READ: u32 = DAYS + DAYS_WITHOUT;

/// Credits end soon if they end within a week.
const SOON: Span = Span::from_s(7 * 86_400);
const DAY_MS: i128 = 86_400_000;
/// A date further away would only look exact.
const FAR: Span = Span::from_s(366 * 86_400);

/// So many credits in so many full days. More than 0, in at least 2 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub credits: Credits,
    pub days: u32,
}

/// Until when credits last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until some time on this day.
    Until(Day),
    /// Until the next credits come back, or longer.
    UntilRenewal,
    /// More than a year.
    Long,
}

/// The pace of the full days before `today`. `days`: what was consumed on each day; those of the
/// last [`DAYS_READ`] days count. None: too few days, or no consumption.
pub fn pace(days: &BTreeMap<Day, Credits>, today: Day) -> Option<Pace> {
    let start = today.minus(DAYS);
    let is_use = |day: &Day| days.get(day).is_some_and(|credits| !credits.is_zero());
    let was_used = days.range(today.minus(DAYS_READ)..start).any(|(day, _)| is_use(day));
    let first = match was_used {
        true => start,
        false => days.range(start..today).map(|(day, _)| *day).find(is_use)?,
    };
    let credits: Credits = days.range(first..today).map(|(_, credits)| *credits).sum();
    let count = today.days() - first.days();
    (count >= MIN_DAYS && credits > Credits::ZERO).then_some(Pace { credits, days: count })
}

/// Until when `grants`, in burn order, last from `now` on. What a grant has left when it expires
/// does not last longer than it. `renews`: when the next credits come back.
pub fn lasts(grants: &[Grant], pace: Pace, now: Instant, renews: Option<Instant>) -> Lasts {
    let mut until = now;
    for grant in grants.iter().filter(|grant| grant.left > Credits::ZERO) {
        let burnt = i128::from(grant.left.micro()) * i128::from(pace.days) * DAY_MS
            / i128::from(pace.credits.micro());
        let burnt = i64::try_from(burnt).unwrap_or(i64::MAX).min(FAR.ms());
        let burnt = until + Span::from_ms(burnt);
        until = grant.expires_at.map_or(burnt, |end| burnt.min(end)).max(until);
        if renews.is_some_and(|renews| until >= renews) {
            return Lasts::UntilRenewal;
        }
        if until >= now + FAR {
            return Lasts::Long;
        }
    }
    Lasts::Until(Day::of(until))
}

/// Whether a grant ends within a week, and no credits come back in its place.
pub fn ends_soon(grant: &Grant, now: Instant, renews: Option<Instant>) -> bool {
    let Some(end) = grant.expires_at else { return false };
    let is_renewed = is_allowance(grant.kind) && renews.is_some_and(|renews| renews <= end);
    end <= now + SOON && !is_renewed
}

/// Whether credits of this kind are a period's allowance; the others come in addition to it.
pub fn is_allowance(kind: GrantKind) -> bool {
    matches!(kind, GrantKind::Weekly | GrantKind::Plan)
}

/// Whether at most a fifth is left of the credits of the period.
pub fn is_low(available: Credits, of_period: Credits) -> bool {
    i128::from(available.micro()) * 5 <= i128::from(of_period.micro())
}
