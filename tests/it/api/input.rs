//! Bad input gets a clear problem and changes nothing.

use crate::support::{Stack, request};

const DEBITS: &str = "/v1/accounts/acme/debits";

#[tokio::test]
async fn bad_bodies_are_refused_field_by_field() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let before = stack.balance("acme").await.body;
    let long = "x".repeat(65);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "body"),
        ("{".to_owned(), "body"),
        ("[]".to_owned(), "body"),
        ("\"text\"".to_owned(), "body"),
        (deep.clone(), "body"),
        (format!(r#"{{"credits":{deep}}}"#), "body"),
        (r#"{"credits":1e400}"#.to_owned(), "body"),
        ("{}".to_owned(), "action"),
        (r#"{"action":"rich_text"}"#.to_owned(), "quantity"),
        (r#"{"quantity":1}"#.to_owned(), "action"),
        (r#"{"action":"rich_text","quantity":1,"credits":"1"}"#.to_owned(), "credits"),
        (r#"{"credits":"1","credits":"1"}"#.to_owned(), "credits"),
        (r#"{"credits":"1","price":"1"}"#.to_owned(), "price"),
        (r#"{"credits":1}"#.to_owned(), "credits"),
        (r#"{"credits":1.5}"#.to_owned(), "credits"),
        (r#"{"credits":null}"#.to_owned(), "credits"),
        (r#"{"credits":"-1"}"#.to_owned(), "credits"),
        (r#"{"credits":"0"}"#.to_owned(), "credits"),
        (r#"{"credits":"0.0000001"}"#.to_owned(), "credits"),
        (r#"{"credits":"1e3"}"#.to_owned(), "credits"),
        (r#"{"credits":"NaN"}"#.to_owned(), "credits"),
        (r#"{"credits":" 1"}"#.to_owned(), "credits"),
        (r#"{"credits":"+1"}"#.to_owned(), "credits"),
        (r#"{"credits":"1,5"}"#.to_owned(), "credits"),
        (r#"{"credits":"1."}"#.to_owned(), "credits"),
        (r#"{"credits":".5"}"#.to_owned(), "credits"),
        (r#"{"credits":"9223372036854775808"}"#.to_owned(), "credits"),
        (r#"{"credits":"1000000000.000001"}"#.to_owned(), "credits"),
        (r#"{"action":"rich_text","quantity":0}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":-1}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":1.5}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":15e-1}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":1e300}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":9007199254740993.0}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":"1"}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":100001}"#.to_owned(), "quantity"),
        (r#"{"action":"rich_text","quantity":9223372036854775808}"#.to_owned(), "quantity"),
        (r#"{"action":7,"quantity":1}"#.to_owned(), "action"),
        (r#"{"action":"","quantity":1}"#.to_owned(), "action"),
        (format!(r#"{{"credits":"1","reference":"{long}"}}"#), "reference"),
        (r#"{"credits":"1","reference":"a\u0000b"}"#.to_owned(), "reference"),
        (format!(r#"{{"credits":"1","user":"{long}"}}"#), "user"),
    ];
    for (body, field) in cases {
        let refused = stack.post(DEBITS, "key", &body).await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(refused.status, 400, "{shown}: {refused:?}");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        assert_eq!(refused.code(), "invalid_request", "{shown}");
        assert_eq!(refused.text("/fields/0/field"), field, "{shown}: {refused:?}");
    }
    for (body, field) in [
        (r#"{"credits":"1","credits":"2"}"#, "credits"),
        (r#"{"action":"chat","model":"m","meters":{"input":1,"input":2}}"#, "meters.input"),
        (
            r#"{"action":"chat","model":"m","usage_format":"openai","usage":{"prompt_tokens":3,
                "total_tokens":3,"a":[{"b":1,"b":1}]}}"#,
            "usage.a[0].b",
        ),
    ] {
        let refused = stack.post(DEBITS, "repeated", body).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, field));
        assert_eq!(refused.text("/fields/0/problem"), "is repeated", "{body}");
    }
    let unknown = stack.action("acme", "key", "telepathy", 1).await;
    assert_eq!((unknown.status, unknown.code()), (422, "unknown_action"));
    let large = format!(r#"{{"credits":"1"{}}}"#, " ".repeat(64 * 1024));
    let refused = stack.post(DEBITS, "key", &large).await;
    assert_eq!((refused.status, refused.code()), (413, "body_too_large"));
    assert_eq!(stack.balance("acme").await.body, before);
}

/// Python and Ruby write 1.0 for a whole float.
#[tokio::test]
async fn a_whole_number_is_accepted_in_every_form_of_json() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let debit = |n: &str| format!(r#"{{"action":"rich_text","quantity":{n}}}"#);
    let first = stack.post(DEBITS, "key", &debit("10")).await;
    assert_eq!((first.status, &first.body["quantity"]), (201, &10.into()));
    for same in ["10.0", "1e1", "1E+1", "100e-1", "10.000"] {
        let again = stack.post(DEBITS, "key", &debit(same)).await;
        assert_eq!((again.replayed, &again.body), (true, &first.body), "{same}: {again:?}");
    }
    let hold = r#"{"credits":"1","expires_in_s":600.0}"#;
    let held = stack.post("/v1/accounts/acme/holds", "hold", hold).await;
    assert_eq!(held.status, 201, "{held:?}");
}

#[tokio::test]
async fn bad_keys_and_accounts_are_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let before = stack.balance("acme").await.body;
    let long = "k".repeat(256);
    let body = r#"{"credits":"1"}"#;
    for key in [None, Some(""), Some(long.as_str()), Some("tab\there")] {
        let refused = stack.send(request("POST", DEBITS, key, body)).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{key:?}");
        assert_eq!(refused.text("/fields/0/field"), "Idempotency-Key");
    }
    let twice = http::Request::post(DEBITS)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .body(lambda_http::Body::from(body));
    let refused = stack.send(twice.expect("a request")).await;
    assert_eq!(refused.text("/fields/0/problem"), "is repeated");
    let long = "a".repeat(129);
    for account in ["a~b", "a%23b", "a%2Fb", "%00", "", ".", "..", "%2E%2e", "a%20b", &long] {
        let path = format!("/v1/accounts/{account}/debits");
        let refused = stack.post(&path, "key", body).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{account:?}");
        assert_eq!(refused.text("/fields/0/field"), "account");
    }
    // Invalid encodings, and encodings of no text; a double encoding is decoded once.
    for account in ["a%", "a%4", "a%zz", "%ff", "%E9", "%2561cme", "acme%25"] {
        let refused = stack.post(&format!("/v1/accounts/{account}/debits"), "key", body).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "account"));
    }
    for path in ["/v1/nothing", "/v1/accounts/acme/debits/"] {
        let refused = stack.post(path, "key", body).await;
        assert_eq!((refused.status, refused.code()), (404, "not_found"), "{path}");
    }
    assert_eq!(stack.balance("acme").await.body, before);
}

#[tokio::test]
async fn bad_requests_of_operators_are_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let before = stack.balance("acme").await.body;
    let long = "r".repeat(257);
    for (body, field) in [
        (r#"{"credits":"1"}"#, "reason"),
        (r#"{"reason":"r"}"#, "credits"),
        (r#"{"credits":"1","reason":"r","kind":"purchased"}"#, "kind"),
        (r#"{"credits":"1","reason":"r","expires_at":"tomorrow"}"#, "expires_at"),
        (r#"{"credits":"1","reason":"r","actor":"me"}"#, "actor"),
        (&format!(r#"{{"credits":"1","reason":"{long}"}}"#), "reason"),
        (&format!(r#"{{"credits":"1","reason":"r","message":"{long}"}}"#), "message"),
    ] {
        let refused = stack.post("/v1/accounts/acme/grants", "key", body).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, field), "{body}");
    }
    for (body, field) in [
        ("{}", "plan"),
        (r#"{"plan":"pro","status":"dead"}"#, "status"),
        (r#"{"plan":"pro","anchor":"2026-02-30"}"#, "anchor"),
        (r#"{"plan":"pro","anchor":"1969-12-31"}"#, "anchor"),
    ] {
        let refused = stack.send(request("PUT", "/v1/accounts/acme", Some("key"), body)).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, field), "{body}");
    }
    assert_eq!(stack.balance("acme").await.body, before);
}
