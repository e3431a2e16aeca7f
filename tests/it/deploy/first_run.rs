//! The first run at a terminal: the program's messages, its keys, and a line for each request.
//!
//! The process is the one that `cargo run` starts. `tests/terminal/keys.py` runs it at a terminal.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use local::clock::LocalClock;
use local::context::{self, Data};
use local::{service_key, tables, telemetry};
use regex::Regex;
use serde_json::{Value, json};
use shared::command;
use shared::config::Config;
use tests::support::{canary, instant};
use tracing::Level;

use crate::protocol::restart::{Folder, program};
use crate::rules::docs::there_is;

/// The longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null());
    for name in ["DYNAMODB_ENDPOINT_URL", "STRIPE_SECRET_KEY", "SCRIP_ADDR", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// The program, and its printed lines.
struct Started {
    process: Child,
    lines: Receiver<String>,
    /// The lines that it prints at the start.
    banner: Vec<String>,
    base: String,
}

impl Started {
    fn new() -> Started {
        Started::with(&[])
    }

    fn with(options: &[&str]) -> Started {
        let mut command = command(&["--memory", "--addr", "127.0.0.1:0"]);
        command.args(options);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (says, lines) = channel();
        std::thread::spawn(move || {
            // Until the receiver is dropped.
            output.lines().map_while(Result::ok).try_for_each(|line| says.send(line))
        });
        let mut started = Started { process, lines, banner: Vec::new(), base: String::new() };
        while started.banner.last().is_none_or(|line| line != "  Stop it with Ctrl-C.") {
            let line = started.line();
            started.banner.push(line);
        }
        assert_eq!(started.line(), "", "the banner ends");
        let first = started.banner[0].strip_prefix("Scrip on ").expect("where it is");
        started.base = first.split(',').next().expect("an address").to_owned();
        started
    }

    /// The next line. It must contain no secret, but for the one that gives its reader the key.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        if !line.starts_with("  SCRIP_KEY   scrip_sk_") {
            canary::look("a line of the stack", &line);
        }
        assert!(!line.contains('\x1b'), "coloured for nobody: {line:?}");
        line
    }

    /// Sends a request. Returns its answer.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent: ureq::Agent = agent.build().into();
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.uri(format!("{}{path}", self.base)).body(body.to_owned());
        let mut answer = agent.run(request.expect("a request")).expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends a request. Returns its log line, without the time and the duration.
    fn told(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        self.ask(method, path, headers, body);
        self.shown()
    }

    fn shown(&self) -> String {
        let line = self.line();
        let form = Regex::new(r"^\d\d:\d\d:\d\d  (.*) +\d+ ms  (local-\d+)?$").expect("a pattern");
        let found = form.captures(&line).unwrap_or_else(|| panic!("no line of a request: {line}"));
        found[1].trim_end().to_owned()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

#[test]
fn the_banner_is_short_and_says_where_to_start() {
    let Started { banner, base, .. } = &Started::new();
    assert!(banner.len() <= 12, "{banner:#?}");
    let parts: Vec<&str> = banner[0].split(", ").collect();
    assert_eq!((parts[0], parts[2]), (format!("Scrip on {base}").as_str(), "tables in memory"));
    // The stack's clock: this panics if it is no time.
    instant(parts[1]);
    assert!(banner.contains(&format!("  Start here  {base}/")), "{banner:#?}");
    for (account, plan, shows) in local::seed::ACCOUNTS {
        let says = |line: &&String| [account, plan, shows].iter().all(|word| line.contains(word));
        assert_eq!(banner.iter().filter(says).count(), 1, "{account}: {banner:#?}");
    }
}

#[test]
fn the_banner_and_the_start_page_have_a_key_that_works() {
    let stack = Started::new();
    let key = stack.banner.iter().find_map(|line| line.strip_prefix("  SCRIP_KEY   "));
    let key = key.expect("a key");
    let base = &stack.base;
    assert!(stack.banner.contains(&format!("  SCRIP_URL   {base}")), "{:#?}", stack.banner);
    assert_eq!(stack.ask("GET", "/_local/stack", &[], "")["service_key"], key);
    let balance = |authorization: &str| {
        let headers = [("authorization", authorization)];
        stack.ask("GET", "/v1/accounts/acme/balance", &headers, "")
    };
    assert_eq!(balance(&format!("Bearer {key}"))["available"], "2500");
    assert_eq!(balance(&format!("Bearer {key}A"))["code"], "key_refused");
    let page = ureq::get(format!("{base}/_local/start/")).call().expect("a page");
    let page = page.into_body().read_to_string().expect("text");
    assert!(page.contains(&format!("export SCRIP_URL={base}\nexport SCRIP_KEY={key}")), "{page}");
}

/// A program that has the key works again after a restart, and it is replaced before it ends.
#[tokio::test]
async fn a_folder_keeps_the_key_until_it_is_revoked_or_nearly_over() {
    let folder = std::env::temp_dir().join(format!("scrip-key-{}", std::process::id()));
    let data = Data::Folder(folder.clone());
    let clock = LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
    let config = Config { tables: tables::names(), ..Config::default() };
    let start = async || {
        let opened = context::open(&data, &clock, config.clone()).await.expect("tables");
        service_key::with_key(opened.context, &data).await.expect("a key")
    };
    let (first, again) = (start().await.1, start().await.1);
    assert_eq!(first, again);
    clock.set(instant("2027-12-18T12:00:00Z"));
    let (context, second) = start().await;
    assert!(second.token != first.token && second.secret == first.secret);
    let listed = context.store.service_keys().await.expect("listed");
    let now = context.clock.now();
    let revoked = command::service_key::revoke(&context.store, &listed.keys[1].key, now).await;
    revoked.expect("revoked");
    assert_ne!(start().await.1.token, second.token);
    data.clear().expect("cleared");
    assert_ne!(start().await.1.secret, second.secret);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_stack_without_stripe_has_no_route_of_it() {
    let stack = Started::with(&["--no-stripe"]);
    let described = stack.ask("GET", "/_local/stack", &[], "");
    assert_eq!((&described["sells"], &described["stripe_key"]), (&json!(false), &Value::Null));
    for (method, path) in [("GET", "/v1/me/packs"), ("POST", "/v1/stripe/webhook")] {
        assert_eq!(stack.ask(method, path, &[], "")["status"], 404, "{path}");
    }
    assert_eq!(Started::new().ask("GET", "/v1/me/packs", &[], "")["status"], 401);
}

#[test]
fn each_request_is_a_line_that_says_what_changed() {
    let stack = Started::new();
    let path = |account: &str, rest: &str| format!("/v1/accounts/{account}/{rest}");
    let video = r#"{"action":"dynamic_video","quantity":1}"#;
    let keyed = [("idempotency-key", "job")];
    let debits = path("acme", "debits");
    let line =
        |about: &str, changed: &str, status: u16| format!("{about:<35} {changed:<24} {status}");
    let about = |route: &str, account: &str| format!("{route:<27} {account}");
    assert_eq!(
        stack.told("POST", &debits, &keyed, video),
        line(&about("POST .../debits", "acme"), "-1 credit -> 2499", 201)
    );
    assert_eq!(
        stack.told("POST", &debits, &keyed, video),
        line(&about("POST .../debits", "acme"), "replayed", 201)
    );
    let many = r#"{"action":"dynamic_video","quantity":1000}"#;
    assert_eq!(
        stack.told("POST", &path("open", "debits"), &keyed, many),
        line(&about("POST .../debits", "open"), "insufficient_credits", 402)
    );
    let welcome = r#"{"credits":"100","reason":"welcome"}"#;
    assert_eq!(
        stack.told("POST", &path("open", "grants"), &[("idempotency-key", "w")], welcome),
        line(&about("POST .../grants", "open"), "+100 credits -> 125", 201)
    );
    // Automatic requests of pages have no line: the next line is that of the next request.
    for noise in ["/_local/clock", "/_local/events", "/favicon.ico", "/assets/0/page.css"] {
        stack.ask("GET", noise, &[], "");
    }
    assert_eq!(
        stack.told("POST", "/v1/accounts/open/debit?key=secret", &[], video),
        line("POST /v1/accounts/open/debit", "not_found", 404)
    );
    // The line shows the account's name, not its form in a path.
    assert_eq!(
        stack.told("GET", &path("auth0%7C7", "usage"), &[], ""),
        line(&about("GET  .../usage", "auth0|7"), "account_not_found", 404)
    );
    // The path of a capture contains the hold's id, and the line does not.
    let images = r#"{"action":"custom_image","quantity":4}"#;
    let held = stack.ask("POST", &path("acme", "holds"), &[("idempotency-key", "h")], images);
    assert_eq!(stack.shown(), line(&about("POST .../holds", "acme"), "2 held -> 2497", 201));
    let hold = held["id"].as_str().expect("an id");
    let capture = path("acme", &format!("holds/{hold}/capture"));
    assert_eq!(
        stack.told("POST", &capture, &[("idempotency-key", "c")], r#"{"quantity":3}"#),
        line(&about("POST .../holds/{id}/capture", "acme"), "1.5 charged -> 2497.5", 201)
    );
    assert_eq!(
        stack.told("GET", &path("acme", "balance"), &[], ""),
        line(&about("GET  .../balance", "acme"), "2497.5 available", 200)
    );
}

/// A token is in a header, in a query and, by mistake, in a path. `line` checks each line for it.
#[test]
fn request_lines_contain_no_secret() {
    let stack = Started::new();
    let body = json!({ "subject": "ada", "scopes": ["view", "buy"], "return_url": stack.base });
    let session = stack.ask("POST", "/v1/accounts/acme/sessions", &[], &body.to_string());
    assert!(stack.shown().ends_with("201"));
    let token = session["token"].as_str().expect("a token");
    let link = session["url"].as_str().expect("a link");
    let enter = link.strip_prefix(&stack.base).expect("of this stack");
    // The canary check would find both.
    assert!([token, enter].iter().all(|secret| !canary::found(secret).is_empty()));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "order")];
    let balance = stack.told("GET", "/v1/me/balance", &headers, "");
    assert!(balance.contains(" acme ") && balance.ends_with("200"), "{balance}");
    let ordered = stack.told("POST", "/v1/me/checkouts", &headers, r#"{"pack":"starter"}"#);
    assert!(ordered.ends_with("500 credits ordered      201"), "{ordered}");
    assert!(stack.told("GET", enter, &[], "").starts_with("GET  /enter "));
    let mistaken = stack.told("GET", &format!("/v1/{token}"), &[], "");
    assert!(mistaken.starts_with("GET  /v1/... "), "{mistaken}");
}

#[test]
fn a_port_in_use_names_the_remedy_and_a_free_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address");
    let suggested = || {
        let ended =
            command(&["--memory", "--addr", &addr.to_string()]).output().expect("a process");
        assert!(!ended.status.success());
        let says = String::from_utf8(ended.stderr).expect("text");
        let says = says.strip_prefix(&format!(
            "scrip: port {} is in use (perhaps another Scrip): stop it, or start this one with \
             --addr ",
            addr.port()
        ));
        says.expect("the remedy").trim_end().to_owned()
    };
    // Another test may take the port the moment after.
    let free = (0..10).any(|_| TcpListener::bind(suggested()).is_ok());
    assert!(free, "no port that was suggested was free");
    // Another mistake has another message.
    let ended = command(&["--memory", "--addr", "192.0.2.1:3000"]).output().expect("a process");
    let says = String::from_utf8(ended.stderr).expect("text");
    assert!(!ended.status.success() && says.contains("loopback only"), "{says}");
}

#[test]
fn libraries_are_silent_unless_asked() {
    let silent = telemetry::levels(None);
    for ours in ["local::clock", "shared::store", "audit"] {
        assert!(silent.would_enable(ours, &Level::WARN), "{ours}");
        assert!(!silent.would_enable(ours, &Level::INFO), "{ours}");
    }
    for theirs in ["hyper_util::client", "aws_config", "dynoxide", "rustls"] {
        assert!(!silent.would_enable(theirs, &Level::ERROR), "{theirs}");
        assert!(telemetry::levels(Some("info")).would_enable(theirs, &Level::INFO), "{theirs}");
        assert!(!telemetry::levels(Some("local=noise")).would_enable(theirs, &Level::ERROR));
    }
    assert!(telemetry::levels(Some("hyper_util=debug")).would_enable("hyper_util", &Level::DEBUG));
}

#[test]
fn the_demo_without_a_terminal_is_plain_text() {
    for arguments in [&["demo"][..], &["demo", "--plain"]] {
        let ended = command(arguments).output().expect("a process");
        let (text, complaints) = [ended.stdout, ended.stderr]
            .map(|bytes| String::from_utf8(bytes).expect("text"))
            .into();
        assert!(ended.status.success(), "{text}{complaints}");
        assert!(!text.contains('\x1b') && text.contains("\n7/7  "), "{text:?}");
        assert_eq!(complaints, "");
    }
}

#[test]
fn keys_move_the_clock_reset_and_quit_and_leave_the_terminal_as_it_was() {
    if !there_is("python3") {
        return;
    }
    let folder = Folder::new("keys");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("terminal/keys.py");
    let mut play = Command::new("python3");
    let ended = play.arg(script).arg(program()).arg(&folder.0).output().expect("a program");
    let (text, complaints) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{text}{complaints}");
    assert!(text.ends_with("keys, Ctrl-C, kill and the demo: as they must\n"), "{text}");
}
