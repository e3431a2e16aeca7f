//! A limit that is low or reached is announced once in its window.

use serde_json::{Value, json};

use crate::api::announcements::check;
use crate::support::{Stack, request};

/// The events of limits since the first `known`: the name, the number of the limit, and the rest.
fn told(stack: &Stack, known: &mut usize) -> Vec<(String, String, Value)> {
    let events = stack.announced().split_off(*known);
    *known += events.len();
    events.iter().for_each(check);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let of_limits = events.iter().filter(|event| event["detail"]["of"].as_str().is_some());
    let of_limits = of_limits.filter(|event| text(&event["detail-type"]).starts_with("Limit"));
    let shown = of_limits.map(|event| {
        let detail = &event["detail"];
        (text(&event["detail-type"]), text(&detail["at_most"]), detail.clone())
    });
    shown.collect()
}

fn names(told: &[(String, String, Value)]) -> Vec<(&str, &str)> {
    told.iter().map(|(name, at_most, _)| (name.as_str(), at_most.as_str())).collect()
}

/// Charges `credits` of a run whose requests bring this limit.
async fn charge(stack: &Stack, key: &str, credits: &str, (per, at_most): (&str, &str)) -> u16 {
    let limit = json!({ "of": "run:7f", "per": per, "at_most": at_most });
    let body = json!({ "credits": credits, "limits": [limit] }).to_string();
    stack.post("/v1/accounts/acme/debits", key, &body).await.status
}

/// The id of an operation at the clock of these tests.
fn id(n: u32) -> String {
    format!("01a1ee87-3200-7000-8000-{n:012}")
}

#[tokio::test]
async fn a_limit_is_low_once_when_its_use_crosses_four_fifths() {
    let stack = Stack::streamed().await;
    let mut known = 0;
    stack.open("acme", "pro").await;
    let day = ("day", "50");
    assert_eq!(charge(&stack, "to 39", "39", day).await, 201);
    stack.relay().await;
    assert_eq!(names(&told(&stack, &mut known)), []);
    assert_eq!(charge(&stack, "to 40", "1", day).await, 201);
    assert_eq!(charge(&stack, "to 45", "5", day).await, 201);
    stack.relay().await;
    let low = told(&stack, &mut known);
    assert_eq!(names(&low), [("LimitLow", "50")]);
    let (_, _, detail) = &low[0];
    assert_eq!(detail["used"], "40", "{detail}");
    assert_eq!(detail["left"], "10", "{detail}");
    assert_eq!(detail["of"], "run:7f", "{detail}");
    assert_eq!(detail["resets_at"], "2026-11-19T00:00:00.000Z", "{detail}");
    // Another day is another window, with another id.
    stack.set_clock("2026-11-19T12:00:00Z");
    assert_eq!(charge(&stack, "all of a day", "50", day).await, 201);
    stack.relay().await;
    let next = told(&stack, &mut known);
    assert_eq!(names(&next), [("LimitLow", "50")]);
    assert_ne!(next[0].2["id"], detail["id"]);
}

/// Entry by entry: the second debit of a batch crosses, not the first or the third.
#[tokio::test]
async fn each_debit_of_a_batch_is_compared_with_what_was_used_after_it() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let debit = |key: u32, credits: &str| {
        let limits = json!([{ "of": "run:7f", "at_most": "100" }]);
        json!({ "id": id(key), "credits": credits, "limits": limits })
    };
    let debits = [debit(1, "60"), debit(2, "25"), debit(3, "15")];
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let batch = stack.send(request("POST", "/v1/accounts/acme/debits/batch", None, &body)).await;
    assert_eq!(batch.status, 201, "{batch:?}");
    stack.relay().await;
    let low = told(&stack, &mut 0);
    assert_eq!(names(&low), [("LimitLow", "100")]);
    assert_eq!(low[0].2["used"], "85");
    assert_eq!(low[0].2["resets_at"], Value::Null);
}

#[tokio::test]
async fn a_limit_is_reached_once_in_its_window() {
    let stack = Stack::streamed().await;
    let mut known = 0;
    stack.open("acme", "pro").await;
    let day = ("day", "50");
    assert_eq!(charge(&stack, "some", "30", day).await, 201);
    for key in ["too much", "again", "and again"] {
        assert_eq!(charge(&stack, key, "21", day).await, 402);
    }
    stack.relay().await;
    let reached = told(&stack, &mut known);
    assert_eq!(names(&reached), [("LimitReached", "50")]);
    let (_, _, detail) = &reached[0];
    assert_eq!(detail["used"], "30", "{detail}");
    assert_eq!(detail["left"], "20", "{detail}");
    assert_eq!(detail["required"], "21", "{detail}");
    assert_eq!(detail["balance"]["available"], "2470", "{detail}");
    assert_eq!(detail["resets_at"], "2026-11-19T00:00:00.000Z", "{detail}");
    // A limit that was raised is reached again.
    assert_eq!(charge(&stack, "more", "31", ("day", "60")).await, 402);
    stack.relay().await;
    assert_eq!(names(&told(&stack, &mut known)), [("LimitReached", "60")]);
    stack.set_clock("2026-11-19T12:00:00Z");
    assert_eq!(charge(&stack, "the next day", "51", day).await, 402);
    stack.relay().await;
    assert_eq!(names(&told(&stack, &mut known)), [("LimitReached", "50")]);
}

/// What another function has recorded is not announced again: the row is there.
#[tokio::test]
async fn a_function_that_starts_anew_announces_no_limit_twice() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let never = ("ever", "1");
    assert_eq!(charge(&stack, "too much", "2", never).await, 402);
    let other = stack.beside(stack.context().clock.clone()).await;
    assert_eq!(charge(&other, "again", "2", never).await, 402);
    stack.relay().await;
    assert_eq!(names(&told(&stack, &mut 0)), [("LimitReached", "1")]);
}

#[tokio::test]
async fn a_debit_that_a_batch_leaves_out_announces_its_limit() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let limits = json!([{ "of": "run:7f", "at_most": "10" }]);
    let debit = |key: u32| json!({ "id": id(key), "credits": "6", "limits": limits });
    let body = json!({ "mode": "each", "debits": [debit(1), debit(2)] }).to_string();
    let batch = stack.send(request("POST", "/v1/accounts/acme/debits/batch", None, &body)).await;
    assert_eq!(batch.status, 200, "{batch:?}");
    stack.relay().await;
    assert_eq!(names(&told(&stack, &mut 0)), [("LimitReached", "10")]);
}
