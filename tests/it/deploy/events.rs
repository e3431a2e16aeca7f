//! Every sample event in `events/` is replayed as Lambda would pass it to a function. Its reply is
//! compared with a snapshot; `UPDATE_EXPECT=1` writes the snapshots again.

use std::path::Path;

use expect_test::expect_file;
use lambda_http::{Body, RequestExt, Response};
use local::stripe::WEBHOOK_SECRET;
use local::template::Template;
use serde_json::{Value, json};
use shared::secrets::Secret;

use crate::support::shop::Shop;
use crate::support::{Stack, answer, lambda, request};

/// A stack with the accounts of the events.
async fn stage() -> Stack {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    stack.open("open", "free").await;
    stack.open("basic", "standard").await;
    stack.open("frozen", "free").await;
    let body = r#"{"reason":"abuse"}"#;
    stack.send(request("POST", "/v1/accounts/frozen/freeze", Some("f"), body)).await;
    stack.debit("acme", "used before", "1").await;
    stack
}

/// The function behind a stream, a queue or a schedule. None: the event is from the gateway, or
/// from a direct invocation.
fn reader(event: &Value) -> Option<&'static str> {
    let queue = event["Records"][0]["eventSourceARN"].as_str().unwrap_or_default();
    match (event["Records"][0]["eventSource"].as_str(), event["task"].as_str()) {
        (Some("aws:sqs"), _) if queue.ends_with("Audits") => Some("audit"),
        (_, Some("audit")) => Some("audit"),
        (Some("aws:dynamodb"), _) => Some("relay"),
        (Some("aws:sqs"), _) | (_, Some("recharge" | "expiring")) => Some("recharge"),
        (_, Some("reconcile")) => Some("reconcile"),
        _ => None,
    }
}

async fn replay(event: &Value) -> Value {
    let Shop { stack, .. } = Shop::beside(stage().await).await;
    if let Some(function) = reader(event) {
        return stack.mappings.invoke(function, event).await.expect("an answer");
    }
    if event.get("requestContext").is_none() {
        return lambda::invoke(stack.context(), event.clone()).await;
    }
    let request = lambda::request_of(event).expect("an event of the gateway");
    let (method, path) = (request.method().to_string(), request.raw_http_path().to_owned());
    let routes = Template::load().routes();
    let route = routes.iter().find(|route| route.matches(&method, &path));
    let response = match route.map(|route| route.function.as_str()) {
        // Through its entry point, not only its handler.
        Some("debit") => {
            let reply = lambda::invoke(stack.context(), event.clone()).await;
            let body = reply["body"].as_str().unwrap_or("null");
            let body: Value = serde_json::from_str(body).expect("JSON");
            return json!({ "status": reply["statusCode"], "body": body });
        }
        Some("balance") => balance::handle(stack.context(), request).await,
        Some("page") => page::handle(stack.context(), request).await,
        // Boxed, as in the local routes: a test's stack has no room for it beside the others.
        Some("accounts") => Box::pin(accounts::handle(stack.context(), request)).await,
        Some("checkout") => {
            checkout::handle(stack.context(), stack.functions.stripe(), request).await
        }
        Some("webhook") => {
            let secret = Secret::fixed(WEBHOOK_SECRET);
            webhook::handle(stack.context(), stack.functions.stripe(), &secret, request).await
        }
        other => panic!("no function for {method} {path}: {other:?}"),
    };
    let answer = answer(response);
    // Only the title of a page: the page's own tests cover the rest.
    let title =
        answer.body.as_str().and_then(|html| html.split("<title>").nth(1)?.split('<').next());
    let body = title.map_or_else(|| answer.body.clone(), Value::from);
    json!({ "status": answer.status, "body": body })
}

#[tokio::test]
async fn every_sample_event_gets_its_recorded_reply() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("events")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{} events", names.len());
    for path in names {
        let text = std::fs::read_to_string(&path).expect("an event");
        let event: Value = serde_json::from_str(&text).expect("JSON");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let reply = serde_json::to_string_pretty(&replay(&event).await).expect("JSON");
        let snapshot = format!("{}/it/snapshots/{name}.json", env!("CARGO_MANIFEST_DIR"));
        expect_file![snapshot].assert_eq(&format!("{reply}\n"));
    }
}

/// The gateway passes decoded paths on. `lambda_http` panics if it cannot make a URI of one.
#[tokio::test]
async fn an_impossible_path_is_answered_and_crashes_no_function() {
    let stack = Stack::noon().await;
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/my-balance-session-required.json");
    let sent: Value =
        serde_json::from_slice(&std::fs::read(file).expect("an event")).expect("JSON");
    let strange = " \"#%<>?[\\]^`{|}\u{7f}\u{0}\n\u{e9}\u{1f600}";
    for (path, query, status) in [
        (format!("/assets/{strange}/x"), String::new(), 404),
        (format!("/{strange}"), strange.to_owned(), 404),
        ("/".to_owned(), strange.to_owned(), 401),
        ("/enter".to_owned(), format!("t={strange}"), 401),
    ] {
        let mut event = sent.clone();
        event["rawPath"] = path.clone().into();
        event["requestContext"]["http"]["path"] = path.into();
        event["rawQueryString"] = query.into();
        let handle = async |request| page::handle(stack.context(), request).await;
        let reply = lambda::reply(event.clone(), handle).await;
        assert_eq!(reply["statusCode"], status, "{event}: {reply}");
    }
    // Values that a client can set, and values that no gateway sends.
    type Change = fn(&mut Value);
    let changes: [(Change, u16); 9] = [
        (|e| e["headers"]["host"] = "a b".into(), 401),
        (|e| e["headers"]["host"] = "[::1".into(), 401),
        (|e| e["headers"]["host"] = "api.example.com:99999".into(), 401),
        (|e| e["headers"]["x-forwarded-proto"] = "https, https".into(), 401),
        (|e| e["headers"]["x-forwarded-proto"] = "h".repeat(70).into(), 401),
        (|e| e["rawPath"] = "x y".into(), 404),
        (|e| e["rawPath"] = format!("/{}", "x".repeat(66_000)).into(), 404),
        (|e| e["rawQueryString"] = " ".repeat(22_000).into(), 404),
        (|e| (e["isBase64Encoded"], e["body"]) = (true.into(), "no base64".into()), 404),
    ];
    for (change, status) in changes {
        let mut event = sent.clone();
        change(&mut event);
        let handle = async |request| page::handle(stack.context(), request).await;
        let reply = lambda::reply(event.clone(), handle).await;
        assert_eq!(reply["statusCode"], status, "{event}: {reply}");
    }
    for foreign in [json!(null), json!([]), json!({}), json!({ "rawPath": 1 })] {
        let handle = async |request| page::handle(stack.context(), request).await;
        assert_eq!(lambda::reply(foreign, handle).await["statusCode"], 404);
    }
}

#[test]
fn the_gateway_gets_cookies_and_bytes_in_its_own_form() {
    let response = Response::builder().status(303).header("location", "/");
    let response = response.header("set-cookie", "a=1").header("set-cookie", "b=2");
    let reply = lambda::reply_of(response.body(Body::Empty).expect("a response"));
    let headers = json!({ "location": "/" });
    assert_eq!(reply["cookies"], json!(["a=1", "b=2"]));
    assert_eq!((&reply["statusCode"], &reply["headers"]), (&json!(303), &headers), "{reply}");
    assert_eq!(reply["isBase64Encoded"], false);
    let bytes = lambda::reply_of(Response::new(Body::Binary(vec![0, 255])));
    assert_eq!((&bytes["body"], &bytes["isBase64Encoded"]), (&json!("AP8="), &json!(true)));
}
