//! Timestamps: each write reads the clock once, after all reads made for it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::{context, routes::Functions};
use serde_json::Value;
use shared::clock::Clock;
use shared::command::{order, payment};
use shared::context::Context;
use shared::decide::CALL_TIMEOUT;
use shared::domain::instant::Span;
use shared::domain::payment::{
    CheckoutRequest, Dispute, DisputeStage, Facts, PaymentNotice, Refund, RefundStage,
};
use shared::domain::{Instant, Money, OperationId};
use shared::store::packed;

use crate::support::wire::{Wire, appended_to};
use crate::support::{Stack, answer, request};

/// A slow wire that records how old the stamps of the entries are when they arrive.
#[derive(Clone, Debug)]
struct Late {
    wire: Wire,
    clock: Clock,
    /// The age of the stamps beyond the time that a request is under way.
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
    let appended = |list: &str| {
        let name = appended_to(list, update);
        let values = update["ExpressionAttributeValues"][&name]["L"].as_array().cloned();
        let bytes = values.unwrap_or_default().into_iter().map(|value| {
            let text = value["B"].as_str().expect("bytes").to_owned();
            aws_smithy_types::base64::decode(text).expect("base64")
        });
        bytes.collect::<Vec<_>>()
    };
    let entries = appended("ri").into_iter().zip(appended("rp")).map(|(id, payload)| {
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

/// Each write gets its timestamp after all reads made for it. An entry is therefore at most one
/// call older than its arrival, and a look-up never stops before it.
#[tokio::test(start_paused = true)]
async fn with_answers_after_4_9_s_a_timestamp_is_as_old_as_one_call() {
    let stack = Stack::paced("2026-11-22T23:55:00Z").await;
    stack.open("acme", "pro").await;
    let late = Late {
        wire: stack.wire.clone(),
        clock: stack.context().clock.clone(),
        stale: Arc::default(),
        lag_ms: Arc::default(),
    };
    let call = Duration::from_millis(CALL_TIMEOUT.ms().unsigned_abs());
    let once =
        TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(call).build();
    let sdk = context::sdk(late.client(), "http://embedded").timeout_config(once);
    let Context { clock, entropy, config, .. } = stack.context().clone();
    let context = context::assemble(sdk, clock.clone(), clock, entropy, config).await;
    let slow = Stack { functions: Functions::new(context.expect("it starts")), ..stack.clone() };
    late.lag_ms.store(4_900, Ordering::Relaxed);
    // A request that takes longer than its handler waits is resent, as a caller does.
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
    // Monday comes: the next request advances the account first.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let capture = format!("/holds/{}/capture", hold.text("/id"));
    send(&capture, "capture", r#"{"credits":"4"}"#).await;
    // A request that reads the history makes more calls than its handler waits for at that pace.
    late.lag_ms.store(900, Ordering::Relaxed);
    let refund = format!("/debits/{}/refund", debit.text("/id"));
    send(&refund, "refund", r#"{"credits":"1","reason":"x"}"#).await;
    pay(slow.context()).await;
    send("/freeze", "freeze", r#"{"reason":"x"}"#).await;
    let stale = late.stale.lock().expect("no one panics with the lock").clone();
    assert!(stale.len() >= 14, "{} entries", stale.len());
    assert!(stale.iter().all(|stale| *stale == Span::from_ms(0)), "{stale:?}");
}

/// A pack that is paid, refunded in part, disputed, and won.
async fn pay(context: &Context) {
    let (catalog, account) = (context.catalog().await, "acme".parse().expect("an account"));
    let request = CheckoutRequest {
        pack: "starter".to_owned(),
        user: None,
        currency: None,
        preferred: None,
        return_url: "https://example.com".to_owned(),
        live: false,
    };
    let key = "a pack".parse().expect("a key");
    let order = order::place(context, &catalog, &account, &key, &request).await.expect("an order");
    let money = |minor| Money { minor, currency: order.price.currency };
    let mut facts = Facts {
        orders: BTreeSet::from([order.id]),
        accounts: BTreeSet::from(["acme".to_owned()]),
        modes: BTreeSet::from([false]),
        paid: BTreeSet::from([order.price]),
        ..Facts::default()
    };
    let take_notice = async |facts: &Facts| {
        let intent = "pi_1".parse().expect("an intent");
        let said = PaymentNotice::Payment { intent, facts: facts.clone() };
        payment::take_notice(context, &said, false).await.expect("heard");
    };
    take_notice(&facts).await;
    for stage in [RefundStage::Going, RefundStage::Undone] {
        facts.refunds.insert("re_1".to_owned(), Refund { stage, money: money(700) });
        take_notice(&facts).await;
    }
    for stage in [DisputeStage::Open, DisputeStage::Won] {
        let dispute = Dispute { stage, money: order.price };
        facts.disputes.insert("dp_1".to_owned(), dispute);
        take_notice(&facts).await;
    }
}
