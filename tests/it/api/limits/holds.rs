//! Limits of holds: what counts in which window, and what returns to it.

use serde_json::{Value, json};

use super::{charge, reached, set, shown, team};
use crate::support::{Answer, Stack, of};

/// A stack at Monday 23:58 with 10 a day for ada, and a hold of hers for so many seconds.
async fn monday(life_s: u32) -> (Stack, String) {
    let stack = team("2026-11-16T23:58:00Z", "").await;
    set(&stack, "ada", "user:ada", json!({ "at_most": "10", "per": "day" })).await;
    let body = json!({ "credits": "10", "user": "ada", "expires_in_s": life_s });
    let held = stack.post(&of("acme", "/holds"), "hold", &body.to_string()).await;
    assert_eq!(held.status, 201, "{held:?}");
    let id = held.text("/id").to_owned();
    (stack, id)
}

async fn step(stack: &Stack, hold: &str, word: &str, key: &str, body: Value) -> Answer {
    let path = of("acme", &format!("/holds/{hold}/{word}"));
    stack.post(&path, key, &body.to_string()).await
}

async fn used(stack: &Stack) -> String {
    shown(stack, "user:ada", "day").await[1].clone()
}

#[tokio::test]
async fn a_hold_counts_whole_in_its_window_and_a_capture_of_the_next_moves_nothing() {
    let (stack, hold) = monday(600).await;
    let refused = charge(&stack, "more", "ada", "1").await;
    assert_eq!(reached(&refused), ("user:ada", "day", "10", "0", "1", 1));
    stack.set_clock("2026-11-17T00:05:00Z");
    let captured = step(&stack, &hold, "capture", "capture", json!({ "credits": "4" })).await;
    assert_eq!((captured.status, captured.text("/credits")), (201, "4"), "{captured:?}");
    assert_eq!(used(&stack).await, "0");
    assert_eq!(charge(&stack, "tuesday", "ada", "10").await.status, 201);
}

#[tokio::test]
async fn what_a_hold_gives_back_returns_to_its_window_while_that_runs() {
    for (word, body, left) in
        [("capture", json!({ "credits": "4" }), "4"), ("release", json!({}), "0")]
    {
        let (stack, hold) = monday(60).await;
        assert_eq!(used(&stack).await, "10");
        assert_eq!(step(&stack, &hold, word, "end", body).await.status, 201);
        assert_eq!(used(&stack).await, left, "{word}");
    }
}

#[tokio::test]
async fn a_hold_that_has_lapsed_gives_back_before_anything_is_refused() {
    let (stack, _) = monday(30).await;
    stack.set_clock("2026-11-16T23:58:29Z");
    assert_eq!(charge(&stack, "early", "ada", "10").await.code(), "limit_reached");
    stack.set_clock("2026-11-16T23:58:31Z");
    assert_eq!(used(&stack).await, "0");
    assert_eq!(charge(&stack, "late", "ada", "10").await.status, 201);
}

#[tokio::test]
async fn a_hold_that_is_extended_beyond_its_window_gives_nothing_to_the_next() {
    let (stack, hold) = monday(100).await;
    let extended = step(&stack, &hold, "extend", "extend", json!({ "expires_in_s": 300 })).await;
    assert_eq!(extended.status, 201, "{extended:?}");
    stack.set_clock("2026-11-17T00:01:00Z");
    assert_eq!(charge(&stack, "tuesday", "ada", "3").await.status, 201);
    stack.set_clock("2026-11-17T00:10:00Z");
    assert_eq!(used(&stack).await, "3");
    assert_eq!(charge(&stack, "rest", "ada", "7").await.status, 201);
}

#[tokio::test]
async fn what_a_capture_takes_beyond_counts_where_it_is_taken_and_is_left_uncharged_if_short() {
    let (stack, hold) = monday(600).await;
    stack.set_clock("2026-11-17T00:01:00Z");
    let part = json!({ "credits": "8", "final": false });
    assert_eq!(step(&stack, &hold, "capture", "part", part).await.status, 201);
    assert_eq!(used(&stack).await, "0");
    let rest = json!({ "credits": "9", "beyond": true });
    let rest = step(&stack, &hold, "capture", "rest", rest).await;
    let told = ["/credits", "/beyond"].map(|name| rest.text(name));
    assert_eq!((rest.status, told), (201, ["9", "7"]), "{rest:?}");
    assert_eq!(used(&stack).await, "7");
    let other = json!({ "credits": "2", "user": "ada" }).to_string();
    let other = stack.post(&of("acme", "/holds"), "other", &other).await.text("/id").to_owned();
    let short = json!({ "credits": "4", "beyond": true });
    let short = step(&stack, &other, "capture", "short", short).await;
    let told = ["/credits", "/uncharged"].map(|name| short.text(name));
    assert_eq!((short.status, told), (201, ["2", "2"]), "{short:?}");
    assert_eq!(used(&stack).await, "9");
    // A raised limit is in force for what is taken then.
    set(&stack, "raise", "user:ada", json!({ "at_most": "20", "per": "day" })).await;
    assert_eq!(charge(&stack, "debit", "ada", "11").await.status, 201);
}

#[tokio::test]
async fn a_refund_returns_to_the_window_of_its_debit_and_to_no_other() {
    let stack = team("2026-11-16T23:58:00Z", "").await;
    set(&stack, "ada", "user:ada", json!({ "at_most": "10", "per": "day" })).await;
    let debit = charge(&stack, "debit", "ada", "10").await;
    let path = of("acme", &format!("/debits/{}/refund", debit.text("/id")));
    let refund = async |key: &str| {
        let done = stack.post(&path, key, r#"{"credits":"4","reason":"bad"}"#).await;
        assert_eq!(done.status, 201, "{done:?}");
    };
    refund("monday").await;
    assert_eq!(used(&stack).await, "6");
    stack.set_clock("2026-11-17T00:01:00Z");
    assert_eq!(charge(&stack, "tuesday", "ada", "7").await.status, 201);
    refund("tuesday").await;
    assert_eq!(used(&stack).await, "7");
}
