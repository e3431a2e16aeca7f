//! Keys and ids: their owners, their spellings, and the time in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use local::stripe::Effect;
use serde_json::Value;
use shared::clock::Clock;
use shared::domain::OperationId;
use shared::domain::instant::Span;

use crate::support::shop::Shop;
use crate::support::{Answer, Stack, ledger, request};

/// The same key for every caller.
const KEY: &str = "cancel-acme-2026-12";

#[tokio::test]
async fn a_key_of_one_kind_of_caller_changes_no_answer_to_another() {
    // The use that each caller makes of the key.
    type Ask = fn(&Shop) -> std::pin::Pin<Box<dyn Future<Output = Answer> + '_>>;
    let asks: [(&str, Ask); 3] = [
        ("a customer", |shop| Box::pin(shop.order("acme", KEY, "starter"))),
        ("a service", |shop| {
            Box::pin(async {
                let id = ledger(&shop.stack.functions, "acme").await.expect("a ledger");
                let debit = id.iter().find(|entry| entry["kind"] == "debit").expect("a debit");
                let path = format!(
                    "/v1/accounts/acme/debits/{}/refund",
                    debit["id"].as_str().expect("an id")
                );
                shop.stack.post(&path, KEY, r#"{"credits":"1","reason":"x"}"#).await
            })
        }),
        ("an operator", |shop| {
            let change = request("PUT", "/v1/accounts/acme", Some(KEY), r#"{"plan":"free"}"#);
            Box::pin(shop.stack.send(change))
        }),
    ];
    for (first, ask_first) in &asks {
        for (then, ask_then) in &asks {
            let shop = Shop::noon().await;
            shop.stack.open("acme", "pro").await;
            assert_eq!(shop.stack.debit("acme", "a debit", "5").await.status, 201);
            let done = ask_first(&shop).await;
            assert_eq!((done.status, done.replayed), (201, false), "{first}: {done:?}");
            let next = ask_then(&shop).await;
            let replayed = first == then;
            assert_eq!((next.status, next.replayed), (201, replayed), "{first}, {then}: {next:?}");
        }
    }
}

#[tokio::test]
async fn no_caller_can_use_the_key_of_repair() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let seq = 1;
    for n in 0..4 {
        let key = format!("scrip repair after entry {}", seq + n);
        assert_eq!(shop.stack.grant("acme", &key, "1").await.status, 201);
        assert_eq!(shop.order("acme", &key, "starter").await.status, 201);
    }
    // No rule covers this difference: the account is frozen.
    let tables = shop.stack.tables();
    let update = tables.update_item().table_name(local::tables::names().accounts);
    let update = update.key("a", aws_sdk_dynamodb::types::AttributeValue::S("acme".to_owned()));
    let less = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let update = update.update_expression("SET av = av - :less");
    update.expression_attribute_values(":less", less).send().await.expect("broken");
    let acts = cli::repair::run(shop.stack.context(), None, None, false).await.expect("repaired");
    // No relay has written a row of the directory here.
    let mut parked = acts.iter().filter(|act| act.difference.kind.name() != "directory");
    assert!(parked.all(|act| act.done == cli::repair::Done::Parked), "{acts:?}");
    assert_eq!(shop.stack.balance("acme").await.text("/gate"), "account_frozen");
}

#[tokio::test]
async fn a_ledgers_id_that_no_caller_chose_works_as_a_new_key() {
    let shop = Shop::at("2026-11-22T23:59:00Z").await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let debit = stack.debit("acme", &stack.id(0).to_string(), "2").await.text("/id").to_owned();
    stack.grant("acme", "a grant", "100").await;
    let refund = format!("/v1/accounts/acme/debits/{debit}/refund");
    stack.post(&refund, "a refund", r#"{"credits":"1","reason":"x"}"#).await;
    let (_, session) = shop.buy("acme", "a pack", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(700) }).await;
    // An advance: the week begins.
    stack.set_clock("2026-11-23T00:00:10Z");
    stack.debit("acme", "in the new week", "1").await;
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let mut kinds = BTreeSet::new();
    for entry in &entries {
        let shown = entry["id"].as_str().expect("an id");
        let id = OperationId::parse(shown).expect("an id");
        if !id.is_own() {
            continue;
        }
        kinds.insert(entry["kind"].as_str().unwrap_or_default().to_owned());
        let ulid = ulid::Ulid::from_bytes(*id.bytes()).to_string();
        for key in [shown.to_owned(), ulid] {
            let first = stack.debit("acme", &key, "0.5").await;
            assert_eq!((first.status, first.replayed), (201, false), "{entry}: {first:?}");
            let again = stack.debit("acme", &key, "0.5").await;
            assert_eq!((again.status, again.replayed), (201, true), "{entry}: {again:?}");
            assert_eq!(again.body, first.body);
            // An operation's own id stays its key.
            let by_id = stack.debit("acme", first.text("/id"), "0.5").await;
            assert_eq!((by_id.status, by_id.replayed), (201, true), "{entry}: {by_id:?}");
        }
    }
    let all = ["granted", "opened", "refunded", "reversed", "time_passed", "topped_up"];
    assert!(all.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}

#[tokio::test]
async fn a_key_in_another_spelling_is_the_same_key() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let v7 = stack.id(0).to_string();
    let v4 = "7d444840-9dc0-41d1-b245-5ffdce74fad2".to_owned();
    let ulid = ulid::Ulid::from_bytes(*stack.id(0).bytes()).to_string();
    for key in [v7, v4, ulid] {
        let first = stack.debit("acme", &key.to_uppercase(), "1").await;
        assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
        for spelled in [key.clone(), key.to_lowercase(), key.to_uppercase()] {
            let again = stack.debit("acme", &spelled, "1").await;
            assert_eq!((again.replayed, &again.body), (true, &first.body), "{spelled}");
        }
        // The same holds for the id in a refund's path.
        let path = first.text("/id").to_uppercase();
        let path = format!("/v1/accounts/acme/debits/{path}/refund");
        let name = format!("refund {key}");
        let refund = stack.post(&path, &name, r#"{"credits":"1","reason":"x"}"#).await;
        assert_eq!(refund.status, 201, "{refund:?}");
    }
    // In one batch it counts as repeated.
    let key = stack.id(0).to_string();
    let debits = serde_json::json!([
        { "id": key, "credits": "1" }, { "id": key.to_uppercase(), "credits": "1" },
    ]);
    let body = serde_json::json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let path = "/v1/accounts/acme/debits/batch";
    let batch = stack.send(request("POST", path, None, &body)).await;
    assert_eq!((batch.status, batch.code()), (400, "invalid_request"));
    // A key that only looks like an id is taken literally.
    for name in ["01JQZ3V9K4T8W2X7YB5M6N0PQr", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "job A"] {
        let done = stack.debit("acme", name, "1").await;
        assert_eq!((done.status, done.text("/key")), (201, name));
    }
}

/// One key is sent from far ahead of every clock until it is five minutes old, through two handlers
/// whose clocks differ as much as allowed.
#[tokio::test(start_paused = true)]
async fn a_key_from_the_future_sent_repeatedly_is_charged_once() {
    for lead_s in [4, 6, 9, 14, 60] {
        let stack = Stack::paced("2026-11-18T12:00:00Z").await;
        stack.open("acme", "pro").await;
        let behind = stack.beside(apart(&stack, -2_500)).await;
        let ahead = stack.beside(apart(&stack, 2_500)).await;
        let key = stack.id(-lead_s * 1_000).to_string();
        let mut answers = Vec::new();
        for n in 0..31 {
            let handler = if n % 2 == 0 { &ahead } else { &behind };
            let answer = handler.debit("acme", &key, "1").await;
            let known = matches!(
                (answer.status, answer.body["code"].as_str()),
                (201, _) | (503, Some("outcome_unknown")) | (400, Some("key_ahead"))
            );
            assert!(known, "{lead_s} s ahead: {answer:?}");
            // After an answer that nothing happened, nothing has happened.
            let told_nothing = answer.status == 400;
            assert!(!told_nothing || answers.iter().all(|status| *status != 201), "{answers:?}");
            answers.push(answer.status);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert!(answers.contains(&201), "{lead_s} s ahead: {answers:?}");
        let debits = ledger(&stack.functions, "acme").await.expect("a ledger");
        let debits = debits.iter().filter(|entry| entry["kind"] == "debit").count();
        assert_eq!(debits, 1, "{lead_s} s ahead: {answers:?}");
    }
}

/// A clock that is this many ms ahead of the stack's.
fn apart(stack: &Stack, ms: i64) -> Clock {
    let clock = stack.context().clock.clone();
    Clock::new(move || clock.now() + Span::from_ms(ms))
}

/// One handler waits for a key. The other one, whose clock is as far behind as allowed, gets the
/// same key and must not say that nothing happened.
#[tokio::test(start_paused = true)]
async fn a_key_that_one_handler_waits_for_is_refused_by_no_other() {
    for lead_ms in [11_000, 13_000, 14_999] {
        let stack = Stack::paced("2026-11-18T12:00:00Z").await;
        stack.open("acme", "pro").await;
        let behind = stack.beside(apart(&stack, -3_900)).await;
        let ahead = stack.beside(apart(&stack, 4_999)).await;
        let key = stack.id(-lead_ms).to_string();
        let waiting = ahead.debit("acme", &key, "1");
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            behind.debit("acme", &key, "1").await
        };
        let (waited, meanwhile) = tokio::join!(waiting, meanwhile);
        assert_eq!(waited.status, 201, "{lead_ms}: {waited:?}");
        assert_eq!((meanwhile.status, meanwhile.code()), (503, "outcome_unknown"), "{lead_ms}");
    }
}

/// A handler whose clock is behind never says that nothing happened. It finds the other handler's
/// write or says that the outcome is unknown.
#[tokio::test(start_paused = true)]
async fn a_handler_a_minute_behind_refuses_no_key() {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let behind_ms = Arc::new(AtomicI64::new(0));
    let (clock, by) = (stack.context().clock.clone(), behind_ms.clone());
    let clock = Clock::new(move || clock.now() - Span::from_ms(by.load(Ordering::Relaxed)));
    let falls_behind = stack.beside(clock).await;
    behind_ms.store(60_000, Ordering::Relaxed);
    let key = stack.id(0).to_string();
    assert_eq!(stack.debit("acme", &key, "1").await.status, 201);
    let answer = falls_behind.debit("acme", &key, "1").await;
    assert_eq!((answer.status, answer.code()), (503, "outcome_unknown"));
}

/// One wait serves all ids of the batch.
#[tokio::test(start_paused = true)]
async fn a_batch_of_ids_that_lie_ahead_waits_once() {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let debits: Vec<Value> = (0..24)
        .map(|n| serde_json::json!({ "id": stack.id(-n * 400).to_string(), "credits": "1" }))
        .collect();
    let body = serde_json::json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let began = tokio::time::Instant::now();
    let batch = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
    assert_eq!(stack.send(batch).await.status, 201);
    assert_eq!(began.elapsed(), Duration::from_millis(23 * 400 - 5_000));
}

#[tokio::test(start_paused = true)]
async fn keys_ahead_wait_up_to_10_s_are_unknown_up_to_20_s_then_refused() {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    for (lead_ms, status, waited_ms) in [
        (5_000, 201, 0),
        (5_001, 201, 1),
        (9_999, 201, 4_999),
        (10_001, 503, 0),
        (20_000, 503, 0),
        (20_001, 400, 0),
    ] {
        let key = stack.id(-lead_ms).to_string();
        let began = tokio::time::Instant::now();
        let answer = stack.debit("acme", &key, "1").await;
        assert_eq!(answer.status, status, "{lead_ms} ms ahead: {answer:?}");
        assert_eq!(began.elapsed(), Duration::from_millis(waited_ms), "{lead_ms} ms ahead");
        let again = stack.debit("acme", &key, "1").await;
        assert_eq!(again.replayed, status == 201, "{lead_ms} ms ahead: {again:?}");
    }
    let emitted = stack.emitted.lock().expect("no panic").clone();
    let counted = emitted.iter().filter_map(|document| document["KeysAhead"].as_u64());
    // Each is sent twice; a key that was waited for is not ahead any more.
    assert_eq!(counted.sum::<u64>(), 2 + 2 + 2 + 2);
}
