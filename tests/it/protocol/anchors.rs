//! Anchors: an active plan is covered by exactly one grant at every instant.

use proptest::prelude::*;
use serde_json::Value;
use shared::decide::{Write, advance};
use shared::domain::instant::Span;
use shared::domain::{AccountId, Instant, PlanState};

use crate::support::{Answer, Stack, ledger, request};

async fn put(stack: &Stack, at: &str, body: &str) -> Answer {
    stack.set_clock(at);
    let answer = stack.send(request("PUT", "/v1/accounts/acme", Some(at), body)).await;
    assert_eq!(answer.status, 201, "{at} {body}: {answer:?}");
    answer
}

/// The grants of the plan: their remaining credits, and their last day.
async fn of_plan(stack: &Stack, at: &str) -> Vec<(String, String)> {
    stack.set_clock(at);
    let balance = stack.balance("acme").await;
    let grants = balance.body["grants"].as_array().expect("grants").iter();
    let of_plan = grants.filter(|grant| grant["kind"] == "plan");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    of_plan
        .map(|grant| (text(&grant["remaining"]), text(&grant["expires_at"])[..10].to_owned()))
        .collect()
}

fn whole(until: &str) -> Vec<(String, String)> {
    vec![("2500".to_owned(), until.to_owned())]
}

#[tokio::test]
async fn returning_to_a_plan_continues_the_running_period() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    stack.open("acme", "pro").await;
    assert_eq!(stack.debit("acme", "spent", "2000").await.status, 201);
    put(&stack, "2026-11-12T09:00:00Z", r#"{"plan":"free"}"#).await;
    put(&stack, "2026-11-14T09:00:00Z", r#"{"plan":"pro"}"#).await;
    let left = vec![("500".to_owned(), "2026-12-10".to_owned())];
    assert_eq!(of_plan(&stack, "2026-11-14T09:00:01Z").await, left);
    put(&stack, "2026-11-20T09:00:00Z", r#"{"plan":"free"}"#).await;
    // The period is over, and none runs: the next begins on the day on which the plan does.
    assert_eq!(of_plan(&stack, "2026-12-20T08:00:00Z").await, []);
    put(&stack, "2026-12-20T09:00:00Z", r#"{"plan":"pro"}"#).await;
    assert_eq!(of_plan(&stack, "2026-12-20T09:00:01Z").await, whole("2027-01-20"));
}

#[tokio::test]
async fn a_plan_begins_on_its_own_day_and_not_on_the_accounts() {
    let stack = Stack::at("2026-11-04T09:00:00Z").await;
    stack.open("acme", "free").await;
    put(&stack, "2026-11-27T09:00:00Z", r#"{"plan":"pro"}"#).await;
    assert_eq!(of_plan(&stack, "2026-12-26T23:59:00Z").await, whole("2026-12-27"));
    assert_eq!(of_plan(&stack, "2026-12-27T00:00:00Z").await, whole("2027-01-27"));
}

#[tokio::test]
async fn a_canceled_plan_begins_again_and_a_late_one_keeps_its_day() {
    let stack = Stack::at("2026-11-01T09:00:00Z").await;
    stack.open("acme", "pro").await;
    put(&stack, "2026-11-20T09:00:00Z", r#"{"plan":"pro","status":"past_due"}"#).await;
    assert_eq!(of_plan(&stack, "2027-01-10T08:00:00Z").await, []);
    put(&stack, "2027-01-10T09:00:00Z", r#"{"plan":"pro","status":"active"}"#).await;
    assert_eq!(of_plan(&stack, "2027-01-10T09:00:01Z").await, whole("2027-02-01"));
    put(&stack, "2027-01-11T09:00:00Z", r#"{"plan":"pro","status":"canceled"}"#).await;
    put(&stack, "2027-03-20T09:00:00Z", r#"{"plan":"pro","status":"active"}"#).await;
    assert_eq!(of_plan(&stack, "2027-03-20T09:00:01Z").await, whole("2027-04-20"));
}

#[tokio::test]
async fn a_new_anchor_moves_the_renewal_and_grants_nothing() {
    let stack = Stack::at("2026-11-01T09:00:00Z").await;
    stack.open("acme", "pro").await;
    put(&stack, "2026-11-08T09:00:00Z", r#"{"plan":"pro","anchor":"2026-10-20"}"#).await;
    assert_eq!(of_plan(&stack, "2026-11-08T09:00:01Z").await, whole("2026-12-20"));
    // Back again: a period never ends before the end that its grant began with.
    put(&stack, "2026-11-09T09:00:00Z", r#"{"plan":"pro","anchor":"2026-11-01"}"#).await;
    assert_eq!(of_plan(&stack, "2026-11-30T23:59:59Z").await, whole("2026-12-01"));
    assert_eq!(of_plan(&stack, "2026-12-01T00:00:00Z").await, whole("2027-01-01"));
}

#[tokio::test]
async fn a_cycle_paid_for_again_begins_today() {
    let stack = Stack::at("2026-11-01T09:00:00Z").await;
    stack.open("acme", "pro").await;
    assert_eq!(stack.debit("acme", "spent", "2000").await.status, 201);
    let body = r#"{"plan":"pro","anchor":"2026-10-20","restart":true}"#;
    let restarted = put(&stack, "2026-11-08T09:00:00Z", body).await;
    assert_eq!(restarted.text("/anchor"), "2026-11-08");
    assert_eq!(of_plan(&stack, "2026-11-08T09:00:01Z").await, whole("2026-12-08"));
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "0");
    // A retry is the same request; two requests on one day are two cycles.
    assert!(put(&stack, "2026-11-08T09:00:00Z", body).await.replayed);
    assert_eq!(stack.debit("acme", "more", "7").await.status, 201);
    put(&stack, "2026-11-08T10:00:00Z", body).await;
    assert_eq!(of_plan(&stack, "2026-11-08T10:00:01Z").await, whole("2026-12-08"));
    let free = request("PUT", "/v1/accounts/acme", Some("r"), r#"{"plan":"free","restart":true}"#);
    let refused = stack.send(free).await;
    assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "restart"));
}

/// Debits in a plan period that has ended do not count in the week.
#[tokio::test]
async fn counting_restarts_when_the_counted_period_ends() {
    let stack = Stack::at("2026-10-19T09:00:00Z").await;
    stack.open("acme", "pro").await;
    put(&stack, "2026-11-10T09:00:00Z", r#"{"plan":"free"}"#).await;
    stack.set_clock("2026-11-17T09:00:00Z");
    let tuesday = stack.debit("acme", "tuesday", "10").await;
    // The period of the plan ends on a Thursday.
    stack.set_clock("2026-11-20T09:00:00Z");
    let balance = stack.balance("acme").await;
    assert_eq!(balance.text("/consumed/from"), "2026-11-19T00:00:00.000Z");
    assert_eq!(balance.text("/consumed/credits"), "0");
    let path = format!("/v1/accounts/acme/debits/{}/refund", tuesday.text("/id"));
    let refunded = stack.post(&path, "r", r#"{"credits":"10","reason":"x"}"#).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    assert_eq!(stack.debit("acme", "friday", "3").await.status, 201);
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "3");
    let id: AccountId = "acme".parse().expect("an account");
    assert_eq!(audit::account(stack.context(), &id).await.expect("audited"), []);
}

#[tokio::test]
async fn an_anchor_that_ends_the_period_now_resets_the_count() {
    let stack = Stack::at("2027-01-01T09:00:00Z").await;
    stack.open("acme", "pro").await;
    assert_eq!(stack.debit("acme", "spent", "100").await.status, 201);
    put(&stack, "2027-01-28T09:00:00Z", r#"{"plan":"pro","anchor":"2027-01-28"}"#).await;
    assert_eq!(of_plan(&stack, "2027-02-02T08:00:00Z").await[0].1, "2027-02-28");
    put(&stack, "2027-02-02T09:00:00Z", r#"{"plan":"pro","anchor":"2027-01-01"}"#).await;
    assert_eq!(of_plan(&stack, "2027-02-02T09:00:01Z").await, whole("2027-03-01"));
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "0");
}

#[tokio::test]
async fn a_future_anchor_is_refused_with_or_without_a_running_period() {
    let stack = Stack::at("2026-11-01T09:00:00Z").await;
    let body = r#"{"plan":"pro","anchor":"2026-11-02"}"#;
    for opened in [false, true] {
        if opened {
            stack.open("acme", "pro").await;
        }
        let refused = stack.send(request("PUT", "/v1/accounts/acme", Some("a"), body)).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "anchor"));
    }
}

#[tokio::test]
async fn an_unchanged_plan_is_answered_with_the_entry_that_set_it() {
    let stack = Stack::at("2026-11-01T09:00:00Z").await;
    let opened = stack.open("acme", "pro").await;
    let again = put(&stack, "2026-11-08T09:00:00Z", r#"{"plan":"pro","status":"active"}"#).await;
    for field in ["/id", "/at", "/anchor", "/balance/available"] {
        assert_eq!(again.text(field), opened.text(field));
    }
    assert_eq!(stack.balance("acme").await.body["seq"], 1);
    let other = r#"{"plan":"pro","status":"past_due"}"#;
    let key = Some("2026-11-08T09:00:00Z");
    let reused = stack.send(request("PUT", "/v1/accounts/acme", key, other)).await;
    assert_eq!(reused.code(), "operation_reused");
    let id: AccountId = "acme".parse().expect("an account");
    assert_eq!(audit::account(stack.context(), &id).await.expect("audited"), []);
}

/// One change of a plan.
#[derive(Clone, Debug)]
enum Step {
    Put {
        plan: &'static str,
        status: &'static str,
        anchor: Option<i64>,
        restart: bool,
    },
    /// Hours pass.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec!["active", "active", "past_due", "canceled"]);
    let put = (prop::bool::weighted(0.8), status, prop::option::of(0..90_i64), any::<u8>());
    prop_oneof![
        put.prop_map(|(pro, status, anchor, restart)| Step::Put {
            plan: if pro { "pro" } else { "free" },
            status,
            anchor,
            restart: restart < 20 && pro && status == "active",
        }),
        (1..24 * 25_i64).prop_map(Step::Wait),
    ]
}

async fn plan_state(stack: &Stack) -> (PlanState, Instant) {
    let id = "acme".parse().expect("an account");
    let catalog = stack.context().catalog().await;
    let advanced = shared::query::balance(stack.context(), &catalog, &id).await.expect("there");
    (advanced.advanced.account.plan_state, advanced.now)
}

/// Plays the steps. Returns the grants of the plan, and how many periods began.
async fn play(steps: &[Step]) -> (Vec<(String, String)>, usize) {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let (mut began, mut last) = (1, plan_state(&stack).await.0.monthly.period);
    for (n, step) in steps.iter().enumerate() {
        let mut now = stack.clock.now();
        match step {
            Step::Wait(hours) => {
                // Half a day at a time, so that no period is missed.
                for _ in 0..hours / 12 + 1 {
                    now = now + Span::from_s(12 * 3_600);
                    stack.clock.set(now);
                    check(&stack, &mut began, &mut last).await;
                }
            }
            Step::Put { plan, status, anchor, restart } => {
                now = now + Span::from_s(1);
                stack.clock.set(now);
                let day =
                    anchor.map(|days| (now.utc() - chrono::Days::new(days as u64)).date_naive());
                let anchor = day.map_or(String::new(), |day| format!(r#","anchor":"{day}""#));
                let body = format!(
                    r#"{{"plan":"{plan}","status":"{status}","restart":{restart}{anchor}}}"#
                );
                let key = format!("step {n}");
                let put = request("PUT", "/v1/accounts/acme", Some(&key), &body);
                assert_eq!(stack.send(put).await.status, 201, "{body}");
                check(&stack, &mut began, &mut last).await;
            }
        }
    }
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let pending = stack.get("/v1/accounts/acme/ledger?limit=1").await;
    let pending = pending.body["entries"][0].clone();
    let pending = (pending["pending"] == true).then_some(pending);
    let moved = entries
        .iter()
        .chain(&pending)
        .flat_map(|entry| entry["moved"].as_array().cloned().unwrap_or_default());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let granted = moved.filter(|m| m["kind"] == "plan" && arrived(m));
    (granted.map(|m| (text(&m["grant"]), text(&m["credits"]))).collect(), began)
}

/// Whether credits arrived: they did not expire, and their grant did not only get another end.
fn arrived(moved: &Value) -> bool {
    moved["credits"].as_str().is_some_and(|credits| credits != "0" && !credits.starts_with('-'))
}

/// Advances the account: the ledger does not show credits that come and go unread.
async fn look(stack: &Stack) {
    let (context, id) = (stack.context(), "acme".parse().expect("an account"));
    let catalog = context.catalog().await;
    let loaded = context.store.account(&id).await.expect("readable").expect("there");
    let change = advance::change(&loaded.account, &catalog, context.clock.now()).expect("sound");
    context.store.commit(&Write::account(change)).await.expect("advanced");
}

/// An active plan is in a period now, and a period begins no earlier than the last one began.
async fn check(stack: &Stack, began: &mut usize, last: &mut shared::domain::period::Period) {
    let (plan_state, now) = plan_state(stack).await;
    let period = plan_state.monthly.period;
    if plan_state.terms.plan == "pro" && plan_state.terms.status.name() == "active" {
        assert!(period.start <= now && now < period.end, "{period:?} at {now}");
    }
    if period.start != last.start {
        *began += 1;
        look(stack).await;
        assert!(period.start <= now && period.start >= last.start, "{last:?} {period:?}");
    }
    *last = period;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_period_is_granted_once_and_in_full(
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (granted, began) = runtime.expect("a runtime").block_on(play(&steps));
        for (grant, credits) in &granted {
            prop_assert_eq!(credits, "2500", "{}", grant);
        }
        prop_assert_eq!(granted.len(), began, "{:?}", granted);
    }
}

#[tokio::test]
async fn an_anchor_moved_daily_grants_no_more_than_the_months() {
    let stack = Stack::at("2026-11-01T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let start = stack.clock.now();
    for day in 1..=200_i64 {
        let now = start + Span::from_s(day * 86_400);
        let anchor = (now.utc() - chrono::Days::new((day * 7 % 28) as u64)).date_naive();
        put(&stack, &now.to_string(), &format!(r#"{{"plan":"pro","anchor":"{anchor}"}}"#)).await;
    }
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let moved =
        entries.iter().flat_map(|entry| entry["moved"].as_array().cloned().unwrap_or_default());
    let granted: Vec<Value> = moved.filter(|m| m["kind"] == "plan" && arrived(m)).collect();
    // 200 days are six and a half months.
    assert!((4..=7).contains(&granted.len()), "{granted:?}");
}
