//! Revocations: what of a grant an operator can take back, and what stays.

use serde_json::{Value, json};
use shared::decide::archive::CAPACITY;

use crate::support::shop::Shop;
use crate::support::wire::Fault;
use crate::support::{Answer, Stack, ledger, of};

/// An account without credits of a plan.
async fn empty() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "standard").await;
    stack.open("pro", "pro").await;
    stack
}

async fn granted(stack: &Stack, account: &str, key: &str, body: Value) -> String {
    let done = stack.post(&of(account, "/grants"), key, &body.to_string()).await;
    assert_eq!(done.status, 201, "{done:?}");
    done.text("/id").to_owned()
}

async fn manual(stack: &Stack, account: &str, key: &str, credits: &str) -> String {
    granted(stack, account, key, json!({ "credits": credits, "reason": "test" })).await
}

async fn hold(stack: &Stack, account: &str, key: &str, credits: &str) -> String {
    let body = json!({ "credits": credits }).to_string();
    let held = stack.post(&of(account, "/holds"), key, &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held.text("/id").to_owned()
}

async fn release(stack: &Stack, account: &str, key: &str, hold: &str) -> Answer {
    stack.post(&of(account, &format!("/holds/{hold}/release")), key, "{}").await
}

fn took(answer: &Answer) -> &str {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("/credits")
}

#[tokio::test]
async fn a_revocation_takes_what_is_neither_spent_nor_held_and_later_what_was_released() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.debit("acme", "the week", "25").await;
    let grant = manual(&stack, "acme", "grant", "200").await;
    stack.debit("acme", "spent", "150").await;
    let held = hold(&stack, "acme", "hold", "30").await;
    let path = of("acme", &format!("/grants/{grant}/revoke"));
    let body = r#"{"reason":"a typo","message":"Granted by mistake"}"#;
    let first = stack.post(&path, "revoke", body).await;
    let expected = json!({
        "id": first.text("/id"), "key": "revoke", "account": "acme", "grant": "manual",
        "grant_id": grant, "credits": "20", "seq": 7, "at": first.text("/at"),
        "balance": { "available": "0", "held": "30" },
    });
    assert_eq!((first.status, &first.body), (201, &expected));
    let again = stack.post(&path, "revoke", body).await;
    assert_eq!((again.replayed, again.body), (true, first.body.clone()));
    let other = stack.post(&path, "revoke", r#"{"reason":"another"}"#).await;
    assert_eq!(other.code(), "operation_reused");
    assert_eq!(took(&stack.revoke("acme", "nothing is free", &grant).await), "0");
    assert_eq!(release(&stack, "acme", "release", &held).await.available(), "30");
    let second = stack.revoke("acme", "once more", &grant).await;
    assert_eq!((took(&second), second.available()), ("30", "0"));
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let revoked: Vec<&Value> = entries.iter().filter(|e| e["kind"] == "revoked").collect();
    let said: Vec<_> = revoked.iter().map(|e| (&e["available"], &e["credits"])).collect();
    assert_eq!(json!(said), json!([["-20", "20"], ["0", "0"], ["-30", "30"]]));
    let line = revoked[0];
    let of_grant = (line["grant"].as_str(), line["grant_id"].as_str(), line["by"].as_str());
    assert_eq!(of_grant, (Some("manual"), Some(&*grant), Some("operator")));
    assert_eq!(
        (&line["reason"], &line["message"]),
        (&json!("a typo"), &json!("Granted by mistake"))
    );
    // The advance of the same write is nobody's operation.
    let keyed = entries.iter().filter(|entry| entry["key"] == "revoke").count();
    assert_eq!(keyed, 1);
}

#[tokio::test]
async fn a_revocation_takes_of_no_other_grant() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let ending = json!({
        "credits": "40", "reason": "test", "kind": "promotional",
        "expires_at": "2026-11-20T00:00:00Z",
    });
    let promotional = granted(&stack, "acme", "promotional", ending).await;
    manual(&stack, "acme", "manual", "100").await;
    // It is spent first: the weekly 25 and the manual 100 stay.
    stack.debit("acme", "spent", "10").await;
    let revoked = stack.revoke("acme", "revoke", &promotional).await;
    assert_eq!((took(&revoked), revoked.available()), ("30", "125"));
    let balance = stack.balance("acme").await;
    let kinds = balance.body["grants"].as_array().expect("grants").iter();
    let left: Vec<_> = kinds.map(|grant| (&grant["kind"], &grant["remaining"])).collect();
    assert_eq!(json!(left), json!([["weekly", "25"], ["manual", "100"]]));
    assert_eq!(stack.debit("acme", "all", "125").await.status, 201);
}

#[tokio::test]
async fn a_grant_that_is_used_up_or_has_expired_is_revoked_with_nothing_taken() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let spent = manual(&stack, "acme", "spent", "10").await;
    let ends = json!({
        "credits": "40", "reason": "test", "expires_at": "2026-11-18T13:00:00Z",
    });
    let expires = granted(&stack, "acme", "expires", ends).await;
    stack.set_clock("2026-11-18T13:00:00Z");
    stack.debit("acme", "all", "35").await;
    for n in 0..40 {
        // The entries of the grants leave for a segment.
        stack.grant("acme", &format!("more {n}"), "1").await;
    }
    for (key, grant) in [("spent", &spent), ("expires", &expires)] {
        let revoked = stack.revoke("acme", &format!("revoke {key}"), grant).await;
        assert_eq!((took(&revoked), revoked.available()), ("0", "40"));
    }
}

#[tokio::test]
async fn holds_that_lapsed_and_grants_that_are_due_count_before_a_revocation() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.debit("acme", "the week", "25").await;
    let grant = manual(&stack, "acme", "grant", "50").await;
    hold(&stack, "acme", "hold", "30").await;
    // The hold lapses after 5 minutes, and nobody writes it down.
    stack.set_clock("2026-11-18T12:06:00Z");
    let revoked = stack.revoke("acme", "revoke", &grant).await;
    assert_eq!((took(&revoked), revoked.available()), ("50", "0"));
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let lowest = entries.iter().filter(|entry| {
        entry["balance"]["available"].as_str().is_some_and(|text| text.starts_with('-'))
    });
    assert_eq!(lowest.count(), 0, "{entries:?}");
    // On Monday the week's credits arrive first, and stay.
    stack.set_clock("2026-11-23T00:00:00Z");
    let revoked = stack.revoke("acme", "monday", &grant).await;
    assert_eq!((took(&revoked), revoked.available()), ("0", "25"));
}

#[tokio::test]
async fn a_frozen_account_and_one_without_a_plan_can_be_revoked() {
    let stack = empty().await;
    let grant = manual(&stack, "acme", "grant", "5").await;
    let body = r#"{"reason":"abuse"}"#;
    assert_eq!(stack.post(&of("acme", "/freeze"), "freeze", body).await.status, 201);
    assert_eq!(took(&stack.revoke("acme", "revoke", &grant).await), "5");
}

#[tokio::test]
async fn credits_of_a_plan_or_a_pack_and_unknown_grants_are_refused_without_effect() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("pro", "pro").await;
    stack.open("acme", "free").await;
    let debit = stack.debit("pro", "debit", "1").await;
    for (grant, refused) in [
        ("week-2026-11-16", (409, "grant_not_revocable")),
        ("period-2026-11-18", (409, "grant_not_revocable")),
        ("period-2020-01-01", (409, "grant_not_revocable")),
        (debit.text("/id"), (404, "grant_not_found")),
        ("01a98d5a-9f00-8000-8000-000000000000", (404, "grant_not_found")),
        ("week-2026-11-31", (400, "invalid_request")),
        ("everything", (400, "invalid_request")),
    ] {
        let answer = stack.revoke("pro", "revoke", grant).await;
        assert_eq!((answer.status, answer.code()), refused, "{grant}");
    }
    let (order, _) = shop.buy("acme", "buy", "starter").await;
    let answer = stack.revoke("acme", "of a pack", &order).await;
    assert_eq!((answer.status, answer.code()), (409, "grant_not_revocable"));
    // The pack is used up, and another account's id says nothing.
    let all = stack.balance("acme").await;
    assert_eq!(stack.debit("acme", "all", all.text("/available")).await.status, 201);
    stack.grant("acme", "advances", "1").await;
    let answer = stack.revoke("acme", "used up", &order).await;
    assert_eq!((answer.status, answer.code()), (409, "grant_not_revocable"));
    let answer = stack.revoke("pro", "another's", &order).await;
    assert_eq!((answer.status, answer.code()), (404, "grant_not_found"));
    let nobody = stack.revoke("nobody", "revoke", &order).await;
    assert_eq!((nobody.status, nobody.code()), (404, "account_not_found"));
    let wrong = stack.post(&of("pro", "/grants/x/revoke"), "k", r#"{"resaon":"x"}"#).await;
    let fields = wrong.body["fields"].as_array().expect("fields").iter();
    let fields: Vec<_> = fields.map(|field| field["field"].clone()).collect();
    assert_eq!(json!(fields), json!(["id", "reason", "resaon"]));
    let entries = ledger(&stack.functions, "pro").await.expect("a ledger");
    assert!(entries.iter().all(|entry| entry["kind"] != "revoked"), "{entries:?}");
}

#[tokio::test]
async fn a_revocation_is_announced_and_shown_to_the_customer_without_its_reason() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let grant = manual(stack, "acme", "grant", "200").await;
    let path = of("acme", &format!("/grants/{grant}/revoke"));
    let body = r#"{"reason":"a typo","message":"Granted by mistake"}"#;
    assert_eq!(took(&stack.post(&path, "revoke", body).await), "200");
    // It takes nothing and says nothing, so the customer does not see it.
    assert_eq!(took(&stack.revoke("acme", "again", &grant).await), "0");
    stack.relay().await;
    let mut events = stack.announced();
    events.retain(|event| event["detail-type"] == "CreditsRevoked");
    let said: Vec<&Value> = events.iter().map(|event| &event["detail"]["credits"]).collect();
    assert_eq!(said, ["200", "0"]);
    let detail = &events[0]["detail"];
    assert_eq!((&detail["grant"], &detail["kind"]), (&json!(grant), &json!("manual")));
    let token = shop.token("acme", r#""view""#).await;
    let listed = shop.ask(&token, "GET", "/v1/me/ledger", None, "").await;
    let entries = listed.body["entries"].as_array().expect("entries").iter();
    let seen: Vec<_> = entries.map(|e| (&e["kind"], &e["available"], &e["message"])).collect();
    assert_eq!(
        json!(seen),
        json!([
            ["revoked", "-200", "Granted by mistake"],
            ["granted", "200", null],
            ["opened", "25", null]
        ])
    );
    assert!(!listed.body.to_string().contains("typo"), "{listed:?}");
}

/// A key whose record is there is answered by it, whatever came later.
#[tokio::test]
async fn a_revocation_that_was_archived_is_replayed() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let grant = manual(&stack, "acme", "grant", "7").await;
    let first = stack.revoke("acme", "revoke", &grant).await;
    for n in 0..60 {
        stack.grant("acme", &format!("more {n}"), "1").await;
    }
    let again = stack.revoke("acme", "revoke", &grant).await;
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    assert_eq!(took(&first), "7");
}

/// However full the list of recent entries is, the two entries find room.
#[tokio::test]
async fn a_revocation_finds_room_at_every_length_of_the_recent_entries() {
    // Beside them there are three: the opening, the grant and its advance.
    for debits in CAPACITY - 6..=CAPACITY - 3 {
        let stack = Stack::still("2026-11-18T12:00:00Z").await;
        stack.open("acme", "pro").await;
        let grant = manual(&stack, "acme", "grant", "7").await;
        // No segment is written meanwhile: the list fills up.
        stack.wire.set_policy(|operation, _| match operation {
            "PutItem" => Fault::Throttle,
            _ => Fault::None,
        });
        for _ in 0..debits {
            let done = stack.debit("acme", &stack.id(0).to_string(), "1").await;
            assert_eq!(done.status, 201, "{done:?}");
        }
        stack.wire.heal();
        assert_eq!(took(&stack.revoke("acme", "revoke", &grant).await), "7", "{debits}");
    }
}
