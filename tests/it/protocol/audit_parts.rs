//! The parts of an audit: each resumes where it stopped, one that fails comes again soon, and
//! Stripe's failure ends no other part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::audit::{AuditContext, AuditPart, AuditPartError, AuditWork, Difference, Walk, walk};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::messaging::{Messaging, QUEUES};
use recharge::{RechargeContext, SweepPart, Task};
use serde_json::{Value, json};
use shared::stripe::StripeAccount;

use crate::support::shop::Shop;
use crate::support::wire::Fault;
use crate::support::{Stack, answer, request};

/// A message as Lambda passes it.
fn record(body: &str) -> Value {
    json!({ "Records": [{ "messageId": "m", "receiptHandle": "h", "body": body }] })
}

/// Plays an audit in invocations that are out of time when they begin. Returns the parts that came
/// to their end, and the accounts and differences that these counted.
async fn played(stack: &Stack) -> (usize, u64, u64) {
    let audit = stack.mappings.audit();
    let begun = ::audit::answer(&audit, json!({ "task": "audit" }), Duration::ZERO).await;
    let parts = begun.expect("it begins")["parts"].as_u64().expect("a number");
    let (mut ended, mut seen, mut differences) = (0, 0, 0);
    while let Some((queue, message)) = stack.mappings.exchange().take_message() {
        assert_eq!(queue, "Audits");
        let done = ::audit::answer(&audit, record(&message), Duration::ZERO).await;
        let done = done.expect("an answer");
        if done["goes_on"] == false {
            ended += 1;
            seen += done["seen"].as_u64().expect("a number");
            differences += done["differences"].as_u64().expect("a number");
        }
    }
    assert_eq!(u64::try_from(ended), Ok(parts));
    (ended, seen, differences)
}

#[tokio::test]
async fn parts_without_time_see_every_account_once() {
    let shop = Shop::streamed().await;
    for n in 0..70 {
        shop.stack.open(&format!("account-{n}"), "free").await;
    }
    // 32 segments of the accounts, the orphans, and Stripe, which it has no time to ask: it says so.
    assert_eq!(played(&shop.stack).await, (34, 70, 1));
    let without = Stack::without_stripe().await;
    without.open("acme", "free").await;
    assert_eq!(played(&without).await, (33, 1, 0));
}

#[tokio::test]
async fn a_part_that_is_malformed_is_refused() {
    let stack = Stack::noon().await;
    let audit = stack.mappings.audit();
    let part = AuditPart::new(AuditWork::Accounts { segment: 0, of: 2, after: None }).message();
    assert_eq!(AuditPart::read(&part).expect("its own message").message(), part);
    for (before, after) in [
        ("\"version\":1", "\"version\":2"),
        ("\"segment\":0", "\"segment\":2"),
        ("\"of\":2", "\"of\":0"),
        ("accounts", "account"),
        ("\"seen\"", "\"x\""),
    ] {
        let body = part.replace(before, after);
        assert_ne!(body, part);
        let left = Duration::from_secs(5);
        assert!(::audit::answer(&audit, record(&body), left).await.is_err(), "{body}");
    }
    let other = part.replace("\"version\":1", "\"version\":2");
    assert!(matches!(AuditPart::read(&other), Err(AuditPartError::Version(2))));
    for payload in [json!({}), json!({ "task": "recharge" }), json!({ "Records": [] })] {
        let left = Duration::from_secs(5);
        assert!(::audit::answer(&audit, payload.clone(), left).await.is_err(), "{payload}");
    }
}

fn named(found: &[Difference]) -> Vec<&'static str> {
    found.iter().map(|difference| difference.kind.name()).collect()
}

/// Nothing answers at the address of this stack's Stripe.
#[tokio::test]
async fn a_stripe_that_does_not_answer_is_a_difference_after_those_of_the_ledger() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let name = local::tables::names().accounts;
    let key = AttributeValue::S("acme".to_owned());
    let change = stack.tables().update_item().table_name(name).key("a", key);
    let change = change.update_expression("SET sq = sq + :one");
    let one = AttributeValue::N("1".to_owned());
    change.expression_attribute_values(":one", one).send().await.expect("changed");
    let stripe = StripeAccount::Client(stack.functions.stripe().clone());
    for only in [None, Some("acme".parse().expect("an id"))] {
        let report = ::audit::report(stack.context(), Some(&stripe), only.as_ref(), |_| ()).await;
        let report = report.expect("the tables answer");
        assert_eq!(report.seen, 1);
        let found = named(&report.differences);
        assert_eq!((found[0], found.last()), ("number", Some(&"stripe_unreachable")), "{found:?}");
    }
}

/// The ledger rows of some operations, made so large that one request cannot read them all.
async fn pad(stack: &Stack, account: &str) {
    let (tables, name) = (stack.tables(), local::tables::names().ledger);
    let query = tables.query().table_name(&name);
    let query = query.key_condition_expression("a = :a AND begins_with(s, :k)");
    let query = query.expression_attribute_values(":a", AttributeValue::S(account.to_owned()));
    let query = query.expression_attribute_values(":k", AttributeValue::S("K#".to_owned()));
    let got = query.send().await.expect("an answer");
    assert_eq!(got.items().len(), 8);
    for item in got.items() {
        let mut item: HashMap<String, AttributeValue> = item.clone();
        let padding = AttributeValue::B(Blob::new(vec![7; 300 * 1024]));
        item.insert("zz".to_owned(), padding);
        tables.put_item().table_name(&name).set_item(Some(item)).send().await.expect("written");
    }
}

#[tokio::test]
async fn an_account_too_large_for_an_invocation_is_named_and_the_audit_goes_on() {
    let stack = Stack::noon().await;
    for account in ["large", "small"] {
        stack.open(account, "pro").await;
        for n in 0..8 {
            assert_eq!(stack.debit(account, &format!("{account} {n}"), "1").await.status, 201);
        }
    }
    pad(&stack, "large").await;
    let part = |after, most_bytes| Walk { segment: 0, of: 1, after, most_bytes };
    let whole = walk(stack.context(), part(None, u64::MAX), |_| true).await.expect("read");
    assert_eq!((whole.seen, whole.found), (2, vec![]));
    let narrow = walk(stack.context(), part(None, 0), |_| true).await.expect("read");
    assert_eq!((narrow.seen, narrow.after), (2, None));
    assert_eq!(named(&narrow.found), ["too_large"]);
    assert_eq!(narrow.found[0].account.as_ref().map(|id| id.as_str()), Some("large"));
    // Time for so many questions in each walk: none, the one between two accounts, enough.
    for (questions, expected) in [(0, vec!["too_large"]), (1, vec!["too_large"]), (9, vec![])] {
        let (mut after, mut seen, mut found, mut walks) = (None, 0, Vec::new(), 0);
        loop {
            let mut left = questions;
            let goes_on = |_: &::audit::Walked| {
                left -= 1;
                left >= 0
            };
            let walked = walk(stack.context(), part(after, u64::MAX), goes_on).await;
            let walked = walked.expect("read");
            seen += walked.seen;
            found.extend(walked.found);
            after = walked.after;
            walks += 1;
            assert!(walks <= 3, "{walks} walks");
            if after.is_none() {
                break;
            }
        }
        assert_eq!((named(&found), seen), (expected, 2), "{questions} questions");
    }
}

/// A messaging that remembers how long messages are to wait: the queue's address and seconds.
#[derive(Clone, Debug, Default)]
struct Waits(Messaging, Arc<Mutex<Vec<(String, i64)>>>);

impl HttpConnector for Waits {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Value = serde_json::from_slice(request.body().bytes().expect("in memory"))
            .expect("SQS speaks JSON");
        if let Some(wait_s) = body["VisibilityTimeout"].as_i64() {
            assert_eq!(body["ReceiptHandle"], "h");
            let queue = body["QueueUrl"].as_str().expect("an address").to_owned();
            self.1.lock().expect("no panic").push((queue, wait_s));
        }
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_fast_comes_again_after_a_minute_and_then_twice_as_long() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let waits = Waits::default();
    let connector = SharedHttpConnector::new(waits.clone());
    let client = http_client_fn(move |_, _| connector.clone());
    let [sweeps, audits, _] = Messaging::queues(&client);
    let audit = AuditContext { queue: audits, ..stack.mappings.audit() };
    let recharge = RechargeContext { queue: sweeps, ..stack.mappings.recharge().clone() };
    stack.wire.set_policy(|operation, _| match operation {
        "Scan" => Fault::Throttle,
        _ => Fault::None,
    });
    let left = Duration::from_secs(60);
    let part = AuditPart::new(AuditWork::Accounts { segment: 0, of: 1, after: None }).message();
    let sweep = SweepPart::all(Task::Recharge, 1).next().expect("a part").message();
    for (receives, wait_s) in [(1, 60), (2, 120), (3, 240), (4, 480), (9, 960)] {
        let event = |body: &str| {
            let mut event = record(body);
            event["Records"][0]["attributes"] =
                json!({ "ApproximateReceiveCount": receives.to_string() });
            event
        };
        assert!(::audit::answer(&audit, event(&part), left).await.is_err());
        let swept = ::recharge::answer(&recharge, event(&sweep), left).await.expect("an answer");
        assert_eq!(swept["batchItemFailures"][0]["itemIdentifier"], "m");
        let waits = std::mem::take(&mut *waits.1.lock().expect("no panic"));
        let expected = ["Audits", "Sweep"].map(|queue| (format!("{QUEUES}{queue}"), wait_s));
        assert_eq!(waits, expected);
    }
    // The tries are bounded: each segment's part, and the orphans', becomes a dead letter.
    stack.mappings.fire("audit").await.expect("it begins");
    assert_eq!(stack.mappings.dead_letters().len(), 33);
}

#[tokio::test]
async fn a_stack_without_stripe_offers_and_takes_no_purchase() {
    let stack = Stack::without_stripe().await;
    stack.open("acme", "free").await;
    let visitor = stack.visitor("acme").await;
    let page = stack.ask("GET", "/", &[("cookie", &visitor.cookie)]).await;
    let html = page.body.as_str().expect("a page");
    assert!(html.contains("Top-ups are not available here."), "{html}");
    assert!(!html.contains("data-pack") && !html.contains("Stripe"), "{html}");
    for (method, path) in [
        ("GET", "/v1/me/packs"),
        ("POST", "/v1/me/checkouts"),
        ("GET", "/v1/me/checkouts"),
        ("GET", "/v1/me/topup-plans"),
        ("POST", "/v1/stripe/webhook"),
    ] {
        // The contract has these routes: it is of a stack with Stripe.
        let missing = request(method, path, Some("k"), "{}");
        assert_eq!(answer(stack.functions.answer(missing).await).status, 404, "{path}");
    }
    // What belongs to the configuration stays: a refusal names the product's own page.
    let refused = stack.debit("acme", "all", "26").await;
    assert_eq!(refused.text("/top_up_url"), "https://example.com/credits");
    assert_eq!(stack.mappings.fire("reconcile").await, None);
}
