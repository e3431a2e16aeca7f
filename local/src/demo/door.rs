//! The demo's requests: the routes as the demo's account uses them, and the outcome of each.

use lambda_http::{Body, Request, Response};
use serde_json::Value;
use shared::domain::Credits;

use super::scenes::ACCOUNT;
use super::screen::Balance;
use crate::change::{self, Tone};
use crate::routes::Functions;

pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The routes, for requests of the demo's account.
#[derive(Clone)]
pub(super) struct Door {
    pub functions: Functions,
}

/// The outcome of a request.
pub(super) struct Came {
    pub status: u16,
    pub replayed: bool,
    pub body: Value,
    /// The outcome in words.
    pub words: String,
    pub tone: Tone,
}

impl Door {
    /// Sends a request for `path` below the account.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<Came, Error> {
        let request = http::Request::builder().method(method);
        let request = request.uri(format!("/v1/accounts/{ACCOUNT}{path}"));
        let request = request.header("idempotency-key", key);
        self.ask(request.body(Body::from(body))?).await
    }

    /// Reads a route below the account.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Error> {
        let request = http::Request::get(format!("/v1/accounts/{ACCOUNT}{path}"));
        let came = self.ask(request.body(Body::Empty)?).await?;
        if came.status == 200 { Ok(came.body) } else { Err(came.body.to_string().into()) }
    }

    pub(super) async fn balance(&self) -> Result<Balance, Error> {
        let body = self.read("/balance").await?;
        Ok(Balance {
            available: amount(&body["available"])?,
            held: amount(&body["held"])?,
            debt: amount(&body["debt"])?,
        })
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Came, Error> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        came(&self.functions, &method, &path, &self.functions.answer(request).await)
    }
}

/// The outcome of an answer, as data and in words.
fn came(
    functions: &Functions,
    method: &str,
    path: &str,
    answer: &Response<Body>,
) -> Result<Came, Error> {
    let body: &[u8] = answer.body();
    let body: Value = serde_json::from_slice(body)?;
    let status = answer.status().as_u16();
    let replayed = answer.headers().contains_key("idempotent-replayed");
    let route = functions.route(method, path).unwrap_or(path);
    let (words, tone) = change::of(method, route, status, replayed, &body);
    Ok(Came { status, replayed, body, words, tone })
}

pub(super) fn expect(holds: bool, says: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(says().into()) }
}

/// Credits of an answer or an entry, which may be zero or negative.
pub(super) fn amount(value: &Value) -> Result<Credits, Error> {
    let text = value.as_str().ok_or_else(|| format!("not credits: {value}"))?;
    match (text, text.strip_prefix('-')) {
        ("0", _) => Ok(Credits::ZERO),
        (_, Some(positive)) => Ok(-positive.parse::<Credits>()?),
        (positive, None) => Ok(positive.parse()?),
    }
}
