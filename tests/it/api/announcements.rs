//! Events on the bus: each matches its schema, is sent at least once, and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use local::messaging::Messaging;
use local::stripe::Effect;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tests::proof::STREAMS;

use crate::support::shop::Shop;
use crate::support::wire::response;
use crate::support::{Stack, at_once, contract, request};

/// Checks an event against its schema.
pub(crate) fn check(event: &Value) {
    let name = event["detail-type"].as_str().expect("a name");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{name}.json"));
    let text = std::fs::read_to_string(file).unwrap_or_else(|_| panic!("{name} has no schema"));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    // Leaked until the tests end: there are ten schemas.
    let schema: &'static Value = Box::leak(Box::new(schema));
    assert_eq!(event["source"], "scrip");
    contract::fits(schema, &event["detail"], name).unwrap_or_else(|e| panic!("{e}\n{event}"));
}

/// Name and id of the events announced since the first `known`, each checked against its schema.
fn news(stack: &Stack, known: &mut usize) -> Vec<(String, String)> {
    let events = stack.announced().split_off(*known);
    *known += events.len();
    let named = events.iter().map(|event| {
        check(event);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&event["detail-type"]), text(&event["detail"]["id"]))
    });
    named.collect()
}

fn named(events: &[(&str, &str)]) -> Vec<(String, String)> {
    events.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn every_event_is_announced_and_matches_its_schema() {
    let stack = Stack::streamed().await;
    let mut known = 0;
    stack.open("acme", "free").await;
    stack.relay().await;
    assert_eq!(news(&stack, &mut known), named(&[("CreditsRecharged", "acme:1")]));
    let holds = "/v1/accounts/acme/holds";
    let body = r#"{"action":"custom_image","quantity":4}"#;
    let held = stack.post(holds, "hold", body).await;
    let path = format!("{holds}/{}", held.text("/id"));
    stack.post(&format!("{path}/capture"), "capture", r#"{"quantity":3}"#).await;
    stack.relay().await;
    // Debits are not announced unless that is switched on.
    let expected = [("CreditsHeld", "acme:2"), ("CreditsReleased", "acme:3.1")];
    assert_eq!(news(&stack, &mut known), named(&expected));
    let released = stack.announced().pop().expect("an event");
    assert_eq!(released["detail"]["credits"], "0.5");
    assert_eq!(released["detail"]["how"], "captured");

    // 23.5 of 25 are available; 5 is a fifth of the period's grant, and 1.25 a twentieth.
    let debit = stack.debit("acme", "down to 5", "18.5").await;
    stack.relay().await;
    let filled = "acme:2026-11-16T00:00:00.000Z";
    let (low, exhausted) = (format!("{filled}.low-20"), format!("{filled}.exhausted"));
    assert_eq!(news(&stack, &mut known), named(&[("CreditsLow", &low)]));
    stack.debit("acme", "down to 4", "1").await;
    stack.relay().await;
    assert_eq!(news(&stack, &mut known), [], "only a crossing is announced");
    stack.debit("acme", "to nothing", "4").await;
    stack.relay().await;
    assert_eq!(news(&stack, &mut known), named(&[("CreditsExhausted", &exhausted)]));
    let refund = format!("/v1/accounts/acme/debits/{}/refund", debit.text("/id"));
    stack.post(&refund, "refund", r#"{"credits":"6","reason":"black"}"#).await;
    stack.debit("acme", "down to 4 again", "2").await;
    stack.relay().await;
    // A refund fills nothing: the second event has the id of the first.
    let again = [("CreditsRefunded", "acme:7"), ("CreditsLow", &low)];
    assert_eq!(news(&stack, &mut known), named(&again));

    stack.post(holds, "lapses", r#"{"credits":"1","expires_in_s":60}"#).await;
    stack.grant("acme", "gift", "10").await;
    let body = r#"{"plan":"pro"}"#;
    stack.send(request("PUT", "/v1/accounts/acme", Some("upgrade"), body)).await;
    stack.set_clock("2026-11-18T12:30:00Z");
    stack.grant("acme", "advances", "10").await;
    stack.relay().await;
    let expected = [
        ("CreditsHeld", "acme:9"),
        ("CreditsGranted", "acme:10"),
        // Each change advances the account at once: the plan's own credits arrive.
        ("PlanChanged", "acme:12"),
        ("CreditsRecharged", "acme:13"),
        ("CreditsGranted", "acme:14"),
        ("CreditsReleased", "acme:15"),
    ];
    assert_eq!(news(&stack, &mut known), named(&expected));
}

/// Covers a purchase, credits taken back, credits given back and a waiver.
#[tokio::test]
async fn every_change_of_a_payment_is_announced() {
    let shop = Shop::streamed().await;
    let (stack, mut known) = (&shop.stack, 0);
    stack.open("acme", "free").await;
    let (order, session) = shop.buy("acme", "buy", "starter").await;
    stack.relay().await;
    let expected = named(&[("CreditsRecharged", "acme:1"), ("CreditsToppedUp", "acme:2")]);
    assert_eq!(news(stack, &mut known), expected);
    let bought = stack.announced().pop().expect("an event");
    assert_eq!(
        (&bought["detail"]["order"], &bought["detail"]["credits"]),
        (&json!(order), &json!("500"))
    );

    // 1000 of 4900 cents, once the pack is in the burn order; then all of it, after some credits
    // were spent.
    shop.act(&session, Effect::Refund { minor: Some(1000) }).await;
    stack.relay().await;
    assert_eq!(news(stack, &mut known), named(&[("CreditsReversed", "acme:4")]));
    let reversed = stack.announced().pop().expect("an event");
    assert_eq!(reversed["detail"]["credits"], "102.040817");
    assert_eq!(stack.debit("acme", "some", "300").await.status, 201);
    shop.act(&session, Effect::Refund { minor: None }).await;
    let waive = stack.post("/v1/accounts/acme/debt/waive", "w", r#"{"reason":"kind"}"#).await;
    assert_eq!(waive.status, 201, "{waive:?}");
    stack.relay().await;
    let said = news(stack, &mut known);
    let names: Vec<&str> = said.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CreditsReversed", "CreditsExhausted", "DebtWaived"]);
    let waived = stack.announced().pop().expect("an event");
    assert_eq!(waived["detail"]["credits"], waive.body["credits"]);
}

/// A bus that loses calls, and accepts only some events of a call.
#[derive(Clone, Debug)]
struct Flaky {
    exchange: Messaging,
    random: Arc<Mutex<StdRng>>,
}

impl Flaky {
    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for Flaky {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let mut random = self.random.lock().expect("no panic with the lock");
        if random.random_ratio(1, 20) {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("lost".into())));
        }
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let entries = body["Entries"].as_array().expect("events").clone();
        let fails: Vec<bool> = entries.iter().map(|_| random.random_ratio(1, 5)).collect();
        let taken = entries.into_iter().zip(&fails).filter(|(_, fails)| !**fails);
        let taken: Vec<Value> = taken.map(|(entry, _)| entry).collect();
        *request.body_mut() = SdkBody::from(json!({ "Entries": taken }).to_string());
        self.exchange.answer(&request);
        let answers = fails.iter().map(|fails| match fails {
            true => json!({ "ErrorCode": "ThrottlingException" }),
            false => json!({ "EventId": "taken" }),
        });
        let reply = json!({ "Entries": answers.collect::<Vec<_>>() }).to_string();
        if random.random_ratio(1, 20) {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("reply lost".into())));
        }
        HttpConnectorFuture::ready(response(200, reply))
    }
}

/// The records of the events of some accounts.
async fn lives() -> (Stack, Vec<Value>) {
    let stack = Stack::streamed().await;
    for n in 0..5 {
        let account = format!("account-{n}");
        stack.open(&account, "free").await;
        for turn in 0..6 {
            let holds = format!("/v1/accounts/{account}/holds");
            let held = stack.post(&holds, &format!("h{turn}"), r#"{"credits":"2"}"#).await;
            let release = format!("{holds}/{}/release", held.text("/id"));
            stack.post(&release, &format!("r{turn}"), "{}").await;
            stack.grant(&account, &format!("g{turn}"), "1").await;
            stack.debit(&account, &format!("d{turn}"), "3").await;
        }
    }
    let records = stack.streams.oldest("Accounts", usize::MAX);
    (stack, records)
}

/// The announced ids of each account, without repeats.
fn first_times(events: &[Value]) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut seen = BTreeSet::new();
    let mut first: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for event in events {
        let detail = &event["detail"];
        let id = detail["id"].as_str().expect("an id").to_owned();
        if seen.insert(id.clone()) {
            let account = detail["account"].as_str().expect("an account").to_owned();
            let seq = detail["seq"].as_u64().expect("a number");
            first.entry(account).or_default().push((seq, id));
        }
    }
    first
}

/// A request for a schedule delivers the same records as the stack at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_deliveries_take_each_record_once() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    for round in 0..40 {
        stack.grant("acme", &format!("gift {round}"), "1").await;
        at_once(4, |_| {
            let stack = stack.clone();
            async move { stack.mappings.drain().await }
        })
        .await;
    }
    let events = stack.announced();
    let granted = events.iter().filter(|event| event["detail-type"] == "CreditsGranted");
    assert_eq!(granted.count(), 40);
}

/// Batches of any size, with duplicates and one bad record, are delivered as AWS documents it over
/// a bus that loses and refuses events.
#[tokio::test(start_paused = true)]
async fn every_good_entry_is_announced_and_bad_records_are_dead_lettered() {
    let (stack, records) = lives().await;
    stack.relay().await;
    let clean = first_times(&stack.announced());
    assert!(clean.values().all(|events| events.len() >= 19), "{clean:?}");
    for seed in 0..STREAMS.get() {
        let mut random = StdRng::seed_from_u64(seed);
        let exchange = Messaging::default();
        let flaky = Flaky {
            exchange: exchange.clone(),
            random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
        };
        let (context, bus) = (stack.context().clone(), Messaging::bus(flaky.client()));
        let aside = Messaging::queue(exchange.client(), "RelayDeadLetters");
        let surroundings = relay::RelayContext { context, bus, aside, debits: false, stripe: None };
        let mut records = records.clone();
        let poison = random.random_range(0..=records.len());
        let mut broken = records[poison.min(records.len() - 1)].clone();
        broken["dynamodb"]["SequenceNumber"] = json!("poison");
        match random.random_range(0..2) {
            0 => broken["dynamodb"]["NewImage"]["av"] = json!({ "S": "spoilt" }),
            _ => broken["dynamodb"] = json!({ "SequenceNumber": "poison", "Keys": "none" }),
        }
        records.insert(poison, broken);
        let (mut place, mut lost) = (0, 0);
        while place < records.len() {
            let size = random.random_range(1..=25);
            let mut batch = &records[place..records.len().min(place + size)];
            while !batch.is_empty() {
                let reply = relay::answer(&surroundings, json!({ "Records": batch })).await;
                let reply = reply.expect("an answer");
                let number = |record: &Value| record["dynamodb"]["SequenceNumber"].clone();
                let taken = match reply["batchItemFailures"][0].get("itemIdentifier") {
                    // Delivered; now and then the checkpoint is
                    // lost, and the batch is delivered again.
                    None if random.random_ratio(1, 5) => {
                        lost += 1;
                        0
                    }
                    None => batch.len(),
                    // The batch is sent again from the failed record on.
                    Some(failed) => {
                        let fails = |record: &Value| number(record) == *failed;
                        batch.iter().position(fails).expect("a record of the batch")
                    }
                };
                (place, batch) = (place + taken, &batch[taken..]);
            }
        }
        let mut copies = 0;
        while let Some((queue, message)) = exchange.take_message() {
            let message: Value = serde_json::from_str(&message).expect("JSON");
            assert_eq!(queue, "RelayDeadLetters");
            assert!(message["error"].is_string(), "{message}");
            let number = &message["record"]["dynamodb"]["SequenceNumber"];
            assert_eq!(number, "poison", "SEED={seed}");
            copies += 1;
        }
        // Once, plus the times that the checkpoint of its batch was lost.
        assert!((1..=1 + lost).contains(&copies), "SEED={seed}: {copies} copies");
        let events: Vec<_> = exchange.events(0).iter().map(|e| e["event"].clone()).collect();
        let mut announced = first_times(&events);
        // The numbers give their order.
        announced.values_mut().for_each(|events| events.sort());
        let mut clean = clean.clone();
        clean.values_mut().for_each(|events| events.sort());
        assert_eq!(announced, clean, "SEED={seed}");
    }
    STREAMS.say(format_args!("{} streams over a bus that fails, all announced", STREAMS.get()));
}

/// A bus that counts the calls.
#[derive(Clone, Debug)]
struct Counted {
    exchange: Messaging,
    calls: Arc<AtomicUsize>,
}

impl HttpConnector for Counted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (status, body) = self.exchange.answer(&request);
        HttpConnectorFuture::ready(response(status, body))
    }
}

/// A call of the bus takes about 20 ms. One event per call would limit a hot account to 50 a
/// second.
#[tokio::test(start_paused = true)]
async fn debits_of_a_busy_account_are_announced_ten_per_call() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    for n in 0..300 {
        assert_eq!(stack.debit("acme", &format!("job {n}"), "1").await.status, 201);
    }
    let records = stack.streams.oldest("Accounts", usize::MAX);
    let exchange = Messaging::default();
    let counted = Counted { exchange: exchange.clone(), calls: Arc::default() };
    let connector = SharedHttpConnector::new(counted.clone());
    let client = http_client_fn(move |_, _| connector.clone());
    let (context, bus) = (stack.context().clone(), Messaging::bus(client));
    let aside = Messaging::queue(exchange.client(), "RelayDeadLetters");
    let surroundings = relay::RelayContext { context, bus, aside, debits: true, stripe: None };
    for batch in records.chunks(100) {
        let reply = relay::answer(&surroundings, json!({ "Records": batch })).await;
        assert_eq!(reply.expect("an answer")["batchItemFailures"], json!([]));
    }
    let debited = exchange.events(0);
    let debited = debited.iter().filter(|e| e["event"]["detail-type"] == "CreditsDebited").count();
    let calls = counted.calls.load(Ordering::Relaxed);
    assert_eq!(debited, 300);
    assert!(calls <= 300 / 10 + records.len().div_ceil(100), "{calls} calls");
}
