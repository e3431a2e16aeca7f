//! Limits under load, in windows of every kind, and where the parts of one charge count twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::domain::limit::{Counter, Per, Window};
use shared::domain::period::{Period, week};
use shared::domain::{Instant, Subject};

use crate::support::{Answer, Stack, answer, at_once, instant, ledger, request};

const ACME: &str = "/v1/accounts/acme";
const DAY_MS: i64 = 86_400_000;

async fn acme() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack
}

async fn post(stack: &Stack, path: &str, key: &str, body: Value) -> Answer {
    let request = request("POST", &format!("{ACME}/{path}"), Some(key), &body.to_string());
    answer(stack.functions.answer(request).await)
}

async fn made(stack: &Stack, path: &str, key: &str, body: Value) -> Answer {
    let answer = post(stack, path, key, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

/// What a run may use: so much that a debit of what is left of it passes, and one of more does not.
async fn left_of_run(stack: &Stack) -> String {
    let body = json!({
        "credits": "1000",
        "limits": [{ "of": "run:1", "at_most": "10" }],
    });
    let refused = post(stack, "debits", "too much", body).await;
    assert_eq!(refused.code(), "limit_reached", "{refused:?}");
    refused.text("/left").to_owned()
}

#[tokio::test]
async fn a_refund_of_a_hold_and_of_what_is_beyond_it_returns_to_one_count_once() {
    let stack = acme().await;
    let limits = json!([{ "of": "run:1", "at_most": "10" }]);
    let held = json!({ "credits": "2", "limits": limits });
    let held = made(&stack, "holds", "hold", held).await;
    let capture = format!("holds/{}/capture", held.text("/id"));
    let captured = json!({ "credits": "5", "beyond": true });
    let captured = made(&stack, &capture, "capture", captured).await;
    assert_eq!(left_of_run(&stack).await, "5");
    // 2 of it return where the hold counts, and 2 where the beyond does: to the same count.
    let refund = format!("debits/{}/refund", captured.text("/id"));
    made(&stack, &refund, "refund", json!({ "credits": "4", "reason": "bad answer" })).await;
    assert_eq!(left_of_run(&stack).await, "9");
}

/// Callers at once on one account: each limit takes what fits in it, and each refusal names it.
#[tokio::test]
async fn limits_under_load_are_never_exceeded_and_refuse_only_what_does_not_fit() {
    const CALLERS: usize = 64;
    let stack = acme().await;
    made(&stack, "debits", "the rest", json!({ "credits": "14.75" })).await;
    let limits = json!([
        { "of": "user:ada", "per": "day", "at_most": "6.000001" },
        { "of": "team:ops", "per": "week", "at_most": "4" },
        { "of": "run:1", "at_most": "3.5" },
        { "of": "team:dev", "per": "month", "at_most": "8" },
    ]);
    let limits = limits.as_array().expect("a list").clone();
    let answers = at_once(CALLERS, |n| {
        // Most callers count for two limits; some only take of the pool.
        let its = match n % 8 {
            7 => Vec::new(),
            n => vec![limits[n % 4].clone(), limits[(n + 1 + n / 4) % 4].clone()],
        };
        let stack = stack.clone();
        async move {
            let of_user = its.iter().any(|limit| limit["of"] == "user:ada");
            let mut body = json!({ "credits": "0.5" });
            if !its.is_empty() {
                body["limits"] = json!(its);
            }
            if of_user {
                body["user"] = json!("ada");
            }
            let key = format!("caller {n}");
            (its, post(&stack, "debits", &key, body).await)
        }
    })
    .await;
    let micro = |text: &str| -> i64 {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{part:0<6}").parse().expect("credits")
    };
    let mut used: BTreeMap<String, i64> = BTreeMap::new();
    for (its, answer) in &answers {
        assert!([201, 402].contains(&answer.status), "{answer:?}");
        for limit in its.iter().filter(|_| answer.status == 201) {
            *used.entry(limit["of"].to_string()).or_default() += 500_000;
        }
    }
    let most = |limit: &Value| micro(limit["at_most"].as_str().expect("credits"));
    let left = |limit: &Value| most(limit) - used.get(&limit["of"].to_string()).unwrap_or(&0);
    for limit in &limits {
        assert!(left(limit) >= 0, "{limit}: {used:?}");
    }
    // 10.25 credits were there.
    let passed = answers.iter().filter(|(_, answer)| answer.status == 201).count();
    for (its, answer) in answers.iter().filter(|(_, answer)| answer.status == 402) {
        // Nothing was given back: what did not fit then does not fit now.
        if answer.code() == "insufficient_credits" {
            assert_eq!(passed, 20, "{answer:?}");
            continue;
        }
        assert_eq!(answer.code(), "limit_reached", "{answer:?}");
        assert!(its.iter().any(|limit| left(limit) < 500_000), "{answer:?} refused: {used:?}");
        for reached in answer.body["limits"].as_array().expect("a list") {
            let limit = its.iter().find(|limit| limit["of"] == reached["of"]);
            let limit = limit.expect("one of its own");
            assert!(left(limit) < 500_000, "{reached} has room: {used:?}");
            assert_eq!(reached["at_most"], limit["at_most"]);
        }
    }
    let written = ledger(&stack.functions, "acme").await.expect("a ledger");
    let debits = written.iter().filter(|entry| entry["kind"] == "debit").count();
    assert_eq!(debits, passed + 1);
}

#[test]
fn the_count_of_a_week_is_kept_while_a_plan_period_that_ends_in_it_runs() {
    let at = |day: &str| instant(&format!("{day}T00:00:00Z"));
    let monday = at("2026-11-16");
    let of = Subject::user("ada").hash();
    let counter = Counter { of, window: Window::at(Per::Period, monday, week(monday)) };
    // The plan began on Wednesday, by an anchor of the 20th: its period runs until Friday.
    let period = Period { start: at("2026-10-20"), end: at("2026-11-20") };
    assert!(!counter.is_past(at("2026-11-18"), period));
    let friday = at("2026-11-20");
    assert!(counter.window.runs(friday, week(friday)), "the week goes on");
    assert!(counter.is_past(at("2026-11-24"), week(at("2026-11-24"))));
}

fn any_instant() -> impl Strategy<Value = Instant> {
    let around = (0..40_000i64, -3..=3i64).prop_map(|(day, ms)| (day * DAY_MS + ms).max(0));
    let anywhere = 0..40_000 * DAY_MS;
    prop_oneof![around, anywhere].prop_map(Instant::from_ms)
}

proptest! {
    /// To the millisecond: a window begins with its first instant and ends before the next one's.
    #[test]
    fn an_instant_lies_in_one_window_which_begins_where_the_one_before_ends(now in any_instant()) {
        let period = Period { start: week(now).start, end: week(now).end };
        for per in Per::ALL {
            let window = Window::at(per, now, period);
            prop_assert!(window.from <= now && window.runs(now, period));
            let Some(end) = window.end(period) else {
                prop_assert_eq!(per, Per::Ever);
                continue;
            };
            prop_assert!(now < end);
            let last = Instant::from_ms(end.ms() - 1);
            prop_assert!(window.runs(last, period));
            if per != Per::Period {
                let next = Window::at(per, end, week(end));
                prop_assert_eq!(next.from, end);
                prop_assert!(!window.runs(end, week(end)));
            }
        }
    }
}
