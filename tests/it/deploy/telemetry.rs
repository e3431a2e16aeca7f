//! Telemetry: metrics add up, and neither they nor a log contain a secret.
//!
//! Every test looks for leaked secrets with [`crate::support::canary`]. These tests show that it
//! finds them, and check the likely places of a leak.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::Body;
use serde_json::{Value, json};
use shared::domain::Credits;
use shared::stripe::signature;
use shared::telemetry::VERSION;

use crate::support::canary::{self, CARD};
use crate::support::shop::Shop;
use crate::support::wire::Fault;
use crate::support::{LOCAL, PRODUCT, Stack, lambda, request};

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Makes an account unreadable.
async fn break_account(stack: &Stack, account: &str) {
    let update = stack.tables().update_item().table_name("scrip-accounts");
    let update = update.key("a", value(account)).update_expression("SET ps = :p");
    update.expression_attribute_values(":p", value("?")).send().await.expect("broken");
}

/// The metrics emitted since the last call, summed as CloudWatch does: by metric and dimensions.
fn take(stack: &Stack) -> BTreeMap<String, i64> {
    let emitted = std::mem::take(&mut *stack.emitted.lock().expect("no one panics with the lock"));
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for document in emitted {
        assert_eq!(document["version"], VERSION);
        let about = &document["_aws"];
        assert_eq!(about["Timestamp"].as_i64().map(|ms| ms > 1_700_000_000_000), Some(true));
        for directive in about["CloudWatchMetrics"].as_array().expect("directives") {
            assert_eq!(directive["Namespace"], canary::NAMESPACE);
            let metrics = directive["Metrics"].as_array().expect("metrics");
            assert!(!metrics.is_empty(), "{document}");
            for metric in metrics {
                let name = metric["Name"].as_str().expect("a name");
                let decimal = document[name].to_string();
                let value = match name {
                    "Credits" => decimal.parse::<Credits>().expect("credits").micro(),
                    _ => decimal.parse().expect("a count"),
                };
                for dimensions in directive["Dimensions"].as_array().expect("dimensions") {
                    let values = dimensions.as_array().expect("names").iter();
                    let values = values.map(|name| name.as_str().expect("a name"));
                    let values = values.map(|name| document[name].as_str().expect("a value"));
                    let key: Vec<&str> = std::iter::once(name).chain(values).collect();
                    *sums.entry(key.join(" ")).or_default() += value;
                }
            }
        }
    }
    sums.retain(|name, sum| name != "Latency" && *sum != 0);
    sums
}

fn sums<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect()
}

#[tokio::test]
async fn debits_refusals_and_replays_are_counted_once() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    take(&stack);
    stack.action("open", "a", "custom_image", 3).await;
    assert_eq!(take(&stack), sums([("Debits", 1), ("Credits", 1_500_000)]));
    stack.action("open", "a", "custom_image", 3).await;
    assert_eq!(take(&stack), sums([("Replays", 1)]));
    stack.debit("open", "b", "24").await;
    stack.action("open", "c", "telepathy", 1).await;
    let refused =
        [("Refusals", 2), ("Refusals insufficient_credits", 1), ("Refusals unknown_action", 1)];
    assert_eq!(take(&stack), sums(refused));
    // Each debit of a batch counts, except those that had happened before.
    let batch = r#"{"mode":"all_or_nothing","debits":[
        {"id":"a","action":"custom_image","quantity":3},
        {"id":"d","credits":"1"},{"id":"e","credits":"0.000001"}]}"#;
    let path = "/v1/accounts/open/debits/batch";
    assert_eq!(stack.send(request("POST", path, None, batch)).await.status, 201);
    assert_eq!(take(&stack), sums([("Debits", 2), ("Credits", 1_000_001), ("Replays", 1)]));
    // A hold spends nothing; its capture does.
    let held = stack.post("/v1/accounts/open/holds", "f", r#"{"credits":"3"}"#).await;
    assert_eq!(take(&stack), sums([]));
    let path = format!("/v1/accounts/open/holds/{}/capture", held.text("/id"));
    stack.post(&path, "g", r#"{"credits":"2"}"#).await;
    assert_eq!(take(&stack), sums([("Debits", 1), ("Credits", 2_000_000)]));
    // The same by direct invocation.
    let payload = json!({ "account": "open", "id": "h", "credits": "1" });
    lambda::invoke(stack.context(), payload.clone()).await;
    lambda::invoke(stack.context(), payload).await;
    let payload = json!({ "account": "nobody", "id": "h", "credits": "1" });
    lambda::invoke(stack.context(), payload).await;
    let counted = [
        ("Debits", 1),
        ("Credits", 1_000_000),
        ("Replays", 1),
        ("Refusals", 1),
        ("Refusals account_not_found", 1),
    ];
    assert_eq!(take(&stack), sums(counted));
}

#[tokio::test]
async fn refusals_of_strangers_are_counted_apart() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let token = shop.token("acme", r#""view""#).await;
    take(stack);
    // A visitor without a session has sent no token.
    assert_eq!(stack.get("/v1/me/balance").await.code(), "session_required");
    assert_eq!(take(stack), sums([("StrangersRefused", 1)]));
    let by = |token: &str| format!("Bearer {token}");
    let ask = async |token: String, origin: &str| {
        stack.ask("GET", "/v1/me/balance", &[("authorization", &token), ("origin", origin)]).await
    };
    assert_eq!(ask(by(&token), PRODUCT).await.status, 200);
    assert_eq!(take(stack), sums([]));
    let session = [("StrangersRefused", 1), ("SessionsRefused", 1)];
    // Changed, of another audience, and too old.
    let body = format!(r#"{{"subject":"ada","return_url":"{LOCAL}/"}}"#);
    let made = stack.session("acme", &body).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link").to_owned();
    for refused in [format!("{token}A"), link] {
        assert_eq!(ask(by(&refused), PRODUCT).await.code(), "session_required");
        assert_eq!(take(stack), sums(session));
    }
    assert_eq!(ask(by(&token), "https://elsewhere.example.com").await.code(), "origin_refused");
    assert_eq!(take(stack), sums([("StrangersRefused", 1), ("OriginsRefused", 1)]));
    let mut forged = request("POST", "/v1/stripe/webhook", None, "{}");
    forged.headers_mut().insert("stripe-signature", "t=1,v1=00".parse().expect("a header"));
    assert_eq!(shop.bring(forged).await.code(), "signature_invalid");
    assert_eq!(take(stack), sums([("StrangersRefused", 1), ("SignaturesRefused", 1)]));
    stack.set_clock("2026-11-18T13:00:01Z");
    assert_eq!(ask(by(&token), PRODUCT).await.code(), "session_required");
    assert_eq!(take(stack), sums(session));
}

#[tokio::test]
async fn a_used_link_is_a_refused_session() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let body = format!(r#"{{"subject":"ada","return_url":"{LOCAL}/"}}"#);
    let made = stack.session("acme", &body).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link").to_owned();
    stack.press(&link).await;
    take(&stack);
    assert_eq!(stack.press(&link).await.status, 401);
    assert_eq!(take(&stack), sums([("SessionsRefused", 1)]));
}

#[tokio::test]
async fn every_request_has_one_latency() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    stack.balance("open").await;
    stack.debit("open", "a", "26").await;
    let emitted = stack.emitted.lock().expect("no one panics with the lock");
    let latencies = emitted.iter().filter_map(|document| document["Latency"].as_u64());
    assert_eq!(latencies.filter(|ms| *ms < 60_000).count(), 3, "{emitted:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_and_its_attempts_are_counted() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    take(&stack);
    stack.wire.set_policy(|_, _| Fault::Throttle);
    assert_eq!(stack.debit("open", "a", "1").await.status, 503);
    let counted = take(&stack);
    assert_eq!((counted["Unknowns"], counted.contains_key("Refusals")), (1, false), "{counted:?}");
    assert_eq!(counted["Unknowns scrip 7"], 1, "the function and its version");
    assert!(counted["Conflicts"] >= 3, "{counted:?}");
    stack.wire.heal();
    // We have to repair an account that cannot be read.
    break_account(&stack, "open").await;
    assert_eq!(stack.balance("open").await.status, 500);
    assert_eq!(take(&stack), sums([("Failures", 1), ("Failures scrip 7", 1)]));
}

#[tokio::test]
async fn archived_segments_are_counted() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    take(&stack);
    for _ in 0..100 {
        stack.debit("acme", &stack.id(0).to_string(), "1").await;
    }
    let pages = stack.tables().query().table_name("scrip-ledger");
    let pages = pages.key_condition_expression("a = :a AND begins_with(s, :p)");
    let pages = pages.expression_attribute_values(":a", value("acme"));
    let pages = pages.expression_attribute_values(":p", value("P#")).send().await.expect("pages");
    let (counted, written) = (take(&stack)["Segments"], i64::from(pages.count()));
    assert!(written >= 4, "{written} pages");
    assert_eq!(counted, written);
}

#[tokio::test]
async fn a_recharge_reports_the_outcome_of_its_accounts() {
    let stack = Stack::noon().await;
    for account in ["used", "idle", "broken"] {
        stack.open(account, "free").await;
        stack.debit(account, "some", "1").await;
    }
    stack.set_clock("2026-11-23T00:00:00Z");
    stack.mappings.fire("recharge").await.expect("swept");
    stack.set_clock("2026-11-25T00:00:00Z");
    stack.debit("used", "more", "1").await;
    break_account(&stack, "broken").await;
    stack.set_clock("2026-11-30T00:00:00Z");
    take(&stack);
    stack.mappings.fire("recharge").await.expect("swept");
    let counted = [
        ("AccountsSeen", 3),
        ("AccountsAdvanced", 1),
        ("AccountsSkipped", 1),
        ("AccountsBroken", 1),
        ("SweepsFinished", i64::from(recharge::SCAN_SEGMENTS)),
    ];
    assert_eq!(take(&stack), sums(counted));
    // Credits that expire soon are announced, and are no recharge.
    stack.mappings.fire("expiring").await.expect("swept");
    let segments = i64::from(recharge::SCAN_SEGMENTS);
    assert_eq!(take(&stack), sums([("SweepsFinished", segments)]));
}

/// The documents emitted since the last call that have this metric, each as its value. A run that
/// found nothing says so: 0 is a value, and no document is silence.
fn said(stack: &Stack, metric: &str) -> Vec<Option<u64>> {
    let emitted = stack.emitted.lock().expect("no one panics with the lock");
    let said = emitted.iter().map(|document| &document[metric]).filter(|value| !value.is_null());
    said.map(Value::as_u64).collect()
}

#[tokio::test]
async fn a_comparison_with_stripe_says_that_it_ended_and_what_waits() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    for (metric, found) in [("ReconcilesFinished", 1), ("WebhooksMissed", 0), ("PaymentsParked", 0)]
    {
        assert_eq!(said(&shop.stack, metric), [Some(found)], "{metric}");
    }
    // A payment that no webhook told of, and an event that waits for an operator.
    let (_, session) = shop.begin("acme", "silent", "starter").await;
    shop.stripe.act(&session, local::stripe::Effect::Pay).expect("paid");
    shop.stripe.take_events();
    shop.take_notice(r#"{"id":"evt_1","object":"event"}"#).await;
    // The webhook had its ten minutes.
    shop.stack.set_clock("2026-11-18T12:15:00Z");
    take(&shop.stack);
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    let counted = [("ReconcilesFinished", 1), ("WebhooksMissed", 1), ("PaymentsParked", 1)];
    assert_eq!(take(&shop.stack), sums(counted));
    // A run that fails is silent.
    shop.stack.wire.set_policy(|_, _| Fault::Throttle);
    assert_eq!(shop.stack.mappings.fire("reconcile").await, None);
    assert_eq!(said(&shop.stack, "ReconcilesFinished"), []);
}

/// The parts of an audit: the segments of the accounts, rows without an account, and Stripe.
const PARTS: i32 = ::audit::SCAN_SEGMENTS + 2;

#[tokio::test]
async fn an_audit_says_that_it_ended_and_what_it_found() {
    let shop = Shop::noon().await;
    for account in ["acme", "broken"] {
        shop.stack.open(account, "free").await;
    }
    shop.stack.mappings.fire("audit").await.expect("audited");
    let parts = PARTS as usize;
    assert_eq!(said(&shop.stack, "AuditsFinished"), vec![Some(1); parts]);
    assert_eq!(said(&shop.stack, "DifferencesFound"), vec![Some(0); parts]);
    break_account(&shop.stack, "broken").await;
    take(&shop.stack);
    shop.stack.mappings.fire("audit").await.expect("audited");
    assert_eq!(
        take(&shop.stack),
        sums([("AuditsFinished", PARTS.into()), ("DifferencesFound", 1)])
    );
}

#[tokio::test]
async fn a_batch_of_the_relay_says_what_it_announced_and_set_aside() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    stack.relay().await;
    take(&stack);
    stack.grant("acme", "gift", "5").await;
    take(&stack);
    stack.relay().await;
    assert_eq!(take(&stack), sums([("RelayBatches", 1), ("EventsAnnounced", 1)]));
    break_account(&stack, "acme").await;
    assert_eq!(stack.relay_what_can_be().await.len(), 1);
    assert_eq!(take(&stack), sums([("RelayBatches", 1), ("RecordsSetAside", 1)]));
}

/// Card data in fields where Stripe never has it, and where
/// it would break the parsing of the event.
#[tokio::test]
async fn card_data_in_an_event_is_never_passed_on() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, local::stripe::Effect::Pay).expect("paid");
    let events = shop.stripe.take_events();
    let completed = events.iter().find(|event| event.contains("checkout.session.completed"));
    let completed: Value = serde_json::from_str(completed.expect("an event")).expect("JSON");
    let places = [
        "/type",
        "/livemode",
        "/data/object/object",
        "/data/object/amount_total",
        "/data/object/currency",
        "/data/object/payment_status",
        "/data/object/payment_intent",
        "/data/object/metadata",
        "/data/object/metadata/scrip_order",
        "/data/object/metadata/scrip_account",
    ];
    let mut outcomes = BTreeSet::new();
    for (n, place) in places.into_iter().enumerate() {
        let mut event = completed.clone();
        event["id"] = json!(format!("evt_{n}"));
        *event.pointer_mut(place).expect("a place") = json!(CARD);
        let answer = shop.take_notice(&event.to_string()).await;
        outcomes.insert(answer.text("/outcome").to_owned());
        // Also if the event is not from Stripe.
        let body = event.to_string();
        let forged =
            signature::sign(body.as_bytes(), "whsec_forged", shop.stack.context().clock.now());
        let mut request = request("POST", "/v1/stripe/webhook", None, "");
        *request.body_mut() = Body::Text(body);
        request.headers_mut().insert("stripe-signature", forged.parse().expect("a header"));
        assert_eq!(shop.bring(request).await.code(), "signature_invalid");
    }
    assert_eq!(outcomes, ["ignored", "parked"].map(str::to_owned).into());
    let listed = shop.stack.get("/v1/payments?state=parked").await;
    let waiting = listed.body["payments"].as_array().expect("payments");
    assert!(waiting.len() >= 3, "{waiting:?}");
    for one in waiting {
        let path = format!("/v1/payments/{}/release", one["id"].as_str().expect("an id"));
        shop.stack.send(request("POST", &path, None, r#"{"reason":"looked at"}"#)).await;
    }
}

/// Canaries are found in a log, an answer and a metric. Each of those has its own process state, so
/// this test uses texts.
#[test]
fn a_leaked_canary_is_found() {
    let sung = |text: &str| canary::found(text).len();
    assert_eq!(sung("a request failed"), 0);
    assert_eq!(sung(&format!("the key {}", canary::SESSION_KEY)), 1);
    assert_eq!(sung(&format!("{} paid by {CARD}", local::stripe::PAYER)), 2);
    assert_eq!(sung(&format!("{}, {}", local::stripe::KEY, local::stripe::WEBHOOK_SECRET)), 2);
    let token = "GET /enter?t=scrip_session_test.c2VhbGVk";
    assert_eq!(sung(token), 1);
}
