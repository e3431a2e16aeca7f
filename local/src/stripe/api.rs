//! Answers the Stripe client library as Stripe does.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as Asked, State};
use axum::response::Response as Answer;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::{Currency, Money};
use tokio::net::TcpListener;

use super::effect::Effect;
use super::endpoints;
use super::known::KEY;
use super::local_stripe::LocalStripe;
use super::memory::Memory;
use super::objects::{NewSession, shown};
use super::wire::{error, form};

/// The path of the local Stripe on the stack's own address.
pub const PREFIX: &str = "/_local/stripe/v1/";
/// The most objects of one list, the same as Stripe's.
const MOST: usize = 100;
/// The most types of events that one request names, the same as Stripe's.
const MAX_TYPES: usize = 20;

/// Answers a request of the client library.
pub fn answer(stripe: &LocalStripe, request: &Request) -> Response<Body> {
    let key = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let (status, body) = match key == Some(&format!("Bearer {KEY}")) {
        true => route(stripe, request),
        false => (401, error("Invalid API Key provided.", None)),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::Text(body.to_string())).expect("status and headers are valid")
}

/// Serves the local Stripe alone, at its own address.
///
/// # Errors
/// If the listener breaks.
pub async fn serve(listener: TcpListener, stripe: LocalStripe) -> std::io::Result<()> {
    async fn handle(State(stripe): State<LocalStripe>, asked: Asked) -> Answer {
        let (parts, body) = asked.into_parts();
        let body = to_bytes(body, 64 * 1024).await.unwrap_or_default();
        let request = Request::from_parts(parts, Body::Binary(body.to_vec()));
        let (parts, body) = answer(&stripe, &request).into_parts();
        Answer::from_parts(parts, axum::body::Body::from(body.to_vec()))
    }
    axum::serve(listener, Router::new().fallback(handle).with_state(stripe)).await
}

fn route(stripe: &LocalStripe, request: &Request) -> (u16, Value) {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let query = form(request.uri().query().unwrap_or_default().as_bytes());
    match (request.method().as_str(), path) {
        ("POST", "checkout/sessions") => create(stripe, request),
        ("GET", "checkout/sessions") => list(stripe, &query, path, |memory| &memory.sessions),
        ("GET", "charges") => list(stripe, &query, path, |memory| &memory.charges),
        ("GET", "refunds") => list(stripe, &query, path, |memory| &memory.refunds),
        ("GET", "disputes") => list(stripe, &query, path, |memory| &memory.disputes),
        ("GET", "events") => list(stripe, &query, path, |memory| &memory.events),
        ("GET", path) if path.starts_with("events/") => event(stripe, &path["events/".len()..]),
        ("POST", path) if path.ends_with("/expire") => expire(stripe, path),
        (method, path) => match path.strip_prefix("webhook_endpoints") {
            Some(id) => {
                let form = form(request.body());
                stripe.change(|memory| endpoints::route(memory, method, id, &form))
            }
            None => (404, error("Unrecognized request URL.", None)),
        },
    }
}

/// An event, with the number of endpoints that have not accepted it: the newest one until it has,
/// and each earlier one, as if nobody had stored its secret.
fn event(stripe: &LocalStripe, id: &str) -> (u16, Value) {
    let memory = stripe.memory.lock().expect("no one panics with the lock");
    let Some(event) = memory.events.iter().find(|event| event["id"] == id) else {
        return (404, error("No such event.", Some("resource_missing")));
    };
    let mut event = event.clone();
    let waits = |(waiting, _): &(String, u32)| waiting.contains(&format!("\"{id}\""));
    let newest = usize::from(memory.waiting.iter().any(waits));
    event["pending_webhooks"] = (newest + memory.endpoints.len().saturating_sub(1)).into();
    (200, event)
}

/// `checkout/sessions/{id}/expire`.
fn expire(stripe: &LocalStripe, path: &str) -> (u16, Value) {
    let id = path.trim_start_matches("checkout/sessions/").trim_end_matches("/expire");
    match stripe.act(id, Effect::Expire) {
        Ok(()) => (200, stripe.session(id).unwrap_or_default()),
        Err(problem) => (400, error(&problem, None)),
    }
}

/// The fields `name[...]` as an object.
fn inner(form: &BTreeMap<String, String>, name: &str) -> Value {
    let start = format!("{name}[");
    let fields = form.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(&start)?.strip_suffix(']')?.to_owned(), json!(value)))
    });
    Value::Object(fields.collect())
}

fn create(stripe: &LocalStripe, request: &Request) -> (u16, Value) {
    let form = form(request.body());
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let price = "line_items[0][price_data]";
    let minor = field(&format!("{price}[unit_amount]")).parse::<u64>();
    let currency = field(&format!("{price}[currency]")).parse::<Currency>();
    let (Ok(minor), Ok(currency), "payment") = (minor, currency, field("mode").as_str()) else {
        return (400, error("line_items and mode payment are required.", None));
    };
    if let Err(problem) = (Money { currency, minor }).chargeable() {
        return (400, error(&format!("Invalid amount: {problem}."), None));
    }
    let customer = form.get("customer").cloned();
    let new = NewSession {
        order: form.get("client_reference_id").map_or(Value::Null, |id| json!(id)),
        metadata: inner(&form, "metadata"),
        payment_metadata: inner(&form, "payment_intent_data[metadata]"),
        product: field(&format!("{price}[product_data][name]")),
        minor,
        currency: currency.to_string(),
        success_url: field("success_url"),
        cancel_url: field("cancel_url"),
        customer: json!(customer),
        customer_creation: field("customer_creation"),
        invoice: field("invoice_creation[enabled]") == "true",
    };
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let now = stripe.clock.now();
    stripe.change(|memory| {
        // The same request with this key gets the same answer. Another one with this key is
        // refused.
        let known = memory.keys.iter().find(|(known, _)| Some(known.as_str()) == key);
        if let Some((_, id)) = known {
            let session = memory.sessions.iter().find(|session| session["id"] == **id);
            return match session {
                Some(session) if session["success_url"] == new.success_url => {
                    (200, shown(session.clone()))
                }
                _ => (400, reused()),
            };
        }
        if customer.is_some_and(|customer| !memory.customers.contains(&customer)) {
            return (400, error("No such customer.", Some("resource_missing")));
        }
        let session = memory.session(new, &stripe.base, now);
        if let (Some(key), Some(id)) = (key, session["id"].as_str()) {
            memory.keys.push((key.to_owned(), id.to_owned()));
        }
        (200, session)
    })
}

fn list(
    stripe: &LocalStripe,
    query: &BTreeMap<String, String>,
    path: &str,
    of: fn(&Memory) -> &Vec<Value>,
) -> (u16, Value) {
    let seconds = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
    let created = seconds("created[gte]").unwrap_or(0)..seconds("created[lt]").unwrap_or(i64::MAX);
    let kinds: Vec<&String> =
        query.iter().filter(|(name, _)| name.starts_with("types[")).map(|(_, kind)| kind).collect();
    if kinds.len() > MAX_TYPES {
        return (400, error("Too many types.", None));
    }
    let asked = |object: &&Value| {
        let kind = |kind: &&String| object["type"] == ***kind;
        object["created"].as_i64().is_some_and(|second| created.contains(&second))
            && (kinds.is_empty() || kinds.iter().any(kind))
    };
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10).min(MOST);
    let memory = stripe.memory.lock().expect("no one panics with the lock");
    let latest_first = of(&memory).iter().rev();
    let objects: Vec<&Value> = match query.get("starting_after") {
        Some(after) if !of(&memory).iter().any(|object| object["id"] == **after) => {
            return (404, error("No such object.", Some("resource_missing")));
        }
        Some(after) => {
            let rest = latest_first.skip_while(|object| object["id"] != **after).skip(1);
            rest.filter(asked).collect()
        }
        None => latest_first.filter(asked).collect(),
    };
    let data: Vec<Value> =
        objects.iter().take(limit).map(|object| shown((*object).clone())).collect();
    let more = objects.len() > data.len();
    (200, json!({ "object": "list", "url": format!("/v1/{path}"), "has_more": more, "data": data }))
}

fn reused() -> Value {
    let message = "Keys for idempotent requests can only be used with the same parameters.";
    json!({ "error": { "type": "idempotency_error", "message": message } })
}
