//! Sends one request, once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::error::Problem;
use crate::key::Clock;

/// Why a request could not be signed.
pub type SignError = Box<dyn std::error::Error + Send + Sync>;

type Signing = Pin<Box<dyn Future<Output = Result<Request<String>, SignError>> + Send>>;
/// Signs a request, with the stack's time.
pub(crate) type Sign = Arc<dyn Fn(Request<String>, SystemTime) -> Signing + Send + Sync>;

/// One request, without what every request has.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) path: String,
    pub(crate) method: Method,
    pub(crate) body: Option<Value>,
    /// Is sent as `Idempotency-Key`, unless the body names its operations.
    pub(crate) key: Option<String>,
}

/// The outcome of one try.
pub(crate) enum Outcome {
    Done(Value),
    Refused(Box<Problem>),
    /// Nothing was sent, for a reason that the next try would meet too.
    NotSent(String),
    /// It may have happened or not.
    Open {
        cause: String,
        status: Option<u16>,
        retry_after: Duration,
    },
}

/// A problem of the way to Scrip, or of who asks.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The address is none of `http` or `https`.
    #[error("{0:?} is no address such as http://127.0.0.1:3000")]
    InvalidUrl(String),
    /// The key is empty, or has spaces, line ends or other signs.
    #[error("the key is empty, or has spaces, line ends or other signs")]
    InvalidKey,
}

pub(crate) struct Connection {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a slash at its end.
    url: String,
    authorization: Option<HeaderValue>,
    sign: Option<Sign>,
}

impl Connection {
    pub(crate) fn new(
        url: &str,
        key: Option<&str>,
        sign: Option<Sign>,
    ) -> Result<Connection, OptionsError> {
        let invalid = || OptionsError::InvalidUrl(url.to_owned());
        let address: http::Uri = url.parse().map_err(|_| invalid())?;
        let has_host = address.host().is_some() && address.query().is_none();
        if !matches!(address.scheme_str(), Some("http" | "https")) || !has_host {
            return Err(invalid());
        }
        // It would fail at every try.
        if key.is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(OptionsError::InvalidKey);
        }
        let authorization = key.map(|key| HeaderValue::try_from(format!("Bearer {key}")));
        let mut authorization = authorization.transpose().map_err(|_| OptionsError::InvalidKey)?;
        if let Some(authorization) = &mut authorization {
            authorization.set_sensitive(true);
        }
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| invalid())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(https);
        let url = url.trim_end_matches('/').to_owned();
        Ok(Connection { client, url, authorization, sign })
    }

    /// Sends a request, and learns the stack's time from its answer.
    pub(crate) async fn attempt(
        &self,
        outgoing: &Outgoing,
        clock: &Clock,
        timeout: Duration,
    ) -> Outcome {
        let open =
            |cause: String| Outcome::Open { cause, status: None, retry_after: Duration::ZERO };
        match tokio::time::timeout(timeout, self.exchange(outgoing, clock)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => open(error.to_string()),
            Err(_) => open(format!("no answer within {} ms", timeout.as_millis())),
        }
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        clock: &Clock,
    ) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
        let request = match self.request(outgoing) {
            Ok(request) => request,
            Err(error) => return Ok(Outcome::NotSent(error.to_string())),
        };
        let request = match &self.sign {
            Some(sign) => match sign(request, clock.now()).await {
                Ok(request) => request,
                Err(error) => return Ok(Outcome::NotSent(caused(&*error))),
            },
            None => request,
        };
        let sent = self.client.request(request.map(|body| Full::new(Bytes::from(body))));
        let (parts, body) = sent.await.map_err(|error| caused(&error))?.into_parts();
        if let Some(ms) = date_ms(&parts.headers) {
            clock.learn(ms);
        }
        let retry_after = retry_after(&parts.headers);
        let body = body.collect().await?.to_bytes();
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        Ok(judge(parts.status.as_u16(), retry_after, answer.filter(Value::is_object)))
    }

    fn request(&self, outgoing: &Outgoing) -> Result<Request<String>, http::Error> {
        let Outgoing { method, path, body, key } = outgoing;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header(ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(body.as_ref().map(Value::to_string).unwrap_or_default())
    }
}

fn judge(status: u16, retry_after: Duration, answer: Option<Value>) -> Outcome {
    match (status, answer) {
        (200..300, Some(answer)) => Outcome::Done(answer),
        (200..300 | 429 | 500.., answer) => {
            let cause = Problem::new(status, answer.as_ref()).to_string();
            Outcome::Open { cause, status: Some(status), retry_after }
        }
        // A redirect is no answer of Scrip's, and would take the key elsewhere.
        (_, answer) => Outcome::Refused(Box::new(Problem::new(status, answer.as_ref()))),
    }
}

/// An error with its causes, which say what happened.
fn caused(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn date_ms(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis())
}

/// The wait that an answer asks for.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}
