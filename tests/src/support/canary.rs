//! Canaries: secrets planted in the context of every test and searched for in all that it logs,
//! answers and emits.
//!
//! The context has the key that signs sessions, the key of Stripe and the secret of its webhook; a
//! payment's events name the payer; and every request describes its browser. Tests make tokens as
//! they run: all tokens begin alike.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use lambda_http::{Body, Response};
use local::stripe;
use serde_json::Value;
use shared::metrics::Metrics;
use shared::secrets::Secret;
use shared::service_key::ServiceKeys;
use shared::telemetry;
use shared::token::Audience;
use tracing_subscriber::filter::Targets;

/// The key that signs the sessions of a test's stack.
pub const SESSION_KEY: &str = "a key of a test, as long as it has to be";
/// The key that seals the service keys of a test's stack.
pub const SERVICE_KEY: &str = "a key of service keys, as long as it has to be";
/// The secret with it.
pub const SERVICE_KEYS: &str =
    r#"{"id":"test","key":"a key of service keys, as long as it has to be"}"#;
/// Details about a customer that a browser or a payment's event could leak.
pub const CARD: &str = "4242 4242 4242 4242";

/// The secrets and details, and how tokens begin.
fn canaries() -> [&'static str; 8] {
    let [session, service] = [Audience::Widget, Audience::Service].map(Audience::prefix);
    let [stripe, webhook, payer] = [stripe::KEY, stripe::WEBHOOK_SECRET, stripe::PAYER];
    [SESSION_KEY, SERVICE_KEY, stripe, webhook, payer, CARD, session, service]
}

/// Leaks found anywhere: a panic in a spawned task would fail no test.
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Checks all log lines of this process from now on, at the finest level of our own crates.
pub fn watch() {
    static WATCH: OnceLock<()> = OnceLock::new();
    WATCH.get_or_init(|| {
        let ours =
            "shared debit balance page accounts checkout webhook reconcile relay recharge local";
        let ours: String = ours.split(' ').map(|name| format!(",{name}=trace")).collect();
        let filter: Targets = format!("info{ours}").parse().expect("levels");
        let logger = telemetry::logger(filter, || Watched);
        tracing::subscriber::set_global_default(logger).expect("nobody else logs for all");
    });
}

/// The service keys of a test's stack. They have read nothing yet.
pub fn service_keys() -> ServiceKeys {
    ServiceKeys::new(Secret::fixed(SERVICE_KEYS))
}

/// The namespace of the tests' metrics.
pub const NAMESPACE: &str = "Scrip/tests";

/// Metrics whose every line goes to `keep` and is checked.
pub fn metrics(keep: impl Fn(&str) + Send + Sync + 'static) -> Metrics {
    let metrics = Metrics::new(NAMESPACE.to_owned(), ["scrip", "7"], move |line| {
        look("a metric", line);
        keep(line);
    });
    metrics.expect("a namespace")
}

/// Checks an answer. A token may be in the answer that made it, in the form of a link's page, and
/// in the cookie.
pub fn look_at_answer(answer: &Response<Body>) {
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "set-cookie") {
        look("a header", &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    let mut text = String::from_utf8_lossy(answer.body()).into_owned();
    // The form of a link's page has the link.
    text = text.replace(r#"name="t" value="scrip_session_"#, "");
    if let Ok(mut body) = serde_json::from_str::<Value>(&text)
        && body.get("token").is_some()
    {
        body["token"].take();
        body["url"].take();
        text = body.to_string();
    }
    look("an answer", &text);
}

/// # Panics
/// If there is a canary in `text`, or was one anywhere before.
pub fn look(kind: &str, text: &str) {
    let mut leaks = LEAKS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    leaks.extend(found(text).iter().map(|canary| format!("{canary:?} is in {kind}: {text}")));
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// The canaries that are in `text`.
pub fn found(text: &str) -> Vec<&'static str> {
    canaries().into_iter().filter(|canary| text.contains(canary)).collect()
}

/// # Panics
/// Unless `bytes` are one line of JSON, for every log message.
pub fn look_at_line(bytes: &[u8]) {
    let line = std::str::from_utf8(bytes).expect("a log is text");
    look("the log", line);
    let one = line.strip_suffix('\n').expect("a line ends");
    // JSON escapes characters below a space; other control characters break no line.
    assert!(!one.contains(|c: char| c < ' '), "more than a line: {one:?}");
    serde_json::from_str::<Value>(one).unwrap_or_else(|error| panic!("{error}: {one}"));
}

/// A writer that checks lines and drops them.
struct Watched;

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        look_at_line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
