//! Correlation: by the id of a request, its answer, its log lines and its documents of metrics are
//! found, and each says which route, account and operation it is about.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::telemetry::VERSION;
use shared::telemetry::correlation::{Correlation, during};

use crate::support::door;
use crate::support::log::Log;
use crate::support::shop::Shop;
use crate::support::wire::Fault;
use crate::support::{LOCAL, Stack, lambda, request};

/// The id that AWS gave the request, or the invocation.
const ID: &str = "JKJaXmPLvHcESHA=";

/// A request as the gateway hands it over, by ada.
fn event(method: &str, path: &str, key: &str, body: &Value) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "idempotency-key": key, "host": "api.example.com" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": { "iam": { "userArn": "arn:aws:iam::123456789012:user/ada" } },
            "http": { "method": method, "path": path },
            "requestId": ID,
            "stage": "$default",
        },
        "isBase64Encoded": false,
        "body": body.to_string(),
    })
}

/// The lines of our own code.
fn lines(log: &Log) -> Vec<Value> {
    let text = log.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ours = |line: &Value| {
        let target = line["target"].as_str().unwrap_or_default();
        ["shared", "balance", "webhook", "relay"].iter().any(|ours| target.starts_with(ours))
    };
    lines.filter(ours).collect()
}

/// The documents of metrics since the last call.
fn documents(stack: &Stack) -> Vec<Value> {
    std::mem::take(&mut *stack.emitted.lock().expect("no one panics with the lock"))
}

#[tokio::test]
async fn an_answer_names_the_gateways_id_or_else_lambdas() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let mut event = event("POST", "/v1/accounts/acme/debits", "k", &json!({ "credits": "1" }));
    let answered = async |event: Value| {
        let answer = lambda::invoke(stack.context(), event);
        let answer = during(Correlation::of("of lambda"), answer).await;
        answer["headers"]["x-scrip-request"].clone()
    };
    assert_eq!(answered(event.clone()).await, ID);
    // What the gateway did not hand over, or not as it should.
    event["requestContext"]["requestId"].take();
    assert_eq!(answered(event).await, "of lambda");
    assert_eq!(answered(json!({ "requestContext": 1 })).await, "of lambda");
}

#[tokio::test]
async fn every_kind_of_answer_names_its_request() {
    let stack = Stack::noon().await;
    let mut ids = BTreeSet::new();
    for (method, path, status) in [
        ("GET", "/v1/accounts/acme/balance", 404),
        ("GET", "/v1/accounts/a b/balance", 400),
        ("DELETE", "/v1/accounts/acme/balance", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/", 401),
        ("GET", "/scrip.js", 200),
        ("OPTIONS", "/v1/me/balance", 403),
        ("POST", "/v1/stripe/webhook", 400),
    ] {
        let path = path.replace(' ', "%20");
        let answer = stack.send(request(method, &path, None, "")).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let id = answer.headers["x-scrip-request"].to_str().expect("text").to_owned();
        assert!(ids.insert(id), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn log_lines_and_metrics_of_a_request_say_which_it_was() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    documents(&stack);
    let log = Log::default();
    let _guard = log.listen();
    let operation = stack.id(0).to_string();
    let body = json!({ "credits": "1" });
    let event = event("POST", "/v1/accounts/acme/debits", &operation, &body);
    let same = |document: &Value| {
        assert_eq!(document["request"], ID, "{document}");
        assert_eq!(document["route"], "POST /v1/accounts/{account}/debits", "{document}");
        assert_eq!(document["account"], "acme", "{document}");
        assert_eq!(document["operation"], *operation, "{document}");
        assert_eq!(document["version"], VERSION, "{document}");
    };
    stack.wire.set_policy(|_, _| Fault::Throttle);
    lambda::invoke(stack.context(), event.clone()).await;
    stack.wire.heal();
    let lines = lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["message"], "the outcome of a request is unknown");
    same(&lines[0]);
    let counted = documents(&stack);
    let [failed] = &counted[..] else { panic!("{counted:?}") };
    same(failed);
    assert_eq!((&failed["status"], &failed["code"]), (&json!(503), &json!("outcome_unknown")));
    // One that is done has no code.
    lambda::invoke(stack.context(), event).await;
    let counted = documents(&stack);
    let [done] = &counted[..] else { panic!("{counted:?}") };
    same(done);
    assert_eq!((&done["status"], done.get("code")), (&json!(201), None));
}

/// "Why was I refused at 14:03?"
#[tokio::test]
async fn a_refusal_is_found_by_its_account_and_time() {
    let stack = Stack::noon().await;
    stack.open("open", "free").await;
    documents(&stack);
    stack.debit("open", "too much", "1000").await;
    let counted = documents(&stack);
    let refused: Vec<&Value> =
        counted.iter().filter(|document| document.get("status").is_some()).collect();
    let [refused] = refused[..] else { panic!("{counted:?}") };
    assert_eq!(refused["account"], "open");
    assert_eq!(refused["code"], "insufficient_credits");
    assert_eq!(refused["status"], 402);
    // A key that is no id is a caller's text, and stays out of the logs.
    assert_eq!(refused.get("operation"), None);
    assert!(!refused.to_string().contains("too much"), "{refused}");
}

#[tokio::test]
async fn an_invocation_and_a_batch_of_a_stream_say_lambdas_id() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    documents(&stack);
    let payload = json!({ "account": "acme", "id": "k", "credits": "1" });
    let invoked = lambda::invoke(stack.context(), payload);
    let receipt = during(Correlation::of("of lambda"), invoked).await;
    let counted = documents(&stack);
    let [done] = &counted[..] else { panic!("{counted:?}") };
    assert_eq!(done["request"], "of lambda");
    assert_eq!(done["route"], "lambda:InvokeFunction");
    assert_eq!((&done["account"], &done["operation"]), (&json!("acme"), &receipt["id"]));
    stack.relay().await;
    let counted = documents(&stack);
    assert!(!counted.is_empty());
    for batch in counted {
        let request = batch["request"].as_str().expect("an id");
        assert!(request.starts_with("local-"), "{batch}");
        assert_eq!((batch.get("route"), batch.get("account")), (None, None), "{batch}");
    }
}

#[tokio::test]
async fn requests_at_once_keep_their_fields_apart() {
    let stack = Stack::noon().await;
    let asked = (0..40).map(|n| {
        let stack = stack.clone();
        tokio::spawn(async move { stack.get(&format!("/v1/accounts/of-{n}/balance")).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("answered").status, 404);
    }
    let counted = documents(&stack);
    let of_requests = counted.iter().filter(|document| document.get("status").is_some());
    let pairs: BTreeSet<(&str, &str)> = of_requests
        .map(|document| ["request", "account"].map(|name| document[name].as_str().expect("text")))
        .map(|[request, account]| (request, account))
        .collect();
    let accounts: BTreeSet<&str> = pairs.iter().map(|(_, account)| *account).collect();
    assert_eq!((pairs.len(), accounts.len()), (40, 40));
}

/// A session is no entry: the log names who made it.
#[tokio::test]
async fn a_session_is_logged_with_who_made_it_and_without_its_customer() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    let log = Log::default();
    let _guard = log.listen();
    let body = json!({ "subject": "ada@example.com", "return_url": format!("{LOCAL}/") });
    let event = event("POST", "/v1/accounts/acme/sessions", "k", &body);
    let handle = async |request| balance::handle(stack.context(), request).await;
    let reply = lambda::reply(event, handle).await;
    assert_eq!(reply["statusCode"], 201, "{reply}");
    let told = lines(&log);
    let [made] = &told[..] else { panic!("{told:?}") };
    assert_eq!(made["fields"]["message"], "a session was made");
    assert_eq!(made["fields"]["actor"], "arn:aws:iam::123456789012:user/ada");
    assert_eq!((&made["request"], &made["account"]), (&json!(ID), &json!("acme")));
    assert!(made["fields"]["session"].is_string(), "{made}");
    assert!(!made.to_string().contains("example.com"), "{made}");
}

/// A customer's path names no account: the session does.
#[tokio::test]
async fn a_customers_request_is_of_the_account_of_the_session() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let token = shop.token("acme", r#""view""#).await;
    documents(&shop.stack);
    assert_eq!(shop.ask(&token, "GET", "/v1/me/balance", None, "").await.status, 200);
    let counted = documents(&shop.stack);
    let [read] = &counted[..] else { panic!("{counted:?}") };
    assert_eq!((&read["account"], &read["route"]), (&json!("acme"), &json!("GET /v1/me/balance")));
}

#[tokio::test]
async fn a_link_is_of_its_own_account_whichever_page_is_open() {
    let stack = Stack::noon().await;
    let mut links = Vec::new();
    for account in ["acme", "rival"] {
        stack.open(account, "pro").await;
        let body = format!(r#"{{"subject":"ada","return_url":"{LOCAL}/"}}"#);
        let made = stack.session(account, &body).await;
        links.push(made.text("/url").split("t=").nth(1).expect("a link").to_owned());
    }
    let cookie = door::cookie(&stack.press(&links[1]).await);
    documents(&stack);
    let look = format!("/enter?t={}", links[0]);
    assert_eq!(stack.ask("GET", &look, &[("cookie", &cookie)]).await.status, 200);
    let counted = documents(&stack);
    assert_eq!(counted.last().expect("a document")["account"], "acme", "{counted:?}");
}

#[tokio::test]
async fn a_webhook_is_of_the_account_of_its_order() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let log = Log::default();
    let _guard = log.listen();
    shop.buy("acme", "buy", "starter").await;
    let told = lines(&log);
    let applied = told.iter().find(|line| line["fields"]["outcome"] == "applied");
    let applied = applied.unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(applied["account"], "acme");
    assert_eq!(applied["route"], "POST /v1/stripe/webhook");
}

/// The bytes of the document of a debit, without those of its account's id. A million of them cost
/// half a dollar for each 1000 bytes; see costs-and-limits.md.
const DEBIT_BYTES: usize = 500;

/// Each value of a dimension is one more metric to pay for. An account, a route or a request as a
/// dimension would be millions.
#[tokio::test]
async fn fields_of_a_request_are_no_dimensions_and_weigh_little() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    documents(&stack);
    let body = json!({ "credits": "1" });
    let event = event("POST", "/v1/accounts/acme/debits", &stack.id(0).to_string(), &body);
    lambda::invoke(stack.context(), event).await;
    stack.debit("acme", "b", "100000").await;
    let counted = documents(&stack);
    let bytes = counted[0].to_string().len() - "acme".len();
    println!("the document of a debit: {bytes} bytes");
    assert!(bytes <= DEBIT_BYTES, "{bytes} bytes: {}", counted[0]);
    let directives = counted
        .iter()
        .flat_map(|document| document["_aws"]["CloudWatchMetrics"].as_array().expect("directives"));
    let dimensions: BTreeSet<String> =
        directives.map(|directive| directive["Dimensions"].to_string()).collect();
    assert_eq!(dimensions, [r#"[[]]"#, r#"[[],["code"]]"#].map(str::to_owned).into());
}
