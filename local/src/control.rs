//! Answers `/_local/*`, which only the local stack has. None of it is deployed.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::Instant;
use shared::domain::instant::Span;

use crate::clock::{self, LocalClock};
use crate::mappings::Mappings;
use crate::reply::reply;
use crate::stack::Stack;
use crate::{stripe, tables};

/// The furthest move of the clock at once: a hundred years.
const MAX_S: i64 = 100 * 365 * 86_400;

/// Answers a request whose path begins with `/_local/`. It requires JSON, which no form on another
/// site's page can send.
pub fn answer(clock: &LocalClock, request: &Request) -> Response<Body> {
    let is_json = is_json(request);
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/_local/clock") => reply(200, &json!({ "now": clock.now() })),
        ("POST", _) if !is_json => {
            reply(415, &json!({ "detail": "the content type must be application/json" }))
        }
        ("POST", "/_local/clock") => match moved(clock, request.body()) {
            Ok(now) => {
                clock.set(now);
                reply(200, &json!({ "now": now }))
            }
            Err(detail) => reply(400, &json!({ "detail": detail })),
        },
        _ => reply(404, &json!({ "detail": "no such route" })),
    }
}

/// Describes this stack to a command in another process: the offset of its clock from the system's,
/// the names of its tables, whether it has a Stripe, the key of it, whether it announces debits, and
/// a service key with the secret that seals others. Tables: null if they are at another address;
/// Stripe's key: null if the stack uses the real Stripe, or has none.
pub fn stack(stack: &Stack) -> Response<Body> {
    let names = tables::names();
    let tables = json!({ "accounts": names.accounts, "ledger": names.ledger });
    let tables = stack.table.as_ref().map(|_| tables);
    let key = stack.stripe.as_ref().map(|_| stripe::KEY);
    let offset_ms = stack.clock.offset_ms();
    let sells = stack.functions.context().config.sells;
    reply(
        200,
        &json!({
            "clock_offset_ms": offset_ms, "tables": tables, "sells": sells, "stripe_key": key,
            "announces_debits": stack.mappings.announces_debits(),
            "service_key": stack.key.as_ref().map(|key| &key.token),
            "service_secret": stack.key.as_ref().map(|key| &key.secret),
        }),
    )
}

/// `?after=n`: the events after number n, each with its number.
pub fn events(mappings: &Mappings, request: &Request) -> Response<Body> {
    let after = match request.uri().query() {
        None => Some(0),
        Some(query) => query.strip_prefix("after=").and_then(|number| number.parse().ok()),
    };
    match after {
        Some(after) => reply(200, &json!({ "events": mappings.exchange().events(after) })),
        None => reply(400, &json!({ "detail": "after: a number" })),
    }
}

/// Whether a request declares a JSON body.
pub fn is_json(request: &Request) -> bool {
    let kind = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// `{"advance_s": n}` or `{"now": "..."}`.
fn moved(clock: &LocalClock, body: &[u8]) -> Result<Instant, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON")?;
    let fields = body.as_object().ok_or("the body is not an object")?;
    match (fields.len(), fields.get("advance_s"), fields.get("now")) {
        (1, Some(seconds), None) => {
            let seconds = seconds.as_i64().filter(|s| (0..=MAX_S).contains(s));
            let seconds = seconds.ok_or("advance_s: seconds from 0 to a hundred years")?;
            // Read once: a millisecond in between must not turn 0 s into a step back.
            let now = clock.now();
            clock::may_go(now, now + Span::from_s(seconds))
        }
        (1, None, Some(now)) => {
            let now = now.as_str().and_then(Instant::parse);
            clock::may_go(clock.now(), now.ok_or("now: a time in RFC 3339")?)
        }
        _ => Err("send either advance_s or now"),
    }
}
