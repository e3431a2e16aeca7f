//! The roles of the template: every test runs under them,
//! and each function uses all its permissions.

use std::time::Duration;

use ::audit::{AuditPart, AuditWork};
use local::roles::{Roles, acting_as};
use local::stripe::{Card, ChangeAt, Effect, PriceId};
use local::template::Permissions;
use local::template::Template;
use serde_json::json;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope};
use shared::secrets::Secret;
use shared::service_key::ServiceKeys;

use crate::support::canary::SERVICE_KEYS;
use crate::support::door;
use crate::support::secrets_manager::Vault;
use crate::support::service_keys::sealed;
use crate::support::shop::Shop;
use crate::support::{KEYS, PRODUCT, Stack, request};

/// A shop whose secrets are in Secrets Manager, as deployed.
async fn shop() -> Shop {
    let Shop { stack, stripe } = Shop::streamed().await;
    let vault = Vault::default();
    vault.put("SessionKeys", KEYS);
    vault.put("StripeWebhookSecretArn", local::stripe::WEBHOOK_SECRET);
    vault.put("ServiceSecret", SERVICE_KEYS);
    let secret = |arn: &str| -> Secret { vault.secret(arn, &stack.roles) };
    // A function reads the key when it starts, before its first request.
    vault.put("StripeKeyArn", local::stripe::KEY);
    for function in ["checkout", "webhook", "reconcile", "relay", "audit"] {
        let read = async { secret("StripeKeyArn").get(stack.context().clock.now()).await };
        acting_as(function, read).await.expect("a key");
    }
    let context = stack.context().clone().with_session_keys(secret("SessionKeys"));
    let context = context.with_service_keys(ServiceKeys::new(secret("ServiceSecret")));
    let functions = local::routes::Functions::new(context)
        .with_stripe(stack.functions.stripe().clone(), secret("StripeWebhookSecretArn"));
    Shop { stack: Stack { functions, ..stack }, stripe }
}

/// Services debit, hold, refund and read; the relay rolls up and announces.
async fn services(stack: &Stack) {
    stack.open("acme", "pro").await;
    let mut debit = None;
    for n in 0..60 {
        let receipt = stack.debit("acme", &format!("debit {n}"), "1").await;
        assert_eq!(receipt.status, 201, "{receipt:?}");
        debit.get_or_insert(receipt.text("/id").to_owned());
    }
    // Its entry is archived by now.
    let old = format!("/v1/accounts/acme/debits/{}/refund", debit.expect("a debit"));
    let refund = stack.post(&old, "refund", r#"{"credits":"1","reason":"black"}"#).await;
    assert_eq!(refund.status, 201, "{refund:?}");
    let hold = stack.post("/v1/accounts/acme/holds", "hold", r#"{"credits":"3"}"#).await;
    let capture = format!("/v1/accounts/acme/holds/{}/capture", hold.text("/id"));
    assert_eq!(stack.post(&capture, "capture", r#"{"credits":"2"}"#).await.status, 201);
    // The data that a function keeps in memory is stale: it reads the catalog again.
    stack.set_clock("2026-11-18T12:10:00Z");
    for path in ["balance", "ledger", "usage"] {
        assert_eq!(stack.get(&format!("/v1/accounts/acme/{path}")).await.status, 200);
    }
    // A caller with a key: each function that takes it reads the secret and the list for itself.
    let key = sealed(&stack.key(&KeyScope::ALL, KeyLimit::All).await, SERVICE_KEYS);
    for path in ["", "/balance"] {
        let path = format!("/v1/accounts/acme{path}");
        assert_eq!(stack.by_key(&key, "GET", &path, "").await.status, 200);
        stack.clock.set(stack.clock.now() + Span::from_s(301));
    }
    let quote = stack.by_key(&key, "POST", "/v1/accounts/acme/quotes", r#"{"credits":"1"}"#).await;
    assert_eq!(quote.status, 200, "{quote:?}");
    stack.relay().await;
}

/// An operator grants, and decides about parked payments.
async fn operators(shop: &Shop) {
    let stack = &shop.stack;
    assert_eq!(stack.grant("acme", "grant", "5").await.status, 201);
    let freeze = stack.post("/v1/accounts/acme/freeze", "f", r#"{"reason":"abuse"}"#).await;
    assert_eq!(freeze.status, 201);
    let unfreeze = stack.post("/v1/accounts/acme/unfreeze", "u", r#"{"reason":"none"}"#).await;
    assert_eq!(unfreeze.status, 201);
    // A signed event that cannot be read, and a payment that does not match its order.
    assert_eq!(shop.take_notice(r#"{"id":"evt_1","object":"event"}"#).await.status, 200);
    let (_, session) = shop.begin("acme", "wrong", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    for event in shop.stripe.take_events() {
        let changed = event.replace("\"usd\"", "\"eur\"");
        assert_eq!(shop.take_notice(&changed).await.status, 200);
    }
    let listed = stack.get("/v1/payments?state=parked").await;
    for one in listed.body["payments"].as_array().expect("payments") {
        let id = one["id"].as_str().expect("an id");
        let path = format!("/v1/payments/{id}/dismiss");
        let dismiss = request("POST", &path, None, r#"{"reason":"looked at"}"#);
        assert_eq!(stack.send(dismiss).await.status, 200, "{one}");
    }
}

/// A customer redeems a link, reads, buys and gets a refund; Stripe reports it, or is asked.
async fn customers(shop: &Shop) {
    let body = json!({ "subject": "ada", "scopes": ["buy"], "return_url": PRODUCT }).to_string();
    let made = shop.stack.send(request("POST", "/v1/accounts/acme/sessions", None, &body)).await;
    let link = made.text("/url").rsplit("/enter").next().expect("a query").to_owned();
    assert_eq!(shop.stack.get(&format!("/enter{link}")).await.status, 200);
    let entered = shop.stack.press(link.trim_start_matches("?t=")).await;
    let cookie = door::cookie(&entered);
    assert_eq!(shop.stack.ask("GET", "/", &[("cookie", &cookie)]).await.status, 200);
    assert_eq!(shop.stack.form("/leave", &[("cookie", &cookie)], "").await.status, 200);
    let token = shop.token("acme", r#""view""#).await;
    // The keys of sessions are stale, too, for any function that asks first.
    shop.stack.set_clock("2026-11-18T12:20:00Z");
    for path in ["packs", "balance", "ledger", "usage", "catalog", "limits"] {
        let path = format!("/v1/me/{path}");
        assert_eq!(shop.ask(&token, "GET", &path, None, "").await.status, 200);
    }
    let token = shop.token("acme", r#""limits""#).await;
    shop.stack.set_clock("2026-11-18T12:30:00Z");
    let body = r#"{"at_most":"1000","per":"month"}"#;
    let set = shop.ask(&token, "PUT", "/v1/me/limits/user:ada", Some("limit"), body).await;
    assert_eq!(set.status, 201, "{set:?}");
    shop.stack.set_clock("2026-11-18T12:40:00Z");
    assert_eq!(shop.stack.get("/enter?t=scrip_session_test.AAAA").await.status, 401);
    let (order, session) = shop.buy("acme", "buy", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(100) }).await;
    assert_eq!(shop.state("acme", &order).await.0, "credited");
    // Reconcile asks Stripe for events that the webhook missed.
    let (order, session) = shop.begin("acme", "silent", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    shop.stripe.take_events();
    shop.stack.set_clock("2026-11-18T12:51:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    // A refund that fails long after it took credits: the segments say which ones.
    shop.act(&session, Effect::Refund { minor: Some(100) }).await;
    for n in 0..40 {
        let debit = shop.stack.debit("acme", &format!("since {n}"), "0.01").await;
        assert_eq!(debit.status, 201, "{debit:?}");
    }
    shop.stripe.act(&session, Effect::FailRefund).expect("failed");
    shop.stripe.take_events();
    shop.stack.set_clock("2026-11-18T13:02:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    // More accounts than one request names, and no time for the next one: the rest is queued.
    for n in 0..70 {
        shop.stack.open(&format!("one-of-many-{n}"), "free").await;
    }
    let surroundings = shop.stack.mappings.audit();
    let all = AuditWork::Accounts { segment: 0, of: 1, after: None };
    let audit = json!({ "Records": [{ "body": AuditPart::new(all).message() }] });
    let begun = acting_as("audit", ::audit::answer(&surroundings, audit, Duration::ZERO)).await;
    assert_eq!(begun.expect("an answer")["goes_on"], true);
    shop.stack.mappings.fire("audit").await.expect("an audit");
    shop.stack.relay().await;
    assert_eq!(shop.state("acme", &order).await.0, "credited");
}

/// A customer subscribes; a price of no plan parks the subscription, and one of a plan ends that, by
/// the webhook and by reconcile.
async fn subscribers(shop: &Shop) {
    shop.stack.open("subscriber", "free").await;
    let id = shop.subscribe("subscriber").await;
    let change = |price: &str| {
        let price = PriceId::try_from(price.to_owned()).expect("a price");
        Effect::Change { price, at: ChangeAt::Now }
    };
    let prices = [("price_local_starter_month", 1, true), ("price_local_pro_month", 2, false)];
    for (heard, day) in [(true, 19), (false, 20)] {
        for (price, hour, parked) in prices {
            shop.stripe.act(&id, change(price)).expect("changed");
            match heard {
                true => shop.stripe.deliver(&shop.stack.functions).await,
                false => {
                    shop.stripe.take_events();
                    shop.stack.set_clock(&format!("2026-11-{day}T{hour:02}:30:00Z"));
                    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
                }
            }
            let listed = shop.stack.get("/v1/payments?state=parked").await;
            let listed = listed.body["payments"].as_array().cloned().expect("payments");
            assert_eq!(listed.iter().any(|one| one["id"] == *id), parked, "{heard}: {listed:?}");
        }
    }
}

/// A customer has packs bought: by relay, and by reconcile in a new month.
async fn auto_top_up(shop: &Shop) {
    const PATH: &str = "/v1/me/auto-top-up";
    shop.stack.open("auto", "free").await;
    let token = shop.token("auto", r#""buy""#).await;
    let query = "below=50&pack=starter&currency=usd&at_most_minor=9800";
    let words = shop.ask(&token, "GET", &format!("{PATH}?{query}"), None, "").await;
    let body = json!({
        "below": "50", "pack": "starter", "currency": "usd", "at_most_minor": 9800,
        "consent": words.text("/consent_words"),
    });
    assert_eq!(shop.ask(&token, "PUT", PATH, None, &body.to_string()).await.status, 200);
    let page = shop.stripe.objects("checkout/sessions").pop().expect("a page");
    shop.act(page["id"].as_str().expect("an id"), Effect::Pay).await;
    let customer = shop.stripe.objects("customers").pop().expect("a customer");
    let card = |card| {
        let customer = customer["id"].as_str().expect("an id");
        shop.stripe.act(customer, Effect::Card { card }).expect("a card");
    };
    let spend = async |key: &str, credits: &str| {
        assert_eq!(shop.stack.debit("auto", key, credits).await.status, 201, "{key}");
        shop.stack.relay().await;
    };
    // Fewer than 50 are left: relay buys.
    shop.stack.relay().await;
    card(Card::TakesDays);
    spend("known by the webhook", "500").await;
    let intent = shop.stripe.objects("payment_intents").pop().expect("a payment");
    shop.act(intent["id"].as_str().expect("an id"), Effect::Arrive).await;
    card(Card::Works);
    spend("the month is full", "510").await;
    shop.stack.set_clock("2026-12-01T00:01:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    spend("bought again", "500").await;
    spend("this month is full, too", "500").await;
    let token = shop.token("auto", r#""buy""#).await;
    let off = shop.ask(&token, "DELETE", PATH, None, "").await;
    assert_eq!(off.text("/state"), "off", "{off:?}");
}

/// Debt is waived; Monday comes, and grants that expire soon are announced.
async fn time(shop: &Shop) {
    let stack = &shop.stack;
    let (_, session) = shop.buy("acme", "disputed", "starter").await;
    let all = stack.balance("acme").await.text("/available").to_owned();
    assert_eq!(stack.debit("acme", "all", &all).await.status, 201);
    shop.act(&session, Effect::Dispute).await;
    let waived = stack.post("/v1/accounts/acme/debt/waive", "w", r#"{"reason":"kind"}"#).await;
    assert_eq!(waived.status, 201, "{waived:?}");
    let body = json!({ "credits": "9", "reason": "kind", "expires_at": "2026-12-21T01:00:00Z" });
    let grant = stack.post("/v1/accounts/acme/grants", "soon", &body.to_string()).await;
    assert_eq!(grant.status, 201, "{grant:?}");
    assert_eq!(stack.debit("acme", "some", "1").await.status, 201);
    for (task, now) in [("recharge", "2026-12-14T00:00:00Z"), ("expiring", "2026-12-20T06:00:00Z")]
    {
        stack.set_clock(now);
        stack.mappings.fire(task).await.expect("swept");
    }
    stack.relay().await;
    // Parts that cannot be read come again soon.
    let unread = json!({ "messageId": "m", "receiptHandle": "h", "body": "no part" });
    let unread = json!({ "Records": [unread] });
    assert!(stack.mappings.invoke("audit", &unread).await.is_err());
    let reply = stack.mappings.invoke("recharge", &unread).await.expect("an answer");
    assert_eq!(reply["batchItemFailures"][0]["itemIdentifier"], "m");
    // A record that can never be processed.
    let keys = json!({ "a": { "S": "no account" }, "s": { "S": "P#1#1" } });
    let poison = json!({ "dynamodb": { "SequenceNumber": "1", "Keys": keys } });
    let batch = json!({ "Records": [poison] });
    let reply = stack.mappings.invoke("relay", &batch).await.expect("an answer");
    assert_eq!(reply["batchItemFailures"], json!([]));
}

/// The permissions of one that the other lacks, one per line.
fn difference(of: &Permissions, other: &Permissions) -> Vec<String> {
    let mut lines = Vec::new();
    for (function, permissions) in of {
        let others = other.get(function).cloned().unwrap_or_default();
        let missing = permissions.difference(&others);
        lines.extend(missing.map(|(action, on)| format!("{function}: {action} on {on}")));
    }
    lines
}

/// Every test denies a function more than its role allows. This one finds permissions that are
/// never used.
#[tokio::test]
async fn each_function_uses_all_that_its_role_allows_and_nothing_else() {
    let shop = shop().await;
    services(&shop.stack).await;
    operators(&shop).await;
    customers(&shop).await;
    subscribers(&shop).await;
    auto_top_up(&shop).await;
    time(&shop).await;
    let (allowed, used) = (Template::load().permissions(), shop.stack.roles.used());
    assert_eq!(difference(&used, &allowed), Vec::<String>::new(), "used and not allowed");
    assert_eq!(difference(&allowed, &used), Vec::<String>::new(), "allowed and not used");
}

#[tokio::test]
async fn a_request_outside_the_role_is_denied_and_changes_nothing() {
    let mut narrow = Template::load().permissions();
    let update = ("dynamodb:UpdateItem".to_owned(), "Accounts".to_owned());
    assert!(narrow.get_mut("debit").expect("a role").remove(&update));
    let stack = Stack::noon().await.with_roles(Roles::allowing(narrow)).await;
    stack.open("acme", "free").await;
    let denied = stack.debit("acme", "debit", "1").await;
    assert_eq!(denied.status, 500, "{denied:?}");
    assert_eq!(stack.balance("acme").await.text("/available"), "25");
    // Another function's role is unchanged.
    assert_eq!(stack.grant("acme", "grant", "5").await.status, 201);
}
