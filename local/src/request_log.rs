//! Prints a line for each request: time, route, account, change, status, duration and the id that
//! its answer and its log lines have.
//!
//! The line is made of the route and the answer. It shows no headers, body or query of the request,
//! because a token can be there.

use std::io::Write as _;
use std::time::Instant as Began;

use lambda_http::{Body, Request, Response};
use serde_json::Value;
use shared::domain::{AccountId, Instant};
use shared::http::path;

use crate::change;
use crate::dynamodb;
use crate::routes::Functions;
use crate::stripe;

/// The longest part of an unknown path that is shown: no word of a route is longer.
const MAX_PART: usize = 24;
/// The longest unknown path.
const MAX_PATH: usize = 48;

/// Whether requests are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestLog {
    /// They are not.
    #[default]
    Off,
    /// On standard output; coloured if that is a terminal.
    On,
}

/// A request whose line is printed when it is answered.
#[derive(Debug)]
pub struct Asked {
    method: String,
    route: String,
    account: String,
    began: Began,
}

impl RequestLog {
    /// Takes a request. None: it has no line, because its line says nothing or a page repeats it.
    pub fn asked(self, functions: &Functions, request: &Request) -> Option<Asked> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        if self == RequestLog::Off || is_noise(method, path) {
            return None;
        }
        let route = functions.route(method, path).map(str::to_owned);
        let account = match route.as_deref().and_then(|route| route.split('/').nth(3)) {
            Some("{account}") => account(path.split('/').nth(3).unwrap_or_default()),
            _ => String::new(),
        };
        Some(Asked {
            method: method.to_owned(),
            account,
            route: route.unwrap_or_else(|| unknown(path)),
            began: Began::now(),
        })
    }

    /// Prints the line of a request that was answered at `now`.
    pub fn answered(self, asked: Option<Asked>, now: Instant, answer: &Response<Body>) {
        // 304: a client that polls has this answer already.
        let Some(asked) = asked.filter(|_| answer.status() != 304) else { return };
        let line = line(&asked, now, answer);
        // A closed output is no reason to stop.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// The account's id; as it was sent if it is not a valid id, because anything may be in it.
fn account(part: &str) -> String {
    let account: Result<AccountId, _> = path::decoded(part).parse();
    account.map_or_else(|_| part.to_owned(), |account| account.to_string())
}

/// Requests that pages and browsers make without a person, and those of the stack to itself.
fn is_noise(method: &str, path: &str) -> bool {
    let reads = matches!(method, "GET" | "HEAD");
    // The page polls a payment that is not final every few seconds.
    let by_themselves =
        ["/_local/", "/assets/", "/brand/", "/scrip.js", "/favicon", "/v1/me/checkouts/"];
    method == "OPTIONS"
        || path.starts_with(stripe::PREFIX)
        || dynamodb::is_at(path)
        || (reads && by_themselves.iter().any(|begins| path.starts_with(begins)))
}

/// A path that is no route. A part that is too long for a word may be a secret, put there by
/// mistake.
fn unknown(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.len() > MAX_PART { "..." } else { part });
    let shown = parts.collect::<Vec<_>>().join("/");
    shown.chars().filter(|c| !c.is_control()).take(MAX_PATH).collect()
}

fn line(asked: &Asked, now: Instant, answer: &Response<Body>) -> String {
    let status = answer.status().as_u16();
    let replayed = answer.headers().contains_key("idempotent-replayed");
    let body: &[u8] = answer.body();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Asked { method, route, account, began } = asked;
    let (changed, tone) = change::of(method, route, status, replayed, &body);
    // A customer's own routes do not name the account; most of their answers do.
    let account = match account.as_str() {
        "" => body["account"].as_str().unwrap_or_default(),
        known => known,
    };
    let route = match route.strip_prefix("/v1/accounts/{account}/") {
        Some(rest) => format!(".../{rest}"),
        None => route.clone(),
    };
    // A path that is no route is longer, and has no account.
    let about = match account {
        "" => format!("{route:<30}"),
        _ => format!("{route:<22} {account:<7}"),
    };
    let request = answer.headers().get("x-scrip-request").and_then(|id| id.to_str().ok());
    let dim = console::Style::new().dim();
    format!(
        "{}  {method:<4} {about} {} {}",
        dim.apply_to(now.utc().format("%H:%M:%S")),
        tone.style().apply_to(format!("{changed:<24} {status}")),
        dim.apply_to(format!(
            "{:>4} ms  {}",
            began.elapsed().as_millis(),
            request.unwrap_or_default()
        )),
    )
}
