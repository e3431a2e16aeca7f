//! The HTTP API of a deployed stack on loopback, behind API Gateway: it answers only requests that
//! are signed for it, and what a test prepared.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::signatures::verified;

/// A request that was signed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signed {
    /// For which service.
    pub(super) service: String,
    pub(super) method: String,
    /// As it was sent: path and query.
    pub(super) target: String,
    pub(super) key: Option<String>,
    pub(super) body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The next answers; without one it is the last of them again.
    pub(super) answers: VecDeque<(u16, Value)>,
    pub(super) asked: Vec<Signed>,
}

#[derive(Clone)]
pub(super) struct FakeApi {
    pub(super) base: String,
    known: Arc<Mutex<Known>>,
}

impl FakeApi {
    pub(super) async fn start(answers: &[(u16, Value)]) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let known = Known { answers: answers.iter().cloned().collect(), asked: Vec::new() };
        let fake = FakeApi { base, known: Arc::new(Mutex::new(known)) };
        let served = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, served).await });
        fake
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no one panics with the lock")
    }
}

async fn answer(State(fake): State<FakeApi>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let target = parts.uri.path_and_query().expect("a path").to_string();
    let method = parts.method.to_string();
    let uri = format!("{}{target}", fake.base);
    let Ok(service) = verified(&method, &uri, &parts.headers, &body) else {
        return said(403, &json!({ "message": "Forbidden" }));
    };
    let key = parts.headers.get("idempotency-key");
    let key = key.map(|key| key.to_str().expect("text").to_owned());
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let mut known = fake.known();
    known.asked.push(Signed { service, method, target, key, body });
    let next = match known.answers.len() {
        1 => known.answers.front().cloned(),
        _ => known.answers.pop_front(),
    };
    let (status, answer) = next.expect("an answer");
    said(status, &answer)
}

fn said(status: u16, answer: &Value) -> Response {
    let response = Response::builder().status(status).header("x-scrip-request", "req-1");
    response.body(Body::from(answer.to_string())).expect("an answer")
}
