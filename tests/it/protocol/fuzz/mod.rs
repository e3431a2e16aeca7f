//! Every parser of outside bytes gets mutated samples: no panic, no 5xx, no bad input accepted, and
//! parsed values are written as they were read.
//!
//! These are property tests, not coverage-guided fuzzing, which needs a nightly compiler.
//! `FUZZ_SECONDS` says how long each target runs, 1 by default; `SEED` plays other cases. A failure
//! prints its seed and the number of its case.

mod mutator;
mod parsers;

use std::path::Path;
use std::time::{Duration, Instant};

use local::stripe::{Effect, WEBHOOK_SECRET};
use local::template::Template;
use serde_json::{Value, json};
use shared::stripe::signature;
use tests::proof::{self, FUZZ_SECONDS};

use crate::support::shop::Shop;
use crate::support::{Stack, answer, contract, counting, instant, lambda, request};
use mutator::Mutator;

/// How many cases share one stack: their writes must not fill it.
const PER_STACK: u64 = 200;

/// The cases of one target until its time is up. A panic prints how to repeat its case.
struct Cases {
    target: &'static str,
    seed: u64,
    case: u64,
    until: Instant,
    /// Cases that were not refused at once.
    deep: u64,
}

impl Cases {
    fn of(target: &'static str) -> Cases {
        let until = Instant::now() + Duration::from_secs(FUZZ_SECONDS.get());
        Cases { target, seed: proof::seed(1), case: 0, until, deep: 0 }
    }

    /// The next case's random source. None: the time is up.
    fn next(&mut self) -> Option<Mutator> {
        self.case += 1;
        // At least one stack's cases, even if the time is shorter.
        let goes_on = self.case <= PER_STACK || Instant::now() < self.until;
        goes_on.then(|| Mutator::new(self.seed << 32 | self.case))
    }

    fn begins_stack(&self) -> bool {
        self.case % PER_STACK == 1
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        let Cases { target, seed, case, deep, .. } = self;
        match std::thread::panicking() {
            true => println!("{target}: SEED={seed}, case {case}"),
            false => println!("{target}: {} cases, {deep} of them accepted", *case - 1),
        }
    }
}

/// The files of `events/` whose names begin with one of `starts`.
fn samples(starts: &[&str]) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("events")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    let fits = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".json") && starts.iter().any(|start| name.starts_with(start))
    };
    let texts = files.iter().filter(|path| fits(path)).map(std::fs::read_to_string);
    let read = |text: std::io::Result<String>| serde_json::from_str(&text.expect("a file"));
    texts.map(|text| read(text).expect("JSON")).collect()
}

async fn stack() -> Stack {
    // Not from 0: the ids of advances consist of an instant and a number as small, and thousands of
    // cases at one instant would mint the same.
    let stack = Stack::drawing(instant("2026-11-18T12:00:00Z"), counting(1 << 32)).await;
    for (account, plan) in [("acme", "pro"), ("open", "free"), ("basic", "standard")] {
        stack.open(account, plan).await;
    }
    stack.debit("acme", "used before", "1").await;
    stack
}

/// A 5xx says that outside input broke something inside.
fn assert_answered(status: &Value, input: &Value) {
    let status = status.as_u64().unwrap_or(0);
    assert!((200..500).contains(&status), "{status}: {input}");
}

/// The event with the fields that a caller cannot set as they were sent: the gateway itself writes
/// the context, the host and the protocol, and a path begins with `/`. The library that reads
/// events relies on it, and panics.
fn as_the_gateway_writes(mut event: Value, sent: &Value) -> Value {
    if !event.is_object() {
        return sent.clone();
    }
    event["requestContext"] = sent["requestContext"].clone();
    if !event["headers"].is_object() {
        event["headers"] = json!({});
    }
    for name in ["host", "x-forwarded-proto", "x-forwarded-port"] {
        if let Some(value) = sent["headers"].get(name) {
            event["headers"][name] = value.clone();
        }
    }
    let path = event["rawPath"].as_str().unwrap_or_default().trim_start_matches('/');
    event["rawPath"] = format!("/{path}").into();
    event
}

#[tokio::test]
async fn mutated_gateway_events_are_handled_safely() {
    let all = samples(&[""]);
    let samples: Vec<Value> =
        all.into_iter().filter(|event| event.get("requestContext").is_some()).collect();
    let routes = Template::load().routes();
    let mut cases = Cases::of("events of the gateway");
    let mut on = stack().await;
    while let Some(mut mutator) = cases.next() {
        if cases.begins_stack() {
            on = stack().await;
        }
        let sent = mutator.pick(&samples).clone();
        let mut event = as_the_gateway_writes(mutator.json(std::slice::from_ref(&sent)), &sent);
        // In half of the cases only the body of a valid event changes.
        if mutator.below(2) == 0 {
            event = sent;
            let body = event["body"].as_str().unwrap_or_default().to_owned();
            let body = match serde_json::from_str::<Value>(&body) {
                Ok(body) if mutator.below(4) > 0 => mutator.json(&[body]).to_string(),
                _ => mutator.text(&[body]),
            };
            event["body"] = Value::from(body);
        }
        // The gateway itself encodes a body that it marks
        // as encoded; the library panics if it did not.
        if event["isBase64Encoded"] == true {
            let body = event["body"].as_str().unwrap_or_default();
            event["body"] = aws_smithy_types::base64::encode(body).into();
        }
        let Some(request) = lambda::request_of(&event) else { continue };
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let route = routes.iter().find(|route| route.matches(&method, &path));
        if route.is_some_and(|route| route.function == "debit") {
            let reply = lambda::invoke(on.context(), event.clone()).await;
            assert_answered(&reply["statusCode"], &event);
        }
        let answer = answer(on.functions.answer(request).await);
        assert_answered(&answer.status.into(), &event);
        contract::check(&method, &path, &answer);
        cases.deep += u64::from(answer.status < 300);
    }
}

#[tokio::test]
async fn mutated_invoke_payloads_are_handled_safely() {
    let samples = samples(&["invoke-"]);
    let mut cases = Cases::of("payloads of an invoke");
    let mut on = stack().await;
    while let Some(mut mutator) = cases.next() {
        if cases.begins_stack() {
            on = stack().await;
        }
        let payload = mutator.json(&samples);
        let reply = lambda::invoke(on.context(), payload.clone()).await;
        match reply.get("seq") {
            Some(_) => cases.deep += 1,
            None => assert_answered(
                reply.get("status").or(reply.get("statusCode")).unwrap_or(&Value::Null),
                &payload,
            ),
        }
    }
}

#[tokio::test]
async fn mutated_stream_records_are_handled_safely() {
    let mut samples = samples(&["relay-"]);
    let written = stack().await;
    for n in 0..40 {
        let body = format!(r#"{{"credits":"{n}.5","user":"ada","reference":"job"}}"#);
        written.post("/v1/accounts/acme/debits", &format!("job {n}"), &body).await;
        written.grant("open", &format!("grant {n}"), "3").await;
        written.post("/v1/accounts/acme/holds", &format!("hold {n}"), r#"{"credits":"1"}"#).await;
    }
    for table in ["Accounts", "Ledger"] {
        let records = written.streams.oldest(table, 100);
        samples.extend(records.chunks(5).map(|records| json!({ "Records": records })));
    }
    let mut cases = Cases::of("records of a stream");
    let mut on = stack().await;
    while let Some(mut mutator) = cases.next() {
        if cases.begins_stack() {
            on = stack().await;
        }
        let batch = mutator.json(&samples);
        let Ok(reply) = on.mappings.invoke("relay", &batch).await else { continue };
        cases.deep += 1;
        // A failure names one of the records: from there on Lambda sends them again.
        for failure in reply["batchItemFailures"].as_array().expect("failures") {
            let failed = &failure["itemIdentifier"];
            let records = batch["Records"].as_array().into_iter().flatten();
            let numbers: Vec<&Value> =
                records.map(|record| &record["dynamodb"]["SequenceNumber"]).collect();
            assert!(failed.is_null() || numbers.contains(&failed), "{failed} of {batch}");
        }
    }
}

#[tokio::test]
async fn mutated_queue_messages_are_handled_safely() {
    let parts = recharge::SweepPart::all(recharge::Task::Recharge, 3);
    let parts = parts.chain(recharge::SweepPart::all(recharge::Task::Expiring, 1));
    let messages: Vec<Value> =
        parts.map(|part| serde_json::from_str(&part.message()).expect("JSON")).collect();
    let mut cases = Cases::of("messages of the queue");
    let on = stack().await;
    let left = Duration::from_secs(5);
    while let Some(mut mutator) = cases.next() {
        let body = match mutator.below(3) {
            0 => mutator.text(&[messages[0].to_string()]),
            _ => mutator.json(&messages).to_string(),
        };
        let part = recharge::SweepPart::read(&body);
        if let Ok(part) = &part {
            assert_eq!(
                recharge::SweepPart::read(&part.message()).ok().as_ref(),
                Some(part),
                "{body}"
            );
        }
        let event = json!({ "Records": [{ "messageId": "m", "body": body }] });
        let event = if mutator.below(4) == 0 { mutator.json(&[event]) } else { event };
        let reply = recharge::answer(on.mappings.recharge(), event, left).await;
        cases.deep += u64::from(reply.is_ok_and(|reply| reply["batchItemFailures"] == json!([])));
    }
}

/// Stripe's events about a payment in three stories.
async fn stripe_events() -> Vec<Value> {
    let shop = Shop::beside(stack().await).await;
    let mut events = Vec::new();
    use Effect::{Arrive, Dispute, Expire, Lose, Pay, PayLater, Refund, Win};
    let stories: [&[Effect]; 4] = [
        &[Pay, Refund { minor: Some(1000) }, Dispute, Win],
        &[PayLater, Arrive, Dispute, Lose],
        &[Expire],
        &[Pay, Refund { minor: None }],
    ];
    for (n, effects) in stories.into_iter().enumerate() {
        let (_, session) = shop.begin("acme", &format!("order {n}"), "starter").await;
        for effect in effects {
            shop.stripe.act(&session, *effect).expect("it can be done");
        }
        events.extend(shop.stripe.take_events());
    }
    events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect()
}

/// A body that Stripe signed gets 200, or Stripe would send it for three days. An unsigned one is
/// refused and changes nothing.
#[tokio::test]
async fn mutated_webhook_bodies_are_handled_safely() {
    let samples = stripe_events().await;
    let texts: Vec<Vec<u8>> = samples.iter().map(|event| event.to_string().into_bytes()).collect();
    let mut cases = Cases::of("bodies of the webhook");
    let mut on = stack().await;
    while let Some(mut mutator) = cases.next() {
        if cases.begins_stack() {
            on = stack().await;
        }
        let body = match mutator.below(4) {
            0 => mutator.bytes(&texts),
            _ => mutator.json(&samples).to_string().into_bytes(),
        };
        let now = on.context().clock.now();
        let shown = Value::from(String::from_utf8_lossy(&body).into_owned());
        let said = shared::stripe::event(&body);
        cases.deep += u64::from(said.is_ok_and(|event| event.said.is_some()));
        let header = signature::sign(&body, WEBHOOK_SECRET, now);
        let ask = async |header: &str| {
            let mut webhook = request("POST", "/v1/stripe/webhook", None, "");
            webhook.headers_mut().insert("stripe-signature", header.parse().expect("a header"));
            *webhook.body_mut() = lambda_http::Body::Binary(body.clone());
            let answer = answer(on.functions.answer(webhook).await);
            contract::check("POST", "/v1/stripe/webhook", &answer);
            (answer.status, answer.body)
        };
        let forged = signature::sign(&body, "whsec_another", now);
        assert_eq!(ask(&forged).await.1["code"], "signature_invalid", "{shown}");
        let (status, answered) = ask(&header).await;
        let expected = if body.is_empty() { 400 } else { 200 };
        assert_eq!(status, expected, "{answered}: {shown}");
    }
    for account in ["acme", "open", "basic"] {
        assert_eq!(on.balance(account).await.status, 200);
    }
}
