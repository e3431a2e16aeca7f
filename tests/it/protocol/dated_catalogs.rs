//! Dated values: a catalog names values in force from a Monday on, and cannot change the past.

use crate::support::catalogs::files;
use proptest::prelude::*;
use shared::decide::{advance, catalog_version, open};
use shared::domain::instant::Span;
use shared::domain::period::week;
use shared::domain::{Account, Catalog, CatalogFiles, Credits, Dated, Instant, OperationId};

use crate::support::wire::Fault;
use crate::support::{Stack, instant};

const TUESDAY: &str = "2026-12-01T10:00:00Z";

fn second(changes: &[(&str, &str)]) -> String {
    let first = Catalog::DEFAULT.replace("version = 1", "version = 2");
    changes.iter().fold(first, |text, (from, to)| {
        assert!(text.contains(from), "the default catalog has no {from:?}");
        text.replacen(from, to, 1)
    })
}

async fn publish(stack: &Stack, changes: &[(&str, &str)]) {
    let context = stack.context();
    let text = second(changes);
    let write =
        catalog_version::publish(&*context.catalog().await, &files(&*text), context.clock.now());
    context.store.commit(&write.expect("it follows")).await.expect("published");
}

#[test]
fn values_in_force_stay_and_a_date_is_a_monday_an_hour_ahead() {
    let current = Catalog::parse(&CatalogFiles::built_in()).expect("the default");
    let from = |day: &str| {
        format!(r#"weekly = [{{ credits = "25" }}, {{ from = "{day}", credits = "50" }}]"#)
    };
    let weekly = r#"weekly = "25""#;
    let plan = "[plans.pro]\nai = true\n";
    let next = from("2026-12-07");
    let gains = format!("{plan}weekly = [{{ from = \"2026-12-07\", credits = \"100\" }}]\n");
    let closes = r#"ai = [{ is = true }, { from = "2026-12-07", is = false }]"#;
    let ends = r#"weekly = [{ credits = "25" }, { from = "2026-12-07", credits = "0" }]"#;
    let tuesday = instant(TUESDAY);
    for (changes, now) in [
        (vec![(weekly, next.as_str())], tuesday),
        (vec![(weekly, next.as_str())], instant("2026-12-06T22:59:59Z")),
        (vec![(plan, gains.as_str())], tuesday),
        (vec![("spending_in_debt = true", r#"spending_in_debt = [{ is = true }]"#)], tuesday),
        (
            vec![(weekly, ends), ("[plans.free]\nai = true", &format!("[plans.free]\n{closes}"))],
            tuesday,
        ),
    ] {
        let followed = catalog_version::publish(&current, &files(second(&changes)), now);
        assert!(followed.is_ok(), "{changes:?}: {followed:?}");
    }
    let (early, tues, odd) = (from("2026-11-30"), from("2026-12-08"), from("2026-12-7"));
    let twice = r#"weekly = [{ credits = "25" }, { credits = "50" }]"#;
    let dated = |day, credits| format!(r#"{{ from = "{day}", credits = "{credits}" }}"#);
    let back = format!("weekly = [{}, {}]", dated("2026-12-14", 1), dated("2026-12-07", 2));
    for (changes, now, key) in [
        (vec![(weekly, r#"weekly = "50""#)], tuesday, "plans.free.weekly"),
        (vec![(weekly, early.as_str())], tuesday, "plans.free.weekly"),
        (vec![(weekly, next.as_str())], instant("2026-12-06T23:00:01Z"), "plans.free.weekly"),
        (vec![(weekly, tues.as_str())], tuesday, "plans.free.weekly"),
        (vec![(weekly, odd.as_str())], tuesday, "plans.free.weekly"),
        (vec![(weekly, twice)], tuesday, "plans.free.weekly"),
        (vec![(weekly, back.as_str())], tuesday, "plans.free.weekly"),
        (vec![(weekly, "weekly = []")], tuesday, "plans.free.weekly"),
        (vec![("monthly = \"2500\"", "")], tuesday, "plans.pro.monthly"),
        (
            vec![("[plans.standard]\nai = false", "[plans.standard]\nai = true")],
            tuesday,
            "plans.standard.ai",
        ),
        (
            vec![("[plans.free]\nai = true", &format!("[plans.free]\n{closes}"))],
            tuesday,
            "plans.free.ai",
        ),
        (
            vec![("spending_in_debt = true", "spending_in_debt = false")],
            tuesday,
            "spending_in_debt",
        ),
    ] {
        let refused =
            catalog_version::publish(&current, &files(second(&changes)), now).expect_err(key);
        assert_eq!(refused.key, key, "{changes:?}: {refused}");
    }
}

/// An account with 2 400 left has 2 400 on Sunday and 2 500 on Monday, whether dormant or busy.
#[tokio::test]
async fn a_plan_that_gains_a_weekly_grant_gives_it_from_the_monday_on() {
    let plan = "[plans.pro]\nai = true\n";
    let gains = format!("{plan}weekly = [{{ from = \"2026-12-07\", credits = \"100\" }}]\n");
    for busy in [false, true] {
        let stack = Stack::at("2026-11-20T10:00:00Z").await;
        stack.open("acme", "pro").await;
        assert_eq!(stack.debit("acme", "some", "100").await.status, 201);
        stack.set_clock(TUESDAY);
        publish(&stack, &[(plan, &gains)]).await;
        stack.set_clock("2026-12-01T10:02:00Z");
        if busy {
            assert_eq!(stack.debit("acme", "now", "1").await.status, 201);
        }
        let (sunday, monday) = if busy { ("2399", "2499") } else { ("2400", "2500") };
        stack.set_clock("2026-12-06T23:59:58Z");
        let balance = stack.balance("acme").await;
        assert_eq!(balance.text("/available"), sunday);
        assert_eq!(balance.text("/recharge/at"), "2026-12-07T00:00:00.000Z");
        assert_eq!(balance.text("/recharge/credits"), "100");
        stack.set_clock("2026-12-07T00:00:00Z");
        assert_eq!(stack.balance("acme").await.text("/available"), monday);
        let debit = stack.debit("acme", "all", monday).await;
        assert_eq!((debit.status, debit.available()), (201, "0"), "{debit:?}");
        let id = "acme".parse().expect("an account");
        assert_eq!(audit::account(stack.context(), &id).await.expect("audited"), []);
    }
}

#[tokio::test]
async fn a_plan_that_loses_ai_closes_on_the_monday_and_its_credits_stay() {
    let stack = Stack::at(TUESDAY).await;
    stack.open("acme", "free").await;
    stack.grant("acme", "gift", "10").await;
    let ends = r#"weekly = [{ credits = "25" }, { from = "2026-12-07", credits = "0" }]"#;
    let closes = "[plans.free]\nai = [{ is = true }, { from = \"2026-12-07\", is = false }]";
    publish(&stack, &[(r#"weekly = "25""#, ends), ("[plans.free]\nai = true", closes)]).await;
    stack.set_clock("2026-12-06T23:59:59Z");
    assert_eq!(stack.debit("acme", "sunday", "1").await.status, 201);
    stack.set_clock("2026-12-07T00:00:00Z");
    assert_eq!(stack.balance("acme").await.text("/gate"), "plan_required");
    let refused = stack.debit("acme", "monday", "1").await;
    assert_eq!((refused.code(), refused.text("/available")), ("plan_required", "10"));
}

/// A Monday without a change writes no entry. It only extends the time for which the account is
/// valid.
#[tokio::test]
async fn a_monday_that_brings_nothing_is_not_in_the_ledger() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("acme", "pro").await;
    for (n, at) in ["2026-11-23", "2026-11-30", "2026-12-07"].iter().enumerate() {
        stack.set_clock(&format!("{at}T00:00:00Z"));
        assert_eq!(stack.debit("acme", at, "1").await.body["seq"], n + 2);
    }
    let id = "acme".parse().expect("an account");
    assert_eq!(audit::account(stack.context(), &id).await.expect("audited"), []);
}

/// A catalog that is too old advances no account.
#[tokio::test]
async fn without_the_catalog_for_half_an_hour_no_account_advances() {
    let stack = Stack::at("2026-11-22T23:00:00Z").await;
    stack.open("acme", "free").await;
    // A read of its own gets the catalog; the refusal of a write returns the account.
    stack.wire.set_policy(|operation, _| match operation {
        "GetItem" => Fault::LoseRequest,
        _ => Fault::None,
    });
    stack.set_clock("2026-11-23T00:00:00Z");
    let refused = stack.debit("acme", "monday", "1").await;
    assert_eq!((refused.status, refused.code()), (503, "outcome_unknown"));
    stack.wire.heal();
    assert_eq!(stack.debit("acme", "monday", "1").await.status, 201);
}

/// Changing sizes, each published at least an hour before: the catalogs in their order.
fn catalogs(changes: &[(i64, i64, i64)]) -> Vec<(Instant, Catalog)> {
    let mut catalog = Catalog::parse(&CatalogFiles::built_in()).expect("the default");
    let (mut weekly, mut monthly) = (Vec::new(), Vec::new());
    let mut monday = week(instant(TUESDAY)).end;
    let mut all = vec![(Instant::EPOCH, catalog.clone())];
    for (weeks, week_size, month_size) in changes {
        monday = monday + Span::from_s(weeks * 7 * 86_400);
        weekly.push((monday, Credits::whole(*week_size)));
        monthly.push((monday, Credits::whole(*month_size)));
        let plan = catalog.plans.get_mut("pro").expect("a plan");
        plan.weekly = Dated::new(Credits::ZERO, weekly.clone()).expect("in order");
        plan.monthly = Dated::new(Credits::whole(2500), monthly.clone()).expect("in order");
        all.push((monday - catalog_version::NOTICE, catalog.clone()));
    }
    all
}

fn opened(catalog: &Catalog) -> Account {
    let now = instant(TUESDAY);
    let request = open::PlanRequest::of("pro");
    let id = OperationId::mint(now, [0; 10]);
    let account =
        open::open(&"acme".parse().expect("an account"), &request, id, catalog, None, now);
    account.expect("a plan of the catalog")
}

proptest! {
    #[test]
    fn one_late_advance_equals_timely_advances_by_each_catalog(
        changes in prop::collection::vec((1..6_i64, 0..3_i64, 0..3_i64), 1..6),
        looks in prop::collection::vec(1..700_i64, 1..40),
    ) {
        let catalogs = catalogs(&changes);
        let mut looked_at = opened(&catalogs[0].1);
        let late = looked_at.clone();
        let mut now = instant(TUESDAY);
        let newest = &catalogs.last().expect("one").1;
        for hours in looks {
            now = now + Span::from_s(hours * 3_600);
            let known = catalogs.iter().rev().find(|(since, _)| *since <= now).expect("the first");
            looked_at = advance::advance(&looked_at, &known.1, now).expect("sound").account;
            let at_once = advance::advance(&late, newest, now).expect("sound").account;
            prop_assert_eq!(&looked_at.burn_order, &at_once.burn_order);
            prop_assert_eq!(&looked_at.plan_state, &at_once.plan_state);
            prop_assert_eq!(looked_at.valid_until, at_once.valid_until);
            prop_assert_eq!(looked_at.gate, at_once.gate);
        }
    }
}
