//! A client of the HTTP API of a stack, with the caller's own AWS identity: IAM decides what the
//! caller may do, and the ledger names the caller.

mod error;

use std::time::Duration;

use aws_smithy_http_client::Connector;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use shared::clock::Clock;
use shared::context;
use shared::domain::instant::Span;
use tokio::time::Instant;

use crate::aws::wire::{self, Answered, Outgoing};
use crate::aws::{Aws, AwsError, Deployed};

pub use error::ApiError;

/// The timeout of one attempt: the gateway waits 30 s for a function.
const ATTEMPT: Duration = Duration::from_secs(32);
/// How long a read, or a dry run, is tried again.
const PATIENCE: Duration = Duration::from_secs(40);
/// The wait after the first attempt, doubled after each.
const WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most entries of a listing that one request asks for.
const LIMIT: &str = "200";
/// How long an attempt without an answer may still arrive: a refusal is final after that
/// (docs/internals/spending.md).
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// The header of the key.
const KEY: &str = "idempotency-key";

/// The bytes of a path or a query that are encoded: all but those that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The API of one stack.
#[derive(Debug)]
pub struct Api {
    /// Its address, without a `/` at the end.
    base: String,
    /// Where a customer's page may lead back to.
    home: String,
    caller: Caller,
    /// The stack's clock: that of a local stack may have been moved.
    clock: Clock,
}

/// How requests are sent.
#[derive(Debug)]
enum Caller {
    /// To the local stack, which checks no signature.
    Local(Box<Connector>),
    /// Signed for IAM.
    Signed(Box<Aws>),
}

/// A request of an operator.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub method: &'a str,
    /// From `/v1` on, encoded by [`path`].
    pub path: &'a str,
    pub body: &'a Value,
}

/// A query: names and values, not encoded. A value that is None is left out.
pub type Query<'a> = [(&'a str, Option<String>)];

/// A path of the API: each part is encoded.
pub fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", utf8_percent_encode(part, RESERVED))).collect()
}

impl Api {
    /// The API of the running local stack at `origin`.
    ///
    /// # Errors
    /// [`ApiError::NoLocalStack`].
    pub async fn local(origin: String) -> Result<Api, ApiError> {
        let caller = Caller::Local(Box::new(context::https_connector()));
        let clock = Clock::system();
        let api = Api { home: format!("{origin}/"), base: origin, caller, clock };
        let said = api.send("GET", "/_local/stack", &[], &[]).await?;
        let said: Value = serde_json::from_slice(&said.body).unwrap_or_default();
        let offset = Span::from_ms(said["clock_offset_ms"].as_i64().unwrap_or_default());
        let clock = Clock::new(move || Clock::system().now() + offset);
        Ok(Api { clock, ..api })
    }

    /// The API of the deployed stack of this name, in `region` or the one that the environment
    /// names.
    ///
    /// # Errors
    /// If nobody is logged in, there is no such stack, or the caller may not describe it.
    pub async fn stack(name: &str, region: Option<String>) -> Result<Api, ApiError> {
        let aws = Aws::load(region).await?;
        let stack = Deployed::described(&aws, name).await?;
        let base = stack.output("ApiUrl")?.trim_end_matches('/').to_owned();
        let origins = stack.parameter("AllowedOrigins").unwrap_or_default();
        let first = origins.split(',').map(str::trim).find(|origin| !origin.is_empty());
        let home = format!("{}/", first.unwrap_or(&base));
        Ok(Api { base, home, caller: Caller::Signed(Box::new(aws)), clock: Clock::system() })
    }

    /// The clock of the stack.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// An address that a customer's page may lead back to: of the first origin that the stack
    /// allows.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Sends one request once, signed, and returns its answer as it is, of any status.
    /// `path_and_query` is encoded.
    ///
    /// # Errors
    /// If no answer came. The request may have arrived.
    pub async fn send(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answered, ApiError> {
        let url = &format!("{}{path_and_query}", self.base);
        let outgoing = Outgoing { method, url, headers, body };
        let sent = async {
            match &self.caller {
                Caller::Signed(aws) => aws.execute(&outgoing).await.map_err(ApiError::from),
                Caller::Local(connector) => {
                    let sent = async { wire::exchange(connector, outgoing.plain()?).await };
                    sent.await.map_err(|cause| self.unreachable(cause))
                }
            }
        };
        let late = |_| self.unreachable(format!("no answer within {} s", ATTEMPT.as_secs()));
        tokio::time::timeout(ATTEMPT, sent).await.map_err(late)?
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn get(&self, path: &str, query: &Query<'_>) -> Result<Value, ApiError> {
        let answered = self.read(path, query, &[]).await?;
        json(&answered, &format!("GET {path}"))
    }

    /// Reads a resource with these headers: the whole answer, of any type.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn read(
        &self,
        path: &str,
        query: &Query<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Answered, ApiError> {
        let target = format!("{path}{}", encoded(query));
        let (answered, _) = self.persist("GET", &target, headers, &[], PATIENCE).await;
        succeeded(answered?, &format!("GET {path}"))
    }

    /// Reads all pages of a listing. `list` names its list; `told` gets how many there are so far.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn all(
        &self,
        path: &str,
        query: &Query<'_>,
        list: &str,
        mut told: impl FnMut(usize),
    ) -> Result<Vec<Value>, ApiError> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = [query, &[("cursor", cursor)]].concat();
            let mut page = self.get(path, &page).await?;
            if let Value::Array(more) = page[list].take() {
                found.extend(more);
            }
            told(found.len());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// Sends a request that writes nothing, such as a dry run.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ask(&self, asked: &Asked<'_>, key: Option<&str>) -> Result<Value, ApiError> {
        let (answered, _) = self.post(asked, key, PATIENCE).await;
        let what = format!("{} {}", asked.method, asked.path);
        json(&succeeded(answered?, &what)?, &what)
    }

    /// Makes a change, and sends it again with the same key until its outcome is known or
    /// `patience` is over.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::OutcomeUnknown`] has the key.
    pub async fn change(
        &self,
        asked: &Asked<'_>,
        key: &str,
        patience: Duration,
    ) -> Result<Value, ApiError> {
        let unknown = |cause: &dyn std::error::Error| ApiError::OutcomeUnknown {
            key: key.to_owned(),
            cause: cause.to_string(),
        };
        let (mut answered, mut is_open) = self.post(asked, Some(key), patience).await;
        if is_open && answered.as_ref().is_ok_and(|answered| is_refusal(answered.status)) {
            tokio::time::sleep(IN_FLIGHT).await;
            let again = self.post(asked, Some(key), patience).await;
            (answered, is_open) = (again.0, true);
        }
        let answered = match answered {
            Ok(answered) => answered,
            // Nothing was sent.
            Err(error @ ApiError::Aws(AwsError::NoCredentials(_))) if !is_open => {
                return Err(error);
            }
            Err(error) => return Err(unknown(&error)),
        };
        let what = format!("{} {}", asked.method, asked.path);
        let status = answered.status;
        match succeeded(answered, &what) {
            // It is done, and what was done is not known.
            Ok(answered) => json(&answered, &what).map_err(|error| unknown(&error)),
            Err(error) if status >= 500 => Err(unknown(&error)),
            // The gateway knows nothing of an earlier attempt; a function looks for it first.
            Err(error @ ApiError::NotTaken { .. }) if is_open => Err(unknown(&error)),
            Err(error) => Err(error),
        }
    }

    async fn post(
        &self,
        asked: &Asked<'_>,
        key: Option<&str>,
        patience: Duration,
    ) -> (Result<Answered, ApiError>, bool) {
        let key = key.map(|key| (KEY, key));
        let json = ("content-type", "application/json");
        let headers: Vec<_> = [json].into_iter().chain(key).collect();
        let body = asked.body.to_string();
        self.persist(asked.method, asked.path, &headers, body.as_bytes(), patience).await
    }

    /// Sends a request again until it is answered by more than that the service is busy, or
    /// `patience` is over. With it: whether an attempt before the last may have had an effect.
    async fn persist(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        patience: Duration,
    ) -> (Result<Answered, ApiError>, bool) {
        let key = headers.iter().find(|(name, _)| *name == KEY).map(|(_, key)| *key);
        let (end, mut wait) = (Instant::now() + patience, WAIT);
        let (mut is_open, mut is_told) = (false, false);
        loop {
            let answer = self.send(method, target, headers, body).await;
            let (is_busy, asked_for) = match &answer {
                Ok(answered) => {
                    let after = answered.header("retry-after").and_then(|s| s.parse().ok());
                    let is_busy = answered.status == 429 || answered.status >= 500;
                    (is_busy, Duration::from_secs(after.unwrap_or(0)))
                }
                Err(ApiError::Aws(AwsError::NoCredentials(_))) => (false, Duration::ZERO),
                Err(_) => (true, Duration::ZERO),
            };
            let pause = wait.max(asked_for).min(LONGEST_WAIT);
            if !is_busy || Instant::now() + pause > end {
                return (answer, is_open);
            }
            if let (Some(key), false) = (key, is_told) {
                eprintln!(
                    "no answer yet: trying again. If this is interrupted, repeat it with --key \
                     {key}"
                );
                is_told = true;
            }
            is_open |= answer.as_ref().map_or(true, |answered| answered.status != 429);
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
    }

    fn unreachable(&self, cause: String) -> ApiError {
        let base = self.base.clone();
        match self.caller {
            Caller::Local(_) => ApiError::NoLocalStack { base, cause },
            Caller::Signed(_) => {
                ApiError::Aws(AwsError::Unreachable { service: "the API", endpoint: base, cause })
            }
        }
    }
}

/// The query of a listing, with the most that one page may have.
pub fn limited<'a>(query: &Query<'a>) -> Vec<(&'a str, Option<String>)> {
    [query, &[("limit", Some(LIMIT.to_owned()))]].concat()
}

fn encoded(query: &Query<'_>) -> String {
    let sent = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs = sent.map(|(name, value)| {
        let encode = |text| utf8_percent_encode(text, RESERVED);
        format!("{}={}", encode(name), encode(value))
    });
    let pairs = pairs.collect::<Vec<_>>().join("&");
    if pairs.is_empty() { pairs } else { format!("?{pairs}") }
}

/// Whether the answer says that nothing happened. Of 429 the gateway alone says so.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 429
}

fn succeeded(answered: Answered, asked: &str) -> Result<Answered, ApiError> {
    match answered.status {
        200..=299 => Ok(answered),
        _ => Err(ApiError::of(&answered, asked)),
    }
}

fn json(answered: &Answered, asked: &str) -> Result<Value, ApiError> {
    serde_json::from_slice(&answered.body).map_err(|error| {
        let (asked, cause) = (asked.to_owned(), error.to_string());
        ApiError::Unreadable { asked, cause }
    })
}
