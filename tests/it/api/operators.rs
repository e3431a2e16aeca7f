//! Operators: accounts, grants, plans, freezing.

use crate::support::catalogs::files;
use serde_json::json;
use shared::domain::Catalog;

use crate::support::{Stack, request};

async fn put(stack: &Stack, account: &str, key: &str, body: &str) -> crate::support::Answer {
    stack.send(request("PUT", &format!("/v1/accounts/{account}"), Some(key), body)).await
}

#[tokio::test]
async fn an_account_is_opened_once() {
    let stack = Stack::noon().await;
    let first = put(&stack, "acme", "open", r#"{"plan":"pro"}"#).await;
    let expected = json!({
        "id": first.text("/id"), "key": "open", "account": "acme",
        "plan": "pro", "status": "active", "anchor": "2026-11-18",
        "seq": 1, "at": first.text("/at"), "balance": { "available": "2500", "held": "0" },
    });
    assert_eq!((first.status, &first.body), (201, &expected));
    let again = put(&stack, "acme", "open", r#"{"plan":"pro"}"#).await;
    assert_eq!((again.replayed, again.body), (true, expected));
    let other = put(&stack, "acme", "open", r#"{"plan":"free"}"#).await;
    assert_eq!(other.code(), "operation_reused");
    let unknown = put(&stack, "new", "open", r#"{"plan":"gold"}"#).await;
    assert_eq!((unknown.status, unknown.code()), (422, "unknown_plan"));
    assert_eq!(stack.balance("new").await.status, 404);
}

#[tokio::test]
async fn a_grant_is_effective_at_once_and_happens_once() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    let body = json!({
        "credits": "12.5", "reason": "sorry", "reference": "T-1", "kind": "promotional",
        "expires_at": "2026-12-01T00:00:00Z",
    });
    let body = &body.to_string();
    let path = "/v1/accounts/open/grants";
    let first = stack.post(path, "grant", body).await;
    assert_eq!((first.status, first.available()), (201, "37.5"));
    assert_eq!(first.text("/kind"), "promotional");
    assert_eq!(stack.debit("open", "spend", "37.5").await.status, 201);
    let again = stack.post(path, "grant", body).await;
    assert_eq!((again.replayed, again.body), (true, first.body));
    let other = stack.post(path, "grant", r#"{"credits":"13","reason":"sorry"}"#).await;
    assert_eq!(other.code(), "operation_reused");
    let late = r#"{"credits":"1","reason":"late","expires_at":"2026-11-18T11:00:00Z"}"#;
    assert_eq!(stack.post(path, "late", late).await.code(), "grant_expired");
    assert_eq!(stack.grant("nobody", "grant", "1").await.code(), "account_not_found");
}

#[tokio::test]
async fn a_grant_above_the_limit_of_the_catalog_is_refused_and_grants_nothing() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    let refused = stack.grant("open", "too large", "100000.000001").await;
    assert_eq!((refused.status, refused.code()), (403, "grant_too_large"));
    assert_eq!(refused.text("/limit"), "100000");
    let most = stack.grant("open", "the most", "100000").await;
    assert_eq!((most.status, most.available()), (201, "100025"));
    // The refused key may be used again, and the limit is of one grant, not of their sum.
    assert_eq!(stack.grant("open", "too large", "100000").await.status, 201);
}

#[test]
fn a_catalog_without_a_limit_accepts_a_grant_of_any_size() {
    let text = Catalog::DEFAULT.replacen("grant_limit = \"100000\"\n", "", 1);
    let catalog = Catalog::parse(&files(&*text)).expect("a catalog");
    assert_eq!(catalog.grant_limit, None);
    let wrong = Catalog::DEFAULT.replacen("grant_limit = \"100000\"", "grant_limit = \"-1\"", 1);
    assert_eq!(Catalog::parse(&files(&*wrong)).expect_err("no credits").key, "grant_limit");
}

#[tokio::test]
async fn a_frozen_account_keeps_its_credits() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    let freeze = |word: &str, key: &str| {
        let (stack, path) = (stack.clone(), format!("/v1/accounts/open/{word}"));
        let key = key.to_owned();
        async move { stack.post(&path, &key, r#"{"reason":"abuse"}"#).await }
    };
    assert_eq!(freeze("freeze", "1").await.status, 201);
    let refused = stack.debit("open", "spend", "1").await;
    assert_eq!((refused.status, refused.code()), (403, "account_frozen"));
    assert_eq!(stack.balance("open").await.text("/gate"), "account_frozen");
    // A plan change does not unfreeze the account.
    put(&stack, "open", "plan", r#"{"plan":"pro"}"#).await;
    assert_eq!(stack.debit("open", "spend", "1").await.code(), "account_frozen");
    assert_eq!(freeze("unfreeze", "2").await.status, 201);
    assert_eq!(stack.debit("open", "spend", "1").await.status, 201);
    assert!(freeze("freeze", "1").await.replayed);
    assert_eq!(stack.debit("open", "spend more", "1").await.status, 201);
}

#[tokio::test]
async fn a_change_of_plan_takes_effect_at_once_and_grants_no_period_twice() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    stack.debit("open", "spend", "20").await;
    let mut keys = 0;
    let mut change = async |body: &str| {
        keys += 1;
        let changed = put(&stack, "open", &format!("plan {keys}"), body).await;
        assert_eq!(changed.status, 201, "{changed:?}");
        stack.balance("open").await.text("/available").to_owned()
    };
    assert_eq!(change(r#"{"plan":"pro"}"#).await, "2505");
    assert_eq!(change(r#"{"plan":"free"}"#).await, "2505");
    assert_eq!(change(r#"{"plan":"pro"}"#).await, "2505");
    assert_eq!(change(r#"{"plan":"standard"}"#).await, "2505");
    assert_eq!(stack.debit("open", "no ai", "1").await.code(), "plan_required");
    assert_eq!(change(r#"{"plan":"pro"}"#).await, "2505");
    assert_eq!(change(r#"{"plan":"pro","status":"past_due"}"#).await, "2505");
    assert_eq!(change(r#"{"plan":"pro","status":"canceled"}"#).await, "2505");
    assert_eq!(stack.debit("open", "no ai", "1").await.code(), "plan_required");
    assert_eq!(change(r#"{"plan":"pro","status":"active"}"#).await, "2505");
    assert_eq!(stack.debit("open", "ai", "2505").await.status, 201);
}

#[tokio::test]
async fn while_a_payment_is_failing_no_plan_grant_arrives() {
    let stack = Stack::noon().await;
    put(&stack, "acme", "1", r#"{"plan":"pro","anchor":"2026-11-10"}"#).await;
    put(&stack, "acme", "2", r#"{"plan":"pro","status":"past_due"}"#).await;
    assert_eq!(stack.debit("acme", "still there", "2499").await.status, 201);
    stack.set_clock("2026-12-10T00:00:00Z");
    assert_eq!(stack.balance("acme").await.text("/available"), "0");
    stack.set_clock("2026-12-12T10:00:00Z");
    put(&stack, "acme", "3", r#"{"plan":"pro","status":"active"}"#).await;
    let balance = stack.balance("acme").await;
    assert_eq!(balance.text("/available"), "2500");
    // It was paid late; the period is the same.
    assert_eq!(balance.text("/grants/0/expires_at"), "2027-01-10T00:00:00.000Z");
}
