//! `scrip console`: what its proxy lets through, and how it passes that on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use cli::console::gate::ROUTES;
use serde_json::{Value, json};
use shared::http::routes;
use tokio::net::TcpListener;

use super::cli::{at, scrip};
use super::cli_stack::InAws;
use super::signatures::verified;
use super::start_page::send;
use crate::protocol::restart::programs;
use crate::support::{Stack, ledger};

/// A running console. Dropping this ends it.
struct Console {
    process: Child,
    /// Its address, without a `/` at the end.
    base: String,
    token: String,
}

impl Console {
    /// Starts `scrip` with these words and only this environment.
    async fn start(words: &[&str], environment: &[(&str, &str)]) -> Console {
        let mut command = Command::new(programs().join("scrip"));
        command.args(words).env_clear().envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("scrip starts");
        let printed = BufReader::new(process.stdout.take().expect("piped"));
        let lines = printed.lines().map_while(Result::ok);
        let address = tokio::task::spawn_blocking(move || {
            lines.map(|line| line.trim().to_owned()).find(|line| line.starts_with("http://"))
        });
        let address = address.await.expect("no panic").expect("it prints its address");
        let (base, token) = address.split_once("/#token=").expect("a token");
        Console { process, base: base.to_owned(), token: token.to_owned() }
    }

    /// Sends a request with these headers: status and body.
    async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let (status, _, body) = send(&self.base, line, headers, body).await;
        (status, body)
    }

    /// Sends a request as the page does.
    async fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let headers = [("origin", &*self.base), ("scrip-console", &self.token)];
        let (status, body) = self.send(line, &headers, body).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{line}: {body}")))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request that the API got: the service that its signature is for, the request line, its
/// headers in order, and its body.
#[derive(Clone, Debug)]
struct Got {
    service: Result<String, String>,
    line: String,
    headers: Vec<String>,
    key: String,
    body: String,
}

#[derive(Clone)]
struct Api {
    base: String,
    got: Arc<Mutex<Vec<Got>>>,
}

/// The API at an address, which answers every request with its number.
async fn api() -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let api = Api { base, got: Arc::default() };
    let served = Router::new().fallback(answer).with_state(api.clone());
    tokio::spawn(async move { axum::serve(listener, served).await });
    api
}

async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let target = parts.uri.path_and_query().expect("a path").to_string();
    let service =
        verified(parts.method.as_str(), &format!("{}{target}", api.base), &parts.headers, &body);
    let key = parts.headers.get("idempotency-key").map(|key| key.to_str().expect("text"));
    let mut got = api.got.lock().expect("no one panics with the lock");
    got.push(Got {
        service,
        line: format!("{} {target}", parts.method),
        headers: parts.headers.keys().map(ToString::to_string).collect(),
        key: key.unwrap_or_default().to_owned(),
        body: String::from_utf8(body.to_vec()).expect("text"),
    });
    let response = Response::builder().status(422).header("x-scrip-request", "request-7");
    let response = response.header("content-type", "application/problem+json");
    let response = response.header("set-cookie", "a=b").header("x-amzn-internal", "1");
    response.body(Body::from(json!({ "code": "unknown_plan" }).to_string())).expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_the_page_is_signed_as_the_operator_and_answered_as_it_is() {
    let (there, api) = (InAws::start().await, api().await);
    there.aws.known().outputs.insert("ApiUrl".to_owned(), api.base.clone());
    let words = ["--stack", "scrip-test", "console"];
    let console = Console::start(&words, &there.operator()).await;
    let headers = [
        ("origin", &*console.base),
        ("scrip-console", &console.token),
        ("idempotency-key", "a key"),
        ("content-type", "application/json"),
        ("cookie", "session=1"),
        ("referer", "http://elsewhere.example/"),
    ];
    let body = r#"{"plan":"por"}"#;
    let line = "PUT /v1/accounts/auth0%7C64f0";
    let (status, answered, text) = send(&console.base, line, &headers, body).await;
    assert_eq!((status, text.as_str()), (422, r#"{"code":"unknown_plan"}"#));
    assert_eq!(answered["x-scrip-request"], "request-7");
    assert_eq!(answered["content-type"], "application/problem+json");
    for internal in ["set-cookie", "x-amzn-internal"] {
        assert!(!answered.contains_key(internal), "{internal}");
    }
    let read = "GET /v1/accounts?q=a%20b&debt=true";
    assert_eq!(console.ask(read, "").await.0, 422);
    let got = api.got.lock().expect("no one panics with the lock").clone();
    for one in &got {
        assert_eq!(one.service.as_deref(), Ok("execute-api"), "{one:?}");
        let private = ["cookie", "referer", "scrip-console", "origin", "user-agent"];
        let sent = one.headers.iter().find(|name| private.contains(&name.as_str()));
        assert_eq!(sent, None, "{one:?}");
    }
    assert_eq!((got[0].line.as_str(), got[0].key.as_str()), (line, "a key"));
    assert_eq!((got[0].body.as_str(), got[1].line.as_str()), (body, read));
    // The page names its stack.
    let (status, page) = console.send("GET /", &[], "").await;
    assert!(status == 200 && page.contains("data-stack=\"scrip-test\""), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_another_origin_or_a_wrong_token_is_refused_in_words() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let console = Console::start(&[&*at(&base), "console"], &[]).await;
    let (token, own) = (console.token.as_str(), console.base.as_str());
    let grant = "POST /v1/accounts/acme/grants";
    let read = "GET /v1/accounts/acme/balance";
    let body = r#"{"credits":"10","reason":"a test"}"#;
    let key = ("idempotency-key", "k");
    let port = own.rsplit(':').next().expect("a port");
    let (wrong, longer) = ("0".repeat(32), format!("{token}0"));
    let name = format!("http://localhost:{port}");
    for (line, headers, code) in [
        (read, &[][..], "console_token"),
        (read, &[("scrip-console", &*wrong)], "console_token"),
        (read, &[("scrip-console", &longer)], "console_token"),
        (read, &[("scrip-console", "")], "console_token"),
        (read, &[("scrip-console", token), ("scrip-console", token)], "console_token"),
        (
            read,
            &[("scrip-console", token), ("origin", "https://elsewhere.example")],
            "console_origin",
        ),
        (read, &[("scrip-console", token), ("origin", "null")], "console_origin"),
        (read, &[("scrip-console", token), ("origin", own), ("origin", own)], "console_origin"),
        (grant, &[("scrip-console", token), ("origin", &name), key], "console_origin"),
        (grant, &[("scrip-console", token), key], "console_origin"),
        (grant, &[("origin", own), key], "console_token"),
    ] {
        let (status, text) = console.send(line, headers, body).await;
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!((status, problem["code"].as_str()), (403, Some(code)), "{headers:?}: {text}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{text}");
    }
    // Another name of this address, as DNS rebinding makes one, gets nothing, not even the page.
    for host in ["localhost", "elsewhere.example", "127.0.0.1"] {
        for line in [read, "GET /", "GET /console.js"] {
            let text = as_host(own, line, host, token).await;
            assert!(text.starts_with("HTTP/1.1 403") && text.contains("console_host"), "{text}");
        }
    }
    // The token is of one start.
    let other = Console::start(&[&*at(&base), "console"], &[]).await;
    assert_ne!(other.token, console.token);
    assert_eq!(ledger(&stack.functions, "acme").await.expect("a ledger").len(), 1, "no grant");
    // As the page sends it, it is done.
    let headers = [("origin", own), ("scrip-console", token), key];
    assert_eq!(console.send(grant, &headers, body).await.0, 201);
    let (status, balance) = console.ask(read, "").await;
    assert_eq!((status, balance["available"].as_str()), (200, Some("2510")));
}

/// The answer to a request with another `Host`.
async fn as_host(base: &str, line: &str, host: &str, token: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = base.strip_prefix("http://").expect("an address");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nscrip-console: {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_routes_of_the_page_and_bounded_bodies_are_passed_on() {
    let (there, api) = (InAws::start().await, api().await);
    there.aws.known().outputs.insert("ApiUrl".to_owned(), api.base.clone());
    let words = ["--stack", "scrip-test", "console"];
    let console = Console::start(&words, &there.operator()).await;
    for line in [
        "POST /v1/accounts/acme/debits",
        "POST /v1/accounts/acme/holds",
        "DELETE /v1/accounts/acme",
        "GET /v1/accounts/acme/grants",
        "GET /v1/me/balance",
        "POST /v1/stripe/webhook",
        "POST /v1/accounts/acme/grants/",
        "POST /v1/accounts/acme/./grants",
        "POST /v1/accounts/../grants",
        "POST /v1/accounts/%2e%2E/grants",
        "GET /v1/accounts//balance",
        "GET /v1/accounts/acme/balance/..",
        "POST /",
        "OPTIONS /v1/accounts",
    ] {
        let (status, problem) = console.ask(line, "{}").await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("console_route")), "{line}");
    }
    let much = " ".repeat(64 * 1024 + 2);
    let (status, problem) = console.ask("POST /v1/accounts/acme/grants", &much).await;
    assert_eq!((status, problem["code"].as_str()), (413, Some("console_body")));
    assert_eq!(console.send("GET /../Cargo.toml", &[], "").await.0, 404);
    assert_eq!(console.send("GET /secrets", &[], "").await.0, 404);
    assert!(api.got.lock().expect("no one panics with the lock").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_says_why_it_cannot_start_or_reach_its_stack() {
    let there = InAws::start().await;
    let refused = "http://127.0.0.1:9";
    there.aws.known().outputs.insert("ApiUrl".to_owned(), refused.to_owned());
    let console = Console::start(&["--stack", "scrip-test", "console"], &there.operator()).await;
    let (status, problem) = console.ask("GET /v1/accounts", "").await;
    assert_eq!((status, problem["code"].as_str()), (502, Some("console_unreachable")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(refused)), "{problem}");
    let port = console.base.rsplit(':').next().expect("a port");
    let words = ["--stack", "scrip-test", "console", "--port", port];
    let ended = scrip(&words, &there.operator()).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complains.contains(&format!("port {port}")), "{ended:?}");
    let nobody = scrip(&words, &there.nobody()).await;
    assert_ne!(nobody.code, Some(0), "{nobody:?}");
}

/// The list of the proxy is of real routes: a route that is renamed is renamed here, too.
#[test]
fn each_route_of_the_console_is_in_the_contract() {
    let plain = |path: &str| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    for (method, path) in ROUTES {
        let known = routes::ROUTES.iter().any(|(known, methods)| {
            plain(known) == path && methods.split(", ").any(|known| known == method)
        });
        assert!(known, "{method} {path}");
    }
}
