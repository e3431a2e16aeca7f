//! Keys and ids: whose they are, how they are spelled, and what time is in them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::stripe::Deed;
use local::{routes::Functions, world};
use serde_json::Value;
use shared::clock::Clock;
use shared::command::payment;
use shared::decide::CALL;
use shared::domain::instant::Span;
use shared::domain::payment::{
    CheckoutRequest, Dispute, DisputeStage, Facts, Refund, RefundStage, Said,
};
use shared::domain::{Instant, Money, OperationId};
use shared::store::packed;
use shared::world::World;

use crate::support::shop::Shop;
use crate::support::wire::Wire;
use crate::support::{Answer, Stack, answer, ledger, request};

/// The same key, as anybody might send it.
const KEY: &str = "cancel-acme-2026-12";

#[tokio::test]
async fn a_key_of_one_kind_of_caller_changes_no_answer_of_another() {
    // What each of them does with the key. The last is what `repair` freezes by.
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
async fn nobody_can_take_the_key_of_repair() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let seq = 1;
    for n in 0..4 {
        let key = format!("scrip repair after entry {}", seq + n);
        assert_eq!(shop.stack.grant("acme", &key, "1").await.status, 201);
        assert_eq!(shop.order("acme", &key, "starter").await.status, 201);
    }
    // A difference that no rule covers: the account is frozen.
    let tables = shop.stack.tables();
    let update = tables.update_item().table_name(local::tables::names().accounts);
    let update = update.key("a", aws_sdk_dynamodb::types::AttributeValue::S("acme".to_owned()));
    let less = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let update = update.update_expression("SET v = v - :less");
    update.expression_attribute_values(":less", less).send().await.expect("broken");
    let acts = cli::repair::run(shop.stack.world(), None, None, false).await.expect("repaired");
    assert!(acts.iter().all(|act| act.done == cli::repair::Done::Parked), "{acts:?}");
    assert_eq!(shop.stack.balance("acme").await.text("/gate"), "account_frozen");
}

#[tokio::test]
async fn every_id_that_a_ledger_shows_and_no_caller_chose_is_a_new_key() {
    let shop = Shop::at("2026-11-22T23:59:00Z").await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let debit = stack.debit("acme", &stack.id(0).to_string(), "2").await.text("/id").to_owned();
    stack.grant("acme", "a grant", "100").await;
    let refund = format!("/v1/accounts/acme/debits/{debit}/refund");
    stack.post(&refund, "a refund", r#"{"credits":"1","reason":"x"}"#).await;
    let (_, session) = shop.buy("acme", "a pack", "starter").await;
    shop.act(&session, Deed::Refund { minor: Some(700) }).await;
    // A settle: the week begins.
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
    let all = ["granted", "opened", "refunded", "reversed", "settled", "topped_up"];
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
        // As the id of what is refunded, too.
        let path = first.text("/id").to_uppercase();
        let path = format!("/v1/accounts/acme/debits/{path}/refund");
        let name = format!("refund {key}");
        let refund = stack.post(&path, &name, r#"{"credits":"1","reason":"x"}"#).await;
        assert_eq!(refund.status, 201, "{refund:?}");
    }
    // In one batch it is repeated.
    let key = stack.id(0).to_string();
    let debits = serde_json::json!([
        { "id": key, "credits": "1" }, { "id": key.to_uppercase(), "credits": "1" },
    ]);
    let body = serde_json::json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let path = "/v1/accounts/acme/debits/batch";
    let batch = stack.send(request("POST", path, None, &body)).await;
    assert_eq!((batch.status, batch.code()), (400, "invalid_request"));
    // What only looks like one is a name as it is.
    for name in ["01JQZ3V9K4T8W2X7YB5M6N0PQr", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "job A"] {
        let done = stack.debit("acme", name, "1").await;
        assert_eq!((done.status, done.text("/key")), (201, name));
    }
}

/// One key, from far ahead of every clock until it is five minutes old, through two handlers whose
/// clocks are as far apart as they may be.
#[tokio::test(start_paused = true)]
async fn a_key_that_lies_ahead_is_charged_once_however_often_it_is_sent() {
    for lead_s in [4, 6, 9, 14, 60] {
        let stack = Stack::paced("2026-11-18T12:00:00Z").await;
        stack.open("acme", "pro").await;
        let behind = stack.beside(Span::from_ms(-2_500)).await;
        let ahead = stack.beside(Span::from_ms(2_500)).await;
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
            // Once it is told that nothing happened, nothing has.
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

#[tokio::test(start_paused = true)]
async fn up_to_10_s_ahead_it_is_waited_up_to_15_s_unknown_and_beyond_that_refused() {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    for (lead_ms, status, waited_ms) in [
        (5_000, 201, 0),
        (5_001, 201, 1),
        (9_999, 201, 4_999),
        (10_001, 503, 0),
        (15_000, 503, 0),
        (15_001, 400, 0),
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
    // Sent twice each; those that were waited for are not ahead any more.
    assert_eq!(counted.sum::<u64>(), 2 + 2 + 2 + 2);
}

/// A wire that takes its time, and notes how old the stamps of the entries are when they arrive.
#[derive(Clone, Debug)]
struct Late {
    wire: Wire,
    clock: Clock,
    /// By how much they are older than a request is under way.
    stale: Arc<Mutex<Vec<Span>>>,
    lag_ms: Arc<AtomicI64>,
}

impl Late {
    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    fn note(&self, body: &Value) {
        let items = body["TransactItems"].as_array().cloned().unwrap_or_default();
        let updates = items.iter().map(|item| &item["Update"]).chain([body]);
        let mut stale = self.stale.lock().expect("no one panics with the lock");
        let sent = self.clock.now() - Span::from_ms(self.lag_ms.load(Ordering::Relaxed));
        stale.extend(updates.flat_map(stamps).map(|at| sent - at));
    }
}

/// The stamps of the entries that an update appends.
fn stamps(update: &Value) -> Vec<Instant> {
    let expression = update["UpdateExpression"].as_str().unwrap_or_default();
    let appended = |list: &str| {
        let name = expression.split(&format!("{list} = list_append({list}, ")).nth(1);
        let name = name.and_then(|rest| rest.split(')').next()).unwrap_or_default();
        let values = update["ExpressionAttributeValues"][name]["L"].as_array().cloned();
        let bytes = values.unwrap_or_default().into_iter().map(|value| {
            let text = value["B"].as_str().expect("bytes").to_owned();
            aws_smithy_types::base64::decode(text).expect("base64")
        });
        bytes.collect::<Vec<_>>()
    };
    let entries = appended("wi").into_iter().zip(appended("wp")).map(|(id, payload)| {
        let id = OperationId::from_bytes(id.try_into().expect("an id"));
        packed::read_entry(id, &payload).expect("an entry").at
    });
    entries.collect()
}

impl HttpConnector for Late {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let late = self.clone();
        HttpConnectorFuture::new(async move {
            let lag_ms = late.lag_ms.load(Ordering::Relaxed).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(lag_ms)).await;
            let body = request.body().bytes().unwrap_or_default();
            late.note(&serde_json::from_slice(body).unwrap_or_default());
            late.wire.call(request).await
        })
    }
}

/// Each write is stamped after everything that was read for it: so an entry is never later than the one
/// call by which it arrives, and a look-up never stops before it.
#[tokio::test(start_paused = true)]
async fn on_a_wire_that_answers_after_4_9_s_every_stamp_is_as_old_as_one_call() {
    let stack = Stack::paced("2026-11-22T23:55:00Z").await;
    stack.open("acme", "pro").await;
    let late = Late {
        wire: stack.wire.clone(),
        clock: stack.world().clock.clone(),
        stale: Arc::default(),
        lag_ms: Arc::default(),
    };
    let call = Duration::from_millis(CALL.ms().unsigned_abs());
    let once =
        TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(call).build();
    let sdk = world::sdk(late.client(), "http://embedded").timeout_config(once);
    let World { clock, entropy, config, .. } = stack.world().clone();
    let world = world::assemble(sdk, clock.clone(), clock, entropy, config).await;
    let slow = Stack { functions: Functions::new(world.expect("it starts")), ..stack.clone() };
    late.lag_ms.store(4_900, Ordering::Relaxed);
    // What takes longer than a handler has patience for is sent again, as a caller does.
    let send = async |path: &str, key: &str, body: &str| {
        let path = format!("/v1/accounts/acme{path}");
        for _ in 0..8 {
            let sent = answer(slow.functions.answer(request("POST", &path, Some(key), body)).await);
            if sent.status != 503 {
                assert!(matches!(sent.status, 200..300), "{path} {key}: {sent:?}");
                return sent;
            }
        }
        panic!("{path} {key} comes to no end");
    };
    let debit = send("/debits", &stack.id(0).to_string(), r#"{"credits":"3"}"#).await;
    send("/debits", "a name", r#"{"credits":"3"}"#).await;
    let debits =
        r#"[{"id":"one","credits":"1"},{"id":"two","credits":"1"},{"id":"3","credits":"1"}]"#;
    send("/debits/batch", "x", &format!(r#"{{"mode":"all_or_nothing","debits":{debits}}}"#)).await;
    let hold = send("/holds", "hold", r#"{"credits":"5","expires_in_s":3600}"#).await;
    send("/grants", "grant", r#"{"credits":"100","reason":"x"}"#).await;
    // Monday comes: what is next settles first.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let capture = format!("/holds/{}/capture", hold.text("/id"));
    send(&capture, "capture", r#"{"credits":"4"}"#).await;
    // What goes through a history reads more than a handler has patience for at that pace.
    late.lag_ms.store(900, Ordering::Relaxed);
    let refund = format!("/debits/{}/refund", debit.text("/id"));
    send(&refund, "refund", r#"{"credits":"1","reason":"x"}"#).await;
    pay(slow.world()).await;
    send("/freeze", "freeze", r#"{"reason":"x"}"#).await;
    let stale = late.stale.lock().expect("no one panics with the lock").clone();
    assert!(stale.len() >= 14, "{} entries", stale.len());
    assert!(stale.iter().all(|stale| *stale == Span::from_ms(0)), "{stale:?}");
}

/// A pack that is paid, refunded in part, disputed, and won.
async fn pay(world: &World) {
    let (catalog, account) = (world.catalog().await, "acme".parse().expect("an account"));
    let request = CheckoutRequest {
        pack: "starter".to_owned(),
        user: None,
        return_url: "https://example.com".to_owned(),
        live: false,
    };
    let key = "a pack".parse().expect("a key");
    let order = payment::order(world, &catalog, &account, &key, &request).await.expect("an order");
    let money = |minor| Money { minor, currency: order.price.currency };
    let mut facts = Facts {
        orders: BTreeSet::from([order.id]),
        accounts: BTreeSet::from(["acme".to_owned()]),
        modes: BTreeSet::from([false]),
        paid: BTreeSet::from([order.price]),
        ..Facts::default()
    };
    let hear = async |facts: &Facts| {
        let intent = "pi_1".parse().expect("an intent");
        let said = Said::Payment { intent, facts: facts.clone() };
        payment::hear(world, &said, false).await.expect("heard");
    };
    hear(&facts).await;
    for stage in [RefundStage::Going, RefundStage::Undone] {
        facts.refunds.insert("re_1".to_owned(), Refund { stage, money: money(700) });
        hear(&facts).await;
    }
    for stage in [DisputeStage::Open, DisputeStage::Won] {
        let dispute = Dispute { stage, money: order.price };
        facts.disputes.insert("dp_1".to_owned(), dispute);
        hear(&facts).await;
    }
}
