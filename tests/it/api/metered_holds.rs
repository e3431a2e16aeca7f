//! Holds of a call's maxima, and their captures by what the call consumed.

use serde_json::{Value, json};

use crate::support::{Answer, Stack};

const MODEL: &str = "claude-sonnet-4-5";

async fn stack() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack
}

async fn hold(stack: &Stack, key: &str, model: &str, meters: Value) -> Answer {
    let body = json!({ "action": "chat", "model": model, "meters": meters }).to_string();
    let held = stack.post("/v1/accounts/acme/holds", key, &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held
}

async fn capture(stack: &Stack, hold: &Answer, key: &str, body: Value) -> Answer {
    let id = hold.body["id"].as_str().expect("an id");
    stack.post(&format!("/v1/accounts/acme/holds/{id}/capture"), key, &body.to_string()).await
}

#[tokio::test]
async fn parts_are_rounded_down_the_last_one_up_and_the_rest_goes_back() {
    let stack = stack().await;
    // 32.5 micro-credits each.
    let held = hold(&stack, "h", "gpt-5-mini", json!({ "input": 3 })).await;
    assert_eq!(
        (&held.body["credits"], &held.body["model"]),
        (&"0.000098".into(), &"gpt-5-mini".into())
    );
    let part = json!({ "meters": { "input": 1 }, "final": false });
    let part = capture(&stack, &held, "part", part).await;
    assert_eq!(
        (&part.body["credits"], &part.body["final"]),
        (&"0.000032".into(), &false.into()),
        "{part:?}"
    );
    let last = capture(&stack, &held, "last", json!({ "meters": { "input": 1 } })).await;
    assert_eq!((&last.body["credits"], &last.body["final"]), (&"0.000033".into(), &true.into()));
    assert_eq!(last.body["balance"], json!({ "available": "2499.999935", "held": "0" }));
    assert_eq!(last.body["meters"], json!({ "input": 1 }));
}

#[tokio::test]
async fn a_capture_takes_at_most_what_is_held_unless_it_may_go_beyond() {
    let stack = stack().await;
    let most = json!({ "input": 1_000_000 });
    let twice = json!({ "meters": { "input": 2_000_000 } });
    let held = hold(&stack, "h1", "gpt-5-mini", most.clone()).await;
    let capped = capture(&stack, &held, "c1", twice.clone()).await;
    assert_eq!(
        (&capped.body["credits"], &capped.body["uncharged"]),
        (&"32.5".into(), &"32.5".into()),
        "{capped:?}"
    );
    let again = capture(&stack, &held, "c1", twice.clone()).await;
    assert_eq!(again.body, capped.body);
    let held = hold(&stack, "h2", "gpt-5-mini", most).await;
    let mut beyond = twice;
    beyond["beyond"] = true.into();
    let beyond = capture(&stack, &held, "c2", beyond).await;
    assert_eq!(
        (&beyond.body["credits"], &beyond.body["beyond"]),
        (&"65".into(), &"32.5".into()),
        "{beyond:?}"
    );
    assert!(beyond.body.get("uncharged").is_none());
    assert_eq!(stack.balance("acme").await.body["available"], "2402.5");
}

#[tokio::test]
async fn a_model_with_tiers_is_captured_once_and_by_the_tier_of_what_was_used() {
    let stack = stack().await;
    let held = hold(&stack, "h", MODEL, json!({ "input": 200_001, "output": 1000 })).await;
    assert_eq!(held.body["credits"], "158.92578");
    let part =
        capture(&stack, &held, "part", json!({ "meters": { "input": 1 }, "final": false })).await;
    assert_eq!((part.status, &part.body["fields"][0]["field"]), (400, &"final".into()), "{part:?}");
    let usage = json!({ "input_tokens": 200_000, "output_tokens": 1000 });
    let used = json!({ "usage": usage, "usage_format": "anthropic" });
    let used = capture(&stack, &held, "used", used).await;
    assert_eq!((used.status, &used.body["credits"]), (201, &"79.95".into()), "{used:?}");
    let meters = json!({ "meters": { "input": 200_000, "output": 1000 } });
    assert_eq!(capture(&stack, &held, "used", meters).await.body, used.body);
    let other = capture(&stack, &held, "used", json!({ "meters": { "input": 200_000 } })).await;
    assert_eq!((other.status, other.code()), (422, "operation_reused"));
}

#[tokio::test]
async fn a_capture_of_what_the_hold_is_not_for_is_refused_and_leaves_it_open() {
    let stack = stack().await;
    let held = hold(&stack, "h", "gpt-5-mini", json!({ "input": 10, "output": 10 })).await;
    let fields = |answer: Answer| {
        assert_eq!(answer.status, 400, "{answer:?}");
        let fields = answer.body["fields"].as_array().expect("fields").iter();
        fields.map(|field| field["field"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let some = json!({ "input": 1 });
    let cases = [
        (json!({ "quantity": 1 }), vec!["quantity"]),
        (json!({ "meters": {} }), vec!["meters"]),
        (json!({ "meters": some, "credits": "1" }), vec!["credits"]),
        (json!({ "meters": some, "quantity": 1 }), vec!["quantity"]),
        (json!({ "meters": some, "model": MODEL }), vec!["model"]),
        (json!({ "usage": {}, "usage_format": "google" }), vec!["usage.promptTokenCount"]),
        (json!({}), vec!["quantity"]),
    ];
    for (body, named) in cases {
        assert_eq!(fields(capture(&stack, &held, "c", body).await), named);
    }
    for meter in ["output_audio", "tokens"] {
        let refused = capture(&stack, &held, "c", json!({ "meters": { meter: 1 } })).await;
        assert_eq!((refused.status, refused.code()), (422, "unknown_meter"), "{refused:?}");
        assert_eq!(refused.body["meter"], meter);
    }
    let body = json!({ "action": "rich_text", "quantity": 1 }).to_string();
    let by_quantity = stack.post("/v1/accounts/acme/holds", "q", &body).await;
    assert_eq!(
        fields(capture(&stack, &by_quantity, "qc", json!({ "meters": some })).await),
        ["meters"]
    );
    let done = capture(&stack, &held, "c", json!({ "credits": "0" })).await;
    assert_eq!((done.status, &done.body["credits"]), (201, &"0".into()), "{done:?}");
}

#[tokio::test]
async fn a_call_of_nothing_is_held_and_captured_for_nothing() {
    let stack = stack().await;
    let held = hold(&stack, "h", MODEL, json!({ "input": 0 })).await;
    let used = capture(&stack, &held, "c", json!({ "meters": { "input": 100 } })).await;
    assert_eq!(
        (used.status, &used.body["credits"], &used.body["uncharged"]),
        (201, &"0".into(), &"0.039".into()),
        "{used:?}"
    );
}

#[tokio::test]
async fn a_capture_of_a_lapsed_hold_is_refused() {
    let stack = stack().await;
    let held = hold(&stack, "h", "gpt-5-mini", json!({ "input": 3 })).await;
    stack.set_clock("2026-11-22T23:00:00Z");
    let late = capture(&stack, &held, "late", json!({ "meters": { "input": 1 } })).await;
    assert_eq!((late.status, late.code()), (409, "hold_ended"), "{late:?}");
}

/// Each answer is held against the contract: its amounts may be 0.
#[tokio::test]
async fn what_costs_nothing_is_refused_with_amounts_of_nothing() {
    let stack = stack().await;
    let held = hold(&stack, "h", MODEL, json!({ "input": 0 })).await;
    let more = capture(&stack, &held, "more", json!({ "credits": "1" })).await;
    assert_eq!((more.code(), more.text("/held")), ("hold_exceeded", "0"), "{more:?}");
    let call = json!({ "action": "chat", "model": MODEL, "meters": { "input": 0 } }).to_string();
    let free = stack.post("/v1/accounts/acme/debits", "free", &call).await;
    let refund = format!("/v1/accounts/acme/debits/{}/refund", free.text("/id"));
    let refund = stack.post(&refund, "r", r#"{"credits":"1","reason":"bad"}"#).await;
    assert_eq!((refund.code(), refund.text("/charged")), ("refund_exceeded", "0"), "{refund:?}");
    let frozen = stack.post("/v1/accounts/acme/freeze", "f", r#"{"reason":"test"}"#).await;
    assert_eq!(frozen.status, 201, "{frozen:?}");
    let closed = stack.post("/v1/accounts/acme/debits", "closed", &call).await;
    assert_eq!((closed.code(), closed.text("/required")), ("account_frozen", "0"), "{closed:?}");
    stack.open("basic", "standard").await;
    let closed = stack.post("/v1/accounts/basic/debits", "closed", &call).await;
    assert_eq!((closed.code(), closed.text("/required")), ("plan_required", "0"), "{closed:?}");
}
