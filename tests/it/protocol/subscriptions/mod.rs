//! Subscriptions: an account's plan against a model of what Stripe bills.

mod bill;
mod model;

use proptest::prelude::*;
use shared::decide::subscription;
use shared::domain::instant::Span;
use shared::domain::subscription::{Subscription, SubscriptionStatus as Is};
use shared::domain::{Credits, OperationId, Status};

use bill::{Bill, Deed, months_after};
use model::{MINUTE, at, play, subscribe};

fn deed() -> impl Strategy<Value = Deed> {
    let price = || prop::sample::select(vec!["price_starter", "price_pro", "price_seat"]);
    let yearly = prop::sample::select(vec!["price_starter", "price_pro", "price_pro_year"]);
    prop_oneof![
        4 => (yearly.clone(), 1..4_u64, prop::option::of(1..70_u64)).prop_map(
            |(price, quantity, trial_days)| Deed::Subscribe { price, quantity, trial_days }
        ),
        2 => (price(), 1..4_u64).prop_map(|(price, quantity)| Deed::Change(price, quantity)),
        1 => yearly.prop_map(Deed::Restart),
        2 => price().prop_map(Deed::ChangeAtEnd),
        2 => (1..5_u64).prop_map(Deed::Seats),
        1 => Just(Deed::CancelNow),
        2 => Just(Deed::CancelAtEnd),
        2 => Just(Deed::Resume),
        1 => Just(Deed::Fail),
        2 => Just(Deed::Pay),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_account_is_granted_the_cycles_that_are_paid_or_tried_each_once(
        day in 0..400_i64,
        steps in prop::collection::vec((0..50_u64, deed()), 1..12),
        // No hint is so late that it comes after midnight.
        late_s in prop::sample::select(vec![0, 61, 793]),
    ) {
        let begins = at("2026-11-18T14:23:00Z") + Span::from_s(day * 86_400);
        let mut world = play(begins, &steps, Span::from_s(late_s));
        let end = world.now + Span::from_s(70 * 86_400);
        world.wait(end, Span::from_s(late_s));
    }
}

#[test]
fn a_subscription_of_the_afternoon_is_granted_twelve_renewals_at_midnight() {
    for day in ["2026-11-18", "2027-01-31", "2028-02-29"] {
        let begins = at(&format!("{day}T14:22:00Z"));
        let mut world = play(begins, &[(0, subscribe("price_pro"))], MINUTE);
        let year = months_after(world.bill.as_ref().expect("a bill").start, 12);
        world.wait(year + Span::from_s(3_600), MINUTE);
        assert_eq!(world.granted, Credits::whole(13 * 2500), "{day}");
    }
}

#[test]
fn a_year_paid_at_once_is_granted_each_month() {
    let begins = at("2027-01-31T14:22:00Z");
    let mut world = play(begins, &[(0, subscribe("price_pro_year"))], MINUTE);
    world.wait(begins + Span::from_s(364 * 86_400), MINUTE);
    assert_eq!(world.granted, Credits::whole(12 * 2500));
}

#[test]
fn a_subscription_that_ends_with_its_period_is_canceled_by_the_clock_and_resumed() {
    let steps = [(0, subscribe("price_pro")), (3, Deed::CancelAtEnd)];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    let next = world.account.plan_state.next.clone().expect("a change is due");
    assert_eq!((next.status, next.at), (Status::Canceled, at("2026-12-18T00:00:00Z")));
    let (_, resumed) = (world.act(&Deed::Resume), world.follow());
    assert_eq!((resumed, &world.account.plan_state.next), ((), &None));
    world.act(&Deed::CancelAtEnd);
    world.follow();
    world.wait(at("2026-12-18T00:00:00Z"), MINUTE);
    assert_eq!(world.account.plan_state.terms.status, Status::Canceled);
    assert_eq!(world.granted, Credits::whole(2500));
}

#[test]
fn seats_up_fill_the_period_and_seats_down_wait_for_the_next() {
    let team = Deed::Subscribe { price: "price_seat", quantity: 2, trial_days: None };
    let steps = [(0, team), (3, Deed::Seats(5)), (2, Deed::Seats(1))];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    assert_eq!(world.granted, Credits::whole(5 * 300));
    world.wait(at("2026-12-19T00:00:00Z"), MINUTE);
    assert_eq!(world.granted, Credits::whole(6 * 300));
}

#[test]
fn two_subscriptions_at_once_and_a_price_of_no_plan_wait_for_an_operator() {
    let steps = [(0, subscribe("price_pro"))];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    let before = world.account.clone();
    let first = world.bill.clone().expect("a bill");
    let mut ask = |said: Subscription| {
        let known = (&world.account, &world.account.plan_state);
        let id = OperationId::mint(world.now, [99; 10]);
        let change =
            subscription::change(&world.billing, vec![said], known, id, &world.catalog, world.now);
        assert!(change.change.is_none());
        world.billing = change.billing;
        world.billing.parked.clone().map(|parked| parked.problem)
    };
    let second = Bill { number: 2, ..first.clone() };
    let problem = ask(second.said()).expect("parked");
    assert_eq!(problem, "two subscriptions run at once: sub_1 and sub_2");
    let over = Bill { is: Is::Canceled, ..second.clone() };
    assert_eq!(ask(over.said()), None);
    let mut unknown = first.said();
    unknown.items[0].of.price = "price_other".to_owned();
    assert_eq!(ask(unknown).expect("parked"), "no plan has the price price_other");
    assert_eq!(ask(first.said()), None);
    assert_eq!(world.account, before);
}
