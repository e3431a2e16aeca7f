//! A debit by direct `lambda:Invoke` has the same receipts and refusals, as plain JSON.

use serde_json::{Value, json};

use crate::support::{Stack, lambda};

async fn invoke(stack: &Stack, payload: Value) -> Value {
    lambda::invoke(stack.context(), payload).await
}

#[tokio::test]
async fn an_invocation_and_a_request_are_the_same_operation() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let payload = json!({ "account": "acme", "id": "job 1", "action": "rich_text", "quantity": 2 });
    let receipt = invoke(&stack, payload).await;
    assert_eq!(receipt["credits"], "2");
    let over_http = stack.action("acme", "job 1", "rich_text", 2).await;
    assert_eq!((over_http.replayed, over_http.body), (true, receipt));
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_not_a_failed_invocation() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    let refused = invoke(&stack, json!({ "account": "open", "id": "1", "credits": "26" })).await;
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&402.into(), &"insufficient_credits".into())
    );
    assert_eq!(refused["shortfall"], "1");
    let refused = invoke(&stack, json!({ "account": "nobody", "id": "1", "credits": "1" })).await;
    assert_eq!((&refused["status"], &refused["code"]), (&404.into(), &"account_not_found".into()));
}

#[tokio::test]
async fn bad_payloads_are_refused_field_by_field_and_change_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let before = stack.balance("acme").await.body;
    for (payload, field) in [
        (json!(null), "body"),
        (json!([1]), "body"),
        (json!({ "id": "1", "credits": "1" }), "account"),
        (json!({ "account": "a#b", "id": "1", "credits": "1" }), "account"),
        (json!({ "account": 7, "id": "1", "credits": "1" }), "account"),
        (json!({ "account": "acme", "credits": "1" }), "id"),
        (json!({ "account": "acme", "id": "", "credits": "1" }), "id"),
        (json!({ "account": "acme", "id": "k".repeat(256), "credits": "1" }), "id"),
        (json!({ "account": "acme", "id": "1" }), "action"),
        (json!({ "account": "acme", "id": "1", "credits": 1 }), "credits"),
        (json!({ "account": "acme", "id": "1", "credits": "1e3" }), "credits"),
        (json!({ "account": "acme", "id": "1", "credits": "0.0000001" }), "credits"),
        (json!({ "account": "acme", "id": "1", "action": "rich_text", "quantity": 0 }), "quantity"),
        (
            json!({ "account": "acme", "id": "1", "action": "rich_text", "quantity": 1.5 }),
            "quantity",
        ),
        (json!({ "account": "acme", "id": "1", "credits": "1", "price": "1" }), "price"),
    ] {
        let refused = invoke(&stack, payload.clone()).await;
        let is = (&refused["status"], &refused["code"], &refused["fields"][0]["field"]);
        assert_eq!(is, (&400.into(), &"invalid_request".into(), &field.into()), "{payload}");
    }
    assert_eq!(stack.balance("acme").await.body, before);
}
