//! Spending: once per operation id, at the price of the catalog, never below zero.

use serde_json::json;

use crate::support::Stack;

#[tokio::test]
async fn a_retry_gets_its_first_receipt() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for key in ["a name".to_owned(), stack.id(0).to_string(), ulid(&stack)] {
        let first = stack.action("acme", &key, "dynamic_video", 3).await;
        assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
        assert_eq!(first.text("/credits"), "3");
        stack.debit("acme", &format!("between {key}"), "10").await;
        let again = stack.action("acme", &key, "dynamic_video", 3).await;
        assert_eq!((again.status, again.replayed), (201, true));
        assert_eq!(again.body, first.body);
    }
}

#[tokio::test]
async fn a_receipt_says_what_happened() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let id = stack.id(0).to_string();
    let body = r#"{"action":"custom_image","quantity":3,"user":"ada","reference":"job 7"}"#;
    let receipt = stack.post("/v1/accounts/acme/debits", &id, body).await;
    let at = receipt.text("/at").to_owned();
    let expected = json!({
        "id": id, "account": "acme", "action": "custom_image", "quantity": 3, "credits": "1.5",
        "seq": 2, "at": at, "balance": { "available": "2498.5", "held": "0" },
    });
    assert_eq!(receipt.body, expected);

    let named = stack.debit("acme", "my own name", "0.000001").await;
    assert_eq!(named.text("/key"), "my own name");
    assert_eq!(named.available(), "2498.499999");
    assert!(named.body.get("action").is_none());
}

#[tokio::test]
async fn a_known_id_with_other_content_is_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let path = "/v1/accounts/acme/debits";
    let first = r#"{"action":"rich_text","quantity":2,"user":"ada","reference":"r"}"#;
    for key in [stack.id(0).to_string(), "name".to_owned()] {
        assert_eq!(stack.post(path, &key, first).await.status, 201);
        for other in [
            r#"{"action":"rich_text","quantity":3,"user":"ada","reference":"r"}"#,
            r#"{"action":"dynamic_video","quantity":2,"user":"ada","reference":"r"}"#,
            r#"{"action":"rich_text","quantity":2,"user":"bob","reference":"r"}"#,
            r#"{"action":"rich_text","quantity":2,"user":"ada"}"#,
            r#"{"credits":"2","user":"ada","reference":"r"}"#,
        ] {
            let refused = stack.post(path, &key, other).await;
            assert_eq!((refused.status, refused.code()), (422, "operation_reused"), "{other}");
        }
    }
    assert_eq!(stack.balance("acme").await.text("/available"), "2496");
}

#[tokio::test]
async fn one_key_is_one_operation_in_each_account() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("other", "pro").await;
    let id = stack.id(0).to_string();
    for key in ["shared name", &id] {
        assert!(!stack.debit("acme", key, "1").await.replayed);
        assert!(!stack.debit("other", key, "2").await.replayed);
    }
    assert_eq!(stack.balance("other").await.text("/available"), "2496");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    for key in [stack.id(0).to_string(), "name".to_owned()] {
        let refused = stack.debit("open", &key, "60").await;
        assert_eq!((refused.status, refused.code()), (402, "insufficient_credits"));
        stack.grant("open", &format!("grant {key}"), "60").await;
        assert_eq!(stack.debit("open", &key, "60").await.status, 201);
    }
}

#[tokio::test]
async fn a_refusal_explains_itself() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    let refused = stack.action("open", "too many", "dynamic_video", 26).await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let expected = json!({
        "type": "urn:scrip:problem:insufficient_credits",
        "title": "Insufficient credits",
        "status": 402,
        "detail": "This needs 26 credits and 25 are available.",
        "code": "insufficient_credits",
        "required": "26",
        "available": "25",
        "shortfall": "1",
        "recharges_at": "2026-11-23T00:00:00.000Z",
        "recharge_credits": "25",
        "top_up_url": "https://example.com/credits",
    });
    assert_eq!(refused.body, expected);

    stack.debit("open", "all", "25").await;
    let empty = stack.action("open", "one more", "dynamic_video", 1).await;
    assert_eq!(empty.text("/detail"), "No credits are left; this needs 1.");
    assert_eq!(empty.text("/available"), "0");
}

#[tokio::test]
async fn a_plan_without_ai_and_a_missing_account_are_told_apart() {
    let stack = Stack::noon().await;
    stack.open("basic", "standard").await;
    stack.grant("basic", "kept", "100").await;
    let refused = stack.debit("basic", "key", "1").await;
    assert_eq!((refused.status, refused.code()), (403, "plan_required"));
    assert_eq!(refused.text("/available"), "100");
    let refused = stack.debit("nobody", "key", "1").await;
    assert_eq!((refused.status, refused.code()), (404, "account_not_found"));
    assert_eq!(stack.balance("nobody").await.status, 404);
}

#[tokio::test]
async fn an_action_costs_its_catalog_price() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (action, quantity, credits) in [
        ("dynamic_video", 1, "1"),
        ("custom_image", 1, "0.5"),
        ("custom_image", 2, "1"),
        ("custom_image", 3, "1.5"),
        ("feed_field", 50, "1"),
        // 120 products, 2 fields each.
        ("feed_field", 240, "4.8"),
        ("feed_field", 1, "0.02"),
        ("rich_text", 7, "7"),
        ("image_alt_text", 1, "1"),
        ("shoppable_images", 1, "1"),
        ("background_removal", 1, "1"),
    ] {
        let key = format!("{action} {quantity}");
        let receipt = stack.action("acme", &key, action, quantity).await;
        assert_eq!(receipt.text("/credits"), credits, "{action} x {quantity}");
    }
}

#[tokio::test]
async fn the_balance_says_where_credits_went_and_adds_up() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.grant("acme", "gift", "10").await;
    stack.action("acme", "1", "dynamic_video", 2).await;
    stack.action("acme", "2", "feed_field", 25).await;
    stack.debit("acme", "3", "0.25").await;
    let balance = stack.balance("acme").await.body;
    assert_eq!(balance["available"], "2507.25");
    assert_eq!(balance["consumed"]["credits"], "2.75");
    let actions = json!([
        { "action": null, "credits": "0.25" },
        { "action": "dynamic_video", "credits": "2" },
        { "action": "feed_field", "credits": "0.5" },
    ]);
    assert_eq!(balance["consumed"]["actions"], actions);
    // The plan's credits expire and are spent first; the gift is untouched.
    assert_eq!(balance["grants"][0]["kind"], "plan");
    assert_eq!(balance["grants"][0]["remaining"], "2497.25");
    assert_eq!(balance["grants"][1]["kind"], "manual");
    assert_eq!(balance["grants"][1]["remaining"], "10");
    assert_eq!(balance["recharge"], json!({ "at": "2026-12-18T00:00:00.000Z", "credits": "2500" }));
    // The opening, the grant, the advance that adds it, and three debits.
    assert_eq!(balance["seq"], 6);
}

#[tokio::test]
async fn a_balance_that_did_not_change_is_not_sent_again() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let ask = |etag: String| {
        let request = http::Request::get("/v1/accounts/acme/balance").header("if-none-match", etag);
        request.body(lambda_http::Body::Empty).expect("a request")
    };
    let first = stack.balance("acme").await;
    let etag = first.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(stack.send(ask(etag.clone())).await.status, 304);
    stack.debit("acme", "1", "1").await;
    assert_eq!(stack.send(ask(etag)).await.status, 200);
}

#[tokio::test]
async fn an_id_is_remembered_forever() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let id = stack.id(0).to_string();
    let first = stack.debit("acme", &id, "1").await;
    let named = stack.debit("acme", "name", "1").await;
    // Enough entries to archive it, and a year.
    for n in 0..100 {
        assert_eq!(stack.debit("acme", &stack.id(0).to_string(), "1").await.status, 201, "{n}");
    }
    for later in [
        "2026-11-18T12:00:30Z",
        "2026-11-18T12:02:30Z",
        "2026-12-01T00:00:00Z",
        "2027-11-18T00:00:00Z",
    ] {
        stack.set_clock(later);
        for (key, first) in [(id.as_str(), &first), ("name", &named)] {
            let again = stack.debit("acme", key, "1").await;
            assert_eq!((again.status, again.replayed), (201, true), "{key} at {later}: {again:?}");
            assert_eq!(again.body, first.body);
            let other = stack.debit("acme", key, "2").await;
            assert_eq!(other.code(), "operation_reused", "{key} at {later}");
        }
    }
}

#[tokio::test]
async fn an_old_id_is_unknown_for_a_moment_and_then_works_once() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    // Older than the dedup window: an earlier attempt might still be in flight.
    let id = stack.id(125_000).to_string();
    let unknown = stack.debit("acme", &id, "1").await;
    assert_eq!((unknown.status, unknown.code()), (503, "outcome_unknown"));
    assert_eq!(unknown.headers["retry-after"], "1");
    assert_eq!(stack.balance("acme").await.text("/available"), "2500");
    // A little later none can be in flight: the id is accepted like any other string.
    stack.set_clock("2026-11-18T12:00:30Z");
    let first = stack.debit("acme", &id, "1").await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    let again = stack.debit("acme", &id, "1").await;
    assert_eq!((again.replayed, again.body), (true, first.body));
}

#[tokio::test]
async fn an_id_from_the_far_future_is_refused_with_our_time() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    assert_eq!(stack.debit("acme", &stack.id(-4_000).to_string(), "1").await.status, 201);
    let refused = stack.debit("acme", &stack.id(-60_000).to_string(), "1").await;
    assert_eq!((refused.status, refused.code()), (400, "key_ahead"));
    assert!(refused.text("/server_time").starts_with("2026-11-18T12:00:0"), "{refused:?}");
}

fn ulid(stack: &Stack) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = u128::from_be_bytes(*stack.id(0).bytes());
    let digit = |place: u32| ALPHABET[(bits >> (5 * place) & 31) as usize] as char;
    (0..26).rev().map(digit).collect()
}
