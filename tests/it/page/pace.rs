//! How long credits last at the present pace.

use std::collections::BTreeMap;

use ::page::pace::{Lasts, Pace, ends_soon, is_low, lasts, pace};
use proptest::prelude::*;
use shared::domain::grant::GrantId;
use shared::domain::instant::Span;
use shared::domain::period::Day;
use shared::domain::{Credits, Grant, GrantKind, Instant};

const DAY_S: i64 = 86_400;

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn now() -> Instant {
    Instant::parse("2026-11-18T12:00:00Z").expect("a time")
}

/// So many days from now.
fn after(days: i64) -> Instant {
    now() + Span::from_s(days * DAY_S)
}

/// The consumption of the days before 2026-11-18, the latest last.
fn used(before: &[i64]) -> BTreeMap<Day, Credits> {
    let today = day("2026-11-18");
    let days = before.iter().rev().zip(1..);
    days.map(|(credits, n)| (today.minus(n), Credits::whole(*credits))).collect()
}

fn paced(before: &[i64]) -> Option<(i64, u32)> {
    let found = pace(&used(before), day("2026-11-18"))?;
    Some((found.credits.micro() / 1_000_000, found.days))
}

fn grant(kind: GrantKind, credits: i64, expires_at: Option<Instant>) -> Grant {
    let id = GrantId::Week(Instant::EPOCH);
    Grant::new(id, kind, Credits::whole(credits), Instant::EPOCH, expires_at)
}

fn per_day(credits: i64) -> Pace {
    Pace { credits: Credits::whole(credits * 7), days: 7 }
}

#[test]
fn the_pace_is_of_seven_full_days_or_of_those_since_consumption_began() {
    for (before, expected) in [
        // Eight days of use: the first of them does not count, but shows that it began before.
        (&[9, 1, 2, 3, 4, 5, 6, 7][..], Some((28, 7))),
        (&[9, 0, 0, 0, 0, 0, 6, 7], Some((13, 7))),
        (&[6, 0, 7], Some((13, 3))),
        (&[6, 7], Some((13, 2))),
        (&[7], None),
        (&[], None),
        // A week without consumption: it began again two days ago.
        (&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7], Some((13, 2))),
        // Refunds of earlier days exceed what was consumed.
        (&[1, -2], None),
    ] {
        assert_eq!(paced(before), expected, "{before:?}");
    }
    let mut today = used(&[6, 7]);
    today.insert(day("2026-11-18"), Credits::whole(1000));
    assert_eq!(pace(&today, day("2026-11-18")), pace(&used(&[6, 7]), day("2026-11-18")));
}

#[test]
fn credits_last_until_they_are_burnt_or_end() {
    let bought = |credits| grant(GrantKind::Purchased, credits, Some(after(300)));
    for (grants, renews, expected) in [
        // 20 credits, 10 a day.
        (vec![bought(20)], None, Lasts::Until(day("2026-11-20"))),
        (vec![bought(24)], None, Lasts::Until(day("2026-11-20"))),
        (vec![bought(25)], None, Lasts::Until(day("2026-11-21"))),
        (vec![], None, Lasts::Until(day("2026-11-18"))),
        // The week's credits end before they are burnt; then the others are.
        (
            vec![grant(GrantKind::Weekly, 1000, Some(after(4))), bought(20)],
            None,
            Lasts::Until(day("2026-11-24")),
        ),
        (vec![bought(20)], Some(after(3)), Lasts::Until(day("2026-11-20"))),
        (vec![bought(20)], Some(after(2)), Lasts::UntilRenewal),
        (vec![grant(GrantKind::Plan, 1000, Some(after(4)))], Some(after(4)), Lasts::UntilRenewal),
        (vec![grant(GrantKind::Manual, 1_000_000_000, None)], None, Lasts::Long),
        (vec![grant(GrantKind::Manual, 3659, None)], None, Lasts::Until(day("2027-11-19"))),
    ] {
        assert_eq!(lasts(&grants, per_day(10), now(), renews), expected, "{grants:?} {renews:?}");
    }
}

#[test]
fn credits_end_soon_within_a_week_unless_others_come_in_their_place() {
    let week = |end| grant(GrantKind::Weekly, 25, Some(after(end)));
    assert!(!ends_soon(&week(5), now(), Some(after(5))), "the next week brings as many");
    assert!(ends_soon(&week(5), now(), None), "the plan was canceled");
    assert!(ends_soon(&week(5), now(), Some(after(6))), "the next come later");
    let gift = |end| grant(GrantKind::Promotional, 25, Some(after(end)));
    assert!(ends_soon(&gift(7), now(), Some(after(5))));
    assert!(!ends_soon(&gift(8), now(), None));
    assert!(!ends_soon(&grant(GrantKind::Manual, 25, None), now(), None));
}

#[test]
fn credits_are_low_from_a_fifth_of_the_period_down() {
    let low = |left, all| is_low(Credits::from_micro(left), Credits::from_micro(all));
    assert!(low(20, 100) && low(0, 100));
    assert!(!low(21, 100));
    assert!(low(1, 5) && !low(1, 4));
    assert!(!low(Credits::MAX_BALANCE.micro(), Credits::MAX_BALANCE.micro()));
}

proptest! {
    #[test]
    fn credits_that_do_not_end_last_to_the_millisecond(
        left in 1..1_000_000_000_000_i64,
        consumed in 1..1_000_000_000_000_i64,
        days in 2..=7_u32,
    ) {
        let mut grant = grant(GrantKind::Manual, 1, None);
        (grant.left, grant.amount) = (Credits::from_micro(left), Credits::from_micro(left));
        let pace = Pace { credits: Credits::from_micro(consumed), days };
        let exact = i128::from(left) * i128::from(days) * 86_400_000 / i128::from(consumed);
        let expected = match i64::try_from(exact).ok().filter(|ms| *ms < 366 * DAY_S * 1000) {
            Some(ms) => Lasts::Until(Day::of(now() + Span::from_ms(ms))),
            None => Lasts::Long,
        };
        prop_assert_eq!(lasts(&[grant], pace, now(), None), expected);
    }

    #[test]
    fn more_credits_last_as_long_or_longer(
        amounts in prop::collection::vec((1..10_000_i64, 1..200_i64), 1..8),
        per in 1..500_i64,
    ) {
        let mut grants: Vec<_> = amounts
            .iter()
            .map(|(credits, end)| grant(GrantKind::Purchased, *credits, Some(after(*end))))
            .collect();
        grants.sort_by_key(|grant| grant.expires_at);
        let until = |grants: &[Grant]| match lasts(grants, per_day(per), now(), None) {
            Lasts::Until(day) => day,
            Lasts::UntilRenewal | Lasts::Long => Day::LAST,
        };
        let all = until(&grants);
        prop_assert!(until(&grants[..grants.len() - 1]) <= all);
        prop_assert!(Some(all.start()) <= grants.last().and_then(|grant| grant.expires_at));
    }
}
