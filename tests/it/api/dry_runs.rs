//! Dry runs: a request with `dry_run` answers what it would change, and writes nothing.

use std::sync::atomic::Ordering;

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::support::shop::Shop;
use crate::support::wire::{Fault, Items};
use crate::support::{Answer, Stack, instant, of, request};

/// A stack whose clock moves only when a test moves it, so that two requests are at one instant.
async fn still() -> Stack {
    Stack::ticking().await
}

fn move_clock(stack: &Stack, now: &str) {
    stack.set_clock(now);
    let noon = instant("2026-11-18T12:00:00Z");
    stack.ticks.store((instant(now) - noon).ms(), Ordering::Relaxed);
}

/// Both tables, item by item.
fn tables(stack: &Stack) -> [Items; 2] {
    let names = local::tables::names();
    [names.accounts, names.ledger].map(|table| {
        let scanned = stack.wire.past(&json!({ "TableName": table }), "Scan");
        assert_eq!(scanned["LastEvaluatedKey"], Value::Null, "one scan returns all");
        scanned["Items"].as_array().cloned().unwrap_or_default()
    })
}

/// The balance. Null: there is no such account.
async fn balance(stack: &Stack, account: &str) -> Value {
    let answer = stack.balance(account).await;
    if answer.status == 404 { Value::Null } else { answer.body }
}

/// A balance in which a grant that is not in `before` has no id: a dry run cannot know it.
fn unnamed(mut balance: Value, before: &Value) -> Value {
    let empty = Vec::new();
    let known = before["grants"].as_array().unwrap_or(&empty);
    for grant in balance["grants"].as_array_mut().expect("grants") {
        if !known.iter().any(|known| known["id"] == grant["id"]) {
            grant["id"] = json!("new");
        }
    }
    balance
}

async fn send(stack: &Stack, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let key = Some(key).filter(|key| !key.is_empty());
    stack.send(request(method, path, key, &body.to_string())).await
}

fn dry(body: &Value) -> Value {
    let mut body = body.clone();
    body["dry_run"] = json!(true);
    body
}

/// Previews a request, then makes it at the same instant: the preview has written nothing, and the
/// account, or the refusal, is what it said. Returns the answer to the request itself.
async fn check(
    stack: &Stack,
    account: &str,
    (method, path): (&str, &str),
    key: &str,
    body: Value,
) -> Answer {
    let (before, stored) = (balance(stack, account).await, tables(stack));
    let preview = send(stack, method, path, key, &dry(&body)).await;
    assert_eq!(tables(stack), stored, "{path} {body}: a dry run wrote something");
    let made = send(stack, method, path, key, &body).await;
    if made.status >= 400 {
        assert_eq!((preview.status, &preview.body), (made.status, &made.body), "{path} {body}");
        return made;
    }
    assert_eq!(preview.status, 200, "{path} {body}: {preview:?}");
    assert_eq!(preview.body["before"], before, "{path} {body}");
    let after = unnamed(balance(stack, account).await, &before);
    assert_eq!(unnamed(preview.body["after"].clone(), &before), after, "{path} {body}");
    made
}

fn said() -> Value {
    json!({ "reason": "a look", "message": "We had a look" })
}

fn credits(credits: &str) -> Value {
    json!({ "credits": credits, "reason": "a look" })
}

#[tokio::test]
async fn each_preview_of_an_operator_is_the_balance_that_follows() {
    let stack = &still().await;
    let acme = of("acme", "");
    let grants = of("acme", "/grants");
    let (put, grant) = (("PUT", &*acme), ("POST", &*grants));
    check(stack, "acme", put, "open", json!({ "plan": "free" })).await;
    stack.debit("acme", "spend", "7.5").await;
    let gift = check(stack, "acme", grant, "grant", credits("12.5")).await;
    let of_gift = of("acme", &format!("/grants/{}/revoke", gift.text("/id")));
    let mut lasting = credits("3");
    lasting["expires_at"] = json!("2026-12-24T00:00:00Z");
    let lasting = check(stack, "acme", grant, "until", lasting).await;
    let revoke = of("acme", &format!("/grants/{}/revoke", lasting.text("/id")));
    for key in ["revoke", "nothing is left"] {
        let revoked = check(stack, "acme", ("POST", &revoke), key, said()).await;
        assert_eq!(revoked.status, 201, "{revoked:?}");
    }
    for verb in ["freeze", "unfreeze"] {
        check(stack, "acme", ("POST", &of("acme", &format!("/{verb}"))), verb, said()).await;
    }
    stack.post(&of("acme", "/holds"), "hold", r#"{"credits":"4","expires_in_s":86400}"#).await;
    // The hold keeps what it has.
    check(stack, "acme", ("POST", &of_gift), "while held", said()).await;
    check(stack, "acme", put, "upgrade", json!({ "plan": "pro" })).await;
    // It is so already.
    check(stack, "acme", put, "again", json!({ "plan": "pro" })).await;
    // Weeks later nobody has advanced the account, and the hold has lapsed.
    move_clock(stack, "2026-12-08T09:00:00Z");
    check(stack, "acme", grant, "late grant", credits("1")).await;
    move_clock(stack, "2026-12-15T09:00:00Z");
    check(stack, "acme", put, "late", json!({ "plan": "standard" })).await;
    move_clock(stack, "2026-12-29T09:00:00Z");
    check(stack, "acme", ("POST", &of("acme", "/freeze")), "late freeze", said()).await;
}

#[tokio::test]
async fn each_preview_of_a_refund_is_the_balance_that_follows() {
    let stack = &still().await;
    stack.open("acme", "free").await;
    let gift = stack.grant("acme", "gift", "10").await;
    let (mut refunds, mut keys) = (Vec::new(), 0);
    for debit in ["28", "3", "2"] {
        let made = stack.debit("acme", &format!("debit {debit}"), debit).await;
        refunds.push(of("acme", &format!("/debits/{}/refund", made.text("/id"))));
    }
    let mut refund = async |n: usize, amount: &str| {
        keys += 1;
        let key = format!("refund {keys}");
        check(stack, "acme", ("POST", &*refunds[n]), &key, credits(amount)).await
    };
    assert_eq!(refund(0, "1").await.status, 201);
    assert_eq!(refund(0, "27.5").await.code(), "refund_exceeded");
    // Across Monday: 25 were of a week that has ended.
    move_clock(stack, "2026-11-23T12:00:00Z");
    assert_eq!(refund(0, "26").await.status, 201);
    assert_eq!(refund(1, "3").await.status, 201);
    stack.grant("acme", "an advance", "1").await;
    let revoke = of("acme", &format!("/grants/{}/revoke", gift.text("/id")));
    check(stack, "acme", ("POST", &revoke), "revoke", said()).await;
    // What it would return to a revoked grant is revoked, too.
    assert_eq!(refund(2, "2").await.status, 201);
    assert_eq!(refund(2, "2").await.code(), "refund_exceeded");
}

#[tokio::test]
async fn previews_of_debts_and_parked_payments_are_the_balances_that_follow() {
    let shop = Shop::beside(still().await).await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    let left = stack.balance("acme").await.text("/available").to_owned();
    let debit = stack.debit("acme", "all", &left).await;
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(stack.balance("acme").await.text("/debt"), "500");
    // A refund repays a part of the debt.
    let path = of("acme", &format!("/debits/{}/refund", debit.text("/id")));
    assert_eq!(check(stack, "acme", ("POST", &path), "back", credits("30")).await.status, 201);
    check(stack, "acme", ("POST", &of("acme", "/grants")), "grant", credits("5")).await;
    for _ in 0..2 {
        // The second time there is no debt.
        check(stack, "acme", ("POST", &of("acme", "/debt/waive")), "waive", said()).await;
    }
    for verb in ["release", "dismiss"] {
        let (_, session) = shop.begin("acme", verb, "starter").await;
        shop.stripe.act(&session, Effect::Pay).expect("paid");
        for event in shop.stripe.take_events() {
            let mut event: Value = serde_json::from_str(&event).expect("JSON");
            if event["type"] == "checkout.session.completed" {
                event["data"]["object"]["amount_total"] = json!(4800);
                assert_eq!(shop.take_notice(&event.to_string()).await.text("/outcome"), "parked");
            }
        }
        let listed = stack.get("/v1/payments?state=parked").await;
        let path = format!("/v1/payments/{}/{verb}", listed.text("/payments/0/id"));
        let decided = check(stack, "acme", ("POST", &path), "", said()).await;
        assert_eq!(decided.text("/account"), "acme", "{decided:?}");
        // The same again is answered; another decision is refused.
        assert_eq!(check(stack, "acme", ("POST", &path), "", said()).await.body, decided.body);
        let other = json!({ "reason": "another" });
        assert_eq!(check(stack, "acme", ("POST", &path), "", other).await.status, 409);
    }
    assert_eq!(shop.take_notice("this cannot be read").await.text("/outcome"), "parked");
    let listed = stack.get("/v1/payments?state=parked").await;
    let dismiss = format!("/v1/payments/{}/dismiss", listed.text("/payments/0/id"));
    let stored = tables(stack);
    let preview = send(stack, "POST", &dismiss, "", &dry(&json!({ "reason": "a look" }))).await;
    assert_eq!(preview.body, json!({ "dry_run": true, "before": null, "after": null }));
    assert_eq!(tables(stack), stored);
}

#[tokio::test]
async fn a_dry_run_gets_the_refusal_of_the_request_and_uses_up_no_key() {
    let stack = &still().await;
    stack.open("acme", "free").await;
    let debit = stack.debit("acme", "debit", "5").await;
    let never = "01a20132-08af-7fb3-8350-6bdcd05e3b83";
    let refund = |id: &str| of("acme", &format!("/debits/{id}/refund"));
    for (method, path, body, code) in [
        ("PUT", of("new", ""), json!({ "plan": "gold" }), "unknown_plan"),
        ("POST", of("nobody", "/grants"), credits("1"), "account_not_found"),
        ("POST", of("nobody", "/freeze"), said(), "account_not_found"),
        ("POST", of("acme", "/grants/week-2026-11-16/revoke"), said(), "grant_not_revocable"),
        ("POST", of("acme", "/grants"), credits("100000.1"), "grant_too_large"),
        ("POST", of("acme", "/debt/waive"), said(), "no_debt"),
        ("POST", refund(debit.text("/id")), credits("6"), "refund_exceeded"),
        ("POST", refund(never), credits("1"), "debit_not_found"),
        ("POST", "/v1/payments/pi_3a1b2c3d4e5f/release".to_owned(), said(), "payment_not_found"),
    ] {
        let key = if path.starts_with("/v1/payments") { "" } else { "a key" };
        assert_eq!(check(stack, "acme", (method, &path), key, body).await.code(), code);
    }
    let grants = of("acme", "/grants");
    check(stack, "acme", ("POST", &grants), "a key", credits("1")).await;
    // The key happened: with the same content nothing changes, and other content is refused.
    let again = check(stack, "acme", ("POST", &grants), "a key", credits("1")).await;
    assert!(again.replayed, "{again:?}");
    let other = check(stack, "acme", ("POST", &grants), "a key", credits("2")).await;
    assert_eq!(other.code(), "operation_reused");
}

/// Debits until the account is full: no segment can be written.
async fn full(stack: &Stack) {
    stack.wire.set_policy(|operation, _| match operation {
        "PutItem" => Fault::Throttle,
        _ => Fault::None,
    });
    while tables(stack)[0][0]["ri"]["L"].as_array().map(Vec::len) < Some(64) {
        assert_eq!(stack.debit("acme", &stack.id(0).to_string(), "0.1").await.status, 201);
    }
    stack.wire.heal();
}

#[tokio::test]
async fn a_dry_run_advances_and_archives_nothing() {
    let stack = &still().await;
    stack.open("acme", "free").await;
    full(stack).await;
    stack.debit("acme", &stack.id(0).to_string(), "0.1").await;
    full(stack).await;
    let id = "acme".parse().expect("an id");
    let loaded = stack.context().store.account(&id).await.expect("an answer").expect("it");
    let first = loaded.account.recent.first().expect("64 entries");
    assert_eq!(first.kind.name(), "debit");
    // The debit is found, although the refund itself would archive it first.
    let refund = of("acme", &format!("/debits/{}/refund", first.id));
    let refunded = check(stack, "acme", ("POST", &refund), "refund", credits("0.1")).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    move_clock(stack, "2026-12-08T09:00:00Z");
    let grants = of("acme", "/grants");
    check(stack, "acme", ("POST", &grants), "grant", credits("1")).await;
    stack.wire.set_policy(|operation, _| match operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    });
    stack.grant("acme", "granted", "5").await;
    stack.wire.heal();
    check(stack, "acme", ("PUT", &of("acme", "")), "plan", json!({ "plan": "pro" })).await;
    // The first account of a stack: not even the catalog is stored.
    let stack = &still().await;
    let before = tables(stack);
    let body = dry(&json!({ "plan": "free" }));
    let preview = send(stack, "PUT", &of("first", ""), "open", &body).await;
    assert_eq!((preview.status, &preview.body["before"]), (200, &Value::Null));
    assert_eq!(preview.text("/after/available"), "25");
    assert_eq!(tables(stack), before);
}

#[tokio::test]
async fn a_dry_run_that_is_no_bool_or_has_no_key_is_refused() {
    let stack = &still().await;
    stack.open("acme", "free").await;
    let grants = of("acme", "/grants");
    for wrong in [json!("true"), json!(1), json!(null)] {
        let body = json!({ "credits": "x", "reason": "a look", "dry_run": wrong });
        let refused = send(stack, "POST", &grants, "key", &body).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"));
        let fields = refused.body["fields"].as_array().expect("fields").iter();
        let mut fields: Vec<_> = fields.map(|field| field["field"].as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, [Some("credits"), Some("dry_run")], "{wrong}");
    }
    let refused = send(stack, "POST", &grants, "", &dry(&credits("1"))).await;
    assert_eq!(refused.text("/fields/0/field"), "Idempotency-Key");
    // Where there is none, nothing is done for real instead.
    for route in ["/debits", "/holds"] {
        let refused = send(stack, "POST", &of("acme", route), "key", &dry(&json!({}))).await;
        assert!(refused.body["fields"].to_string().contains("dry_run"), "{refused:?}");
    }
}
