//! The client: it sends each operation until its outcome is known, under one key.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

/// The most tries of an operation; with the waits in between, they take 3 s and the time of the
/// answers, and longer where an answer asks for it.
const TRIES: u32 = 6;
/// The wait after the first try, doubled after each; longer if the answer asks for it,
const WAIT: Duration = Duration::from_millis(100);
/// but no more than this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The way to Scrip: over HTTPS and signed for IAM, or as a call in the same process.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Sends one request, once. The path is `/v1/...`: the transport knows the host.
    ///
    /// # Errors
    /// If there is no whole answer. The client then sends the request again, with the same key.
    fn send(
        &self,
        request: http::Request<String>,
    ) -> impl Future<Output = Result<http::Response<String>, TransportError>> + Send;
}

/// Why there is no answer.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// A client of one Scrip stack.
#[derive(Clone)]
pub struct Client<T> {
    transport: T,
    ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer of the contract: `insufficient_credits`, `account_frozen`, `hold_ended`, ...
    #[error("{code}: {detail}")]
    Refused {
        status: u16,
        code: String,
        detail: String,
        /// The whole answer: how much is short, and when credits come back.
        problem: serde_json::Value,
    },
    /// Every try ended without an answer that says whether the operation happened.
    #[error("the outcome is unknown after {tries} tries: {cause}")]
    Unknown { tries: u32, cause: String },
}

impl<T: Transport> Client<T> {
    pub fn new(transport: T) -> Client<T> {
        Client::with_ids(transport, Uuid::now_v7)
    }

    /// A client that makes its operation ids with `ids`: UUIDv7, by a clock that agrees with
    /// Scrip's.
    pub fn with_ids(transport: T, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Client<T> {
        Client { transport, ids: Arc::new(ids) }
    }

    /// Sends an operation with its own key until an answer says how it ended. Leaves out null
    /// fields.
    pub(crate) async fn post(&self, path: &str, mut body: Value) -> Result<Value, Error> {
        let mut key = (self.ids)();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let mut cause = String::new();
        // Whether a try with this key ended without an answer that says how.
        let mut unknown = false;
        let mut wait = Duration::ZERO;
        for tried in 0..TRIES {
            if tried > 0 {
                tokio::time::sleep(wait).await;
            }
            wait = WAIT * (1 << tried);
            let request = http::Request::post(path)
                .header("content-type", "application/json")
                .header("idempotency-key", key.to_string())
                .body(body.to_string());
            let request = match request {
                Ok(request) => request,
                Err(error) => return Err(refused(400, &Value::Null, &error.to_string())),
            };
            cause = match self.transport.send(request).await {
                Err(error) => {
                    unknown = true;
                    error.to_string()
                }
                Ok(response) => {
                    let status = response.status();
                    wait = wait.max(retry_after(&response).min(LONGEST_WAIT));
                    let answer = serde_json::from_str(response.body()).unwrap_or(Value::Null);
                    match status.as_u16() {
                        200..300 => return Ok(answer),
                        // It may have happened or not: the same key finds out.
                        429 | 500.. => {
                            unknown = true;
                            format!("{status} {answer}")
                        }
                        // Nothing happened with this key, unless an earlier try may have. A key
                        // without a time gets the time of Scrip's clock.
                        400 if answer["code"] == "key_ahead" => {
                            if !unknown {
                                key = Uuid::new_v4();
                            }
                            format!("{status} {answer}")
                        }
                        other => return Err(refused(other, &answer, response.body())),
                    }
                }
            };
        }
        Err(Error::Unknown { tries: TRIES, cause })
    }
}

/// The wait that Scrip asks for.
fn retry_after(response: &http::Response<String>) -> Duration {
    let header = response.headers().get(http::header::RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

fn refused(status: u16, problem: &Value, otherwise: &str) -> Error {
    let text = |field: &str| problem[field].as_str();
    Error::Refused {
        status,
        code: text("code").unwrap_or("invalid_request").to_owned(),
        detail: text("detail").unwrap_or(otherwise).to_owned(),
        problem: problem.clone(),
    }
}
