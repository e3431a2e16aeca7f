//! Answers the Stripe client library as Stripe does.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as Asked, State};
use axum::response::Response as Answer;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::Instant;
use tokio::net::TcpListener;

use super::effect::Effect;
use super::known::KEY;
use super::local_stripe::LocalStripe;
use super::memory::Memory;
use super::wire::{Form, Reply, error, form, missing, place};
use super::{act, checkout, customer, endpoints, idempotency, intent, objects, portal, tax};
use crate::clock;

/// The path of the local Stripe on the stack's own address.
pub const PREFIX: &str = "/_local/stripe/v1/";

/// Answers a request of the client library.
pub fn answer(stripe: &LocalStripe, request: &Request) -> Response<Body> {
    let key = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let (status, body) = match key == Some(&format!("Bearer {KEY}")) {
        true => route(stripe, request),
        false => (401, error("Invalid API Key provided.", None)),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("date", clock::http_date(stripe.now()));
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

fn route(stripe: &LocalStripe, request: &Request) -> Reply {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    match request.method().as_str() {
        "GET" => {
            let query = form(request.uri().query().unwrap_or_default().as_bytes());
            stripe.read(|memory| get(memory, path, &query))
        }
        method => {
            let (form, now) = (form(request.body()), stripe.now());
            let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
            let answer = stripe.change(|memory| {
                let made = idempotency::once(memory, key, path, &form, now, |memory| {
                    change(memory, method, path, &form, now)
                });
                let is_lost = std::mem::take(&mut memory.loses_reply);
                (!is_lost).then_some(made)
            });
            answer.unwrap_or_else(|| (500, lost()))
        }
    }
}

fn lost() -> Value {
    json!({ "error": { "type": "api_error", "message": "The answer was lost." } })
}

fn unrecognized() -> Reply {
    (404, error("Unrecognized request URL.", None))
}

fn get(memory: &Memory, path: &str, query: &Form) -> Reply {
    if let Some(all) = objects::of(memory, path) {
        return objects::list(memory, path, all, query);
    }
    match path.rsplit_once('/') {
        Some((list, id)) if list == "prices" || objects::of(memory, list).is_some() => {
            objects::get(memory, list, id, query)
        }
        _ if path == "webhook_endpoints" => endpoints::list(memory),
        _ => unrecognized(),
    }
}

fn change(memory: &mut Memory, method: &str, path: &str, form: &Form, now: Instant) -> Reply {
    let parts: Vec<&str> = path.split('/').collect();
    match (method, &parts[..]) {
        ("POST", ["checkout", "sessions"]) => checkout::create(memory, form, now),
        ("POST", ["checkout", "sessions", id, "expire"]) => expire(memory, id, now),
        ("POST", ["customers"]) => customer::create(memory, form, now),
        ("POST", ["billing_portal", "sessions"]) => portal::create(memory, form, now),
        ("POST", ["payment_intents"]) => intent::create(memory, form, now),
        ("POST", ["payment_intents", id, "cancel"]) => match place(&memory.intents, &json!(id)) {
            Some(at) => intent::cancel(memory, at, now),
            None => (404, missing("payment_intent", id)),
        },
        ("POST", ["tax", "calculations"]) => tax::calculate(memory, form),
        ("POST" | "DELETE", ["webhook_endpoints", rest @ ..]) => {
            endpoints::change(memory, method, rest.first().copied(), form)
        }
        _ => unrecognized(),
    }
}

fn expire(memory: &mut Memory, id: &str, now: Instant) -> Reply {
    match act::act(memory, id, Effect::Expire, now) {
        Ok(()) => objects::get(memory, "checkout/sessions", id, &Form::new()),
        Err(problem) => (400, error(problem, None)),
    }
}
