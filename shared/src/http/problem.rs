//! Problems: refusals and errors over HTTP (RFC 9457). Refusals are in `refused`.

use lambda_http::{Body, Response};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::decide::{Fault, MAX_WAIT_AHEAD};
use crate::domain::Refusal;
use crate::failure::Failure;
use crate::metrics::{Caller, Metric, Metrics};
use crate::secrets::SecretError;
use crate::service_key::KeysUnread;
use crate::store::StoreError;
use crate::stripe::StripeError;
use crate::stripe::signature::SignatureError;

/// The code of an unknown outcome: the request may or may not have taken effect.
const UNKNOWN: &str = "outcome_unknown";

/// The code of a webhook that Stripe did not sign.
const SIGNATURE_INVALID: &str = "signature_invalid";

/// `application/problem+json` with a stable `code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: String,
    /// Further fields for the reader, by name.
    more: Vec<(&'static str, Value)>,
    retry_after_s: Option<u32>,
    /// The methods of the path, for `Allow`.
    allowed: Option<&'static str>,
    /// Whether buying credits would help.
    tops_up: bool,
}

impl Problem {
    pub(super) fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: String,
    ) -> Problem {
        let (more, retry_after_s, allowed, tops_up) = (Vec::new(), None, None, false);
        Problem { status, code, title, detail, more, retry_after_s, allowed, tops_up }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl serde::Serialize) -> Problem {
        let value = serde_json::to_value(value).expect("values of problems are plain");
        self.more.push((name, value));
        self
    }

    /// The same, marked as one that buying credits would help.
    pub(super) fn topped_up(self) -> Problem {
        Problem { tops_up: true, ..self }
    }

    /// No route has this path and method.
    pub fn no_route() -> Problem {
        let detail = "No route has this path and method.".to_owned();
        Problem::new(404, "not_found", "Not found", detail)
    }

    /// If a customer's session is missing or over: the page the customer came from, if it is known.
    pub fn no_session(&self) -> Option<Option<&str>> {
        let back = self.more.iter().find(|(name, _)| *name == "return_url");
        (self.code == Refusal::SessionRequired { return_url: None }.code())
            .then(|| back.and_then(|(_, url)| url.as_str()))
    }

    /// The path has routes for other methods only: `Allow` names them.
    pub(super) fn method_not_allowed(allowed: &'static str) -> Problem {
        let detail = format!("This path supports only {allowed}.");
        let problem = Problem::new(405, "method_not_allowed", "Method not allowed", detail);
        Problem { allowed: Some(allowed), ..problem }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn count(&self, metrics: &Metrics, caller: Caller) {
        match self.status {
            _ if self.code == UNKNOWN => metrics.add(Metric::Unknowns, 1),
            500.. => metrics.add(Metric::Failures, 1),
            _ => metrics.refused(caller, self.code),
        }
        match self.code {
            SIGNATURE_INVALID => metrics.add(Metric::SignaturesRefused, 1),
            code if code == Refusal::OriginRefused { origin: None }.code() => {
                metrics.add(Metric::OriginsRefused, 1);
            }
            _ => {}
        }
    }

    /// A browser prefetches a page that nobody has opened yet: it returns when somebody does.
    pub fn ahead() -> Problem {
        let detail = "A prefetch cannot open this link. Follow the link to open it.".to_owned();
        Problem::new(403, "prefetch_refused", "Prefetch refused", detail)
    }

    pub fn too_large(most_bytes: usize) -> Problem {
        let detail = format!("The body is larger than {most_bytes} bytes.");
        Problem::new(413, "body_too_large", "Body too large", detail)
    }

    /// A webhook that was not signed by Stripe, or not recently.
    pub fn signature(error: SignatureError) -> Problem {
        tracing::warn!(%error, "a webhook is refused");
        let detail = format!("The Stripe-Signature header is invalid: {error}.");
        Problem::new(400, SIGNATURE_INVALID, "Signature invalid", detail)
    }

    /// A secret that cannot be read now.
    pub fn secret(error: SecretError) -> Problem {
        tracing::error!(error = %chain(&error), "a secret cannot be read");
        let detail = "The service cannot read a secret. Send the request again.".to_owned();
        let problem = Problem::new(503, "unavailable", "Unavailable", detail);
        Problem { retry_after_s: Some(5), ..problem }
    }

    /// A service key that may be valid, and that nobody can check now. Not a refusal: a caller that
    /// is told that its key is wrong does not send it again.
    fn keys_unread(error: &KeysUnread) -> Problem {
        tracing::error!(error = %chain(error), "service keys cannot be checked");
        let detail = "The service cannot check service keys. Send the request again.".to_owned();
        let problem = Problem::new(503, "unavailable", "Unavailable", detail);
        Problem { retry_after_s: Some(5), ..problem }
    }

    /// As many events wait for an operator as are kept: Stripe keeps this one, and sends it again.
    pub fn too_many_parked() -> Problem {
        let detail =
            "Too many payments are waiting for an operator. Send the event again.".to_owned();
        let problem = Problem::new(503, "unavailable", "Unavailable", detail);
        Problem { retry_after_s: Some(600), ..problem }
    }

    /// A subscription of an account that is not opened yet: Stripe sends the event again.
    pub fn unclaimed() -> Problem {
        let detail = "There is no account for this subscription yet. Send the event again.";
        let problem = Problem::new(503, "unavailable", "Unavailable", detail.to_owned());
        Problem { retry_after_s: Some(60), ..problem }
    }

    /// Stripe did not begin the checkout. The order is kept: a retry with the same key resumes it.
    pub fn stripe(error: &StripeError) -> Problem {
        match error {
            StripeError::Again(_) => {
                tracing::warn!(%error, "the outcome of a checkout is unknown");
                let detail = "The payment provider did not answer. Send the request again: the \
                              same Idempotency-Key creates only one checkout.";
                let unknown = Problem::new(503, UNKNOWN, "Outcome unknown", detail.to_owned());
                Problem { retry_after_s: Some(1), ..unknown }
            }
            StripeError::Key(_)
            | StripeError::Missing(_)
            | StripeError::Card { .. }
            | StripeError::Unreadable(_)
            | StripeError::Rejected(_) => {
                tracing::error!(%error, "a checkout was refused");
                let detail = "The payment provider refused the checkout.".to_owned();
                Problem::new(500, "internal_error", "Internal error", detail)
            }
        }
    }

    /// Adds the suggestion of what was probably meant, if there is one.
    pub(super) fn meaning(self, did_you_mean: Option<String>) -> Problem {
        match did_you_mean {
            Some(word) => self.with("did_you_mean", word),
            None => self,
        }
    }

    /// Adds the address where to buy credits, if that would help.
    pub(super) fn located(self, config: &Config) -> Problem {
        match self.tops_up {
            true => self.with("top_up_url", &config.top_up_url),
            false => self,
        }
    }

    /// The problem of a store error. Errors of ours are logged here, once.
    fn error(error: &StoreError) -> Problem {
        match error {
            StoreError::Retryable(_)
            | StoreError::Clock { .. }
            | StoreError::StillInFlight
            | StoreError::Ahead { .. }
            | StoreError::Catalog { .. }
            // The catalog that has the plan may have been published a moment ago: this function
            // will read it.
            | StoreError::Fault(Fault::NoPlan { .. })
            | StoreError::Exhausted { .. } => {
                tracing::warn!(error = %chain(error), "the outcome of a request is unknown");
                let detail = "The outcome is unknown. Send the request again: a change with the \
                              same Idempotency-Key is made only once.";
                let unknown = Problem::new(503, UNKNOWN, "Outcome unknown", detail.to_owned());
                let retry_after_s = match error {
                    // The seconds until the key is near enough to be waited for.
                    StoreError::Ahead { lead_ms } => (lead_ms - MAX_WAIT_AHEAD.ms()) / 1000 + 1,
                    _ => 1,
                };
                Problem { retry_after_s: u32::try_from(retry_after_s).ok(), ..unknown }
            }
            StoreError::Broken { later: true, .. } => {
                tracing::error!(error = %chain(error), "a request needs a later version");
                let detail = "A later version of the credits service wrote what this request \
                              needs, and this one cannot read it. Send the request again: a \
                              change with the same Idempotency-Key is made only once.";
                let unknown = Problem::new(503, UNKNOWN, "Outcome unknown", detail.to_owned());
                Problem { retry_after_s: Some(60), ..unknown }
            }
            StoreError::Rejected(_) | StoreError::Broken { .. } | StoreError::Fault(_) => {
                Problem::internal(error)
            }
        }
    }

    fn internal(error: &dyn std::error::Error) -> Problem {
        tracing::error!(error = %chain(error), "a request failed");
        let detail = "The credits service failed. It is safe to send a change again with the same \
                      Idempotency-Key: it is made only once.";
        Problem::new(500, "internal_error", "Internal error", detail.to_owned())
    }

    /// What it says: the body of its answer.
    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:scrip:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.title));
        body.insert("status".to_owned(), json!(self.status));
        body.insert("detail".to_owned(), json!(self.detail));
        body.insert("code".to_owned(), json!(self.code));
        body.extend(self.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Object(body)
    }

    pub fn into_response(self) -> Response<Body> {
        let response = Response::builder()
            .status(self.status)
            .header("content-type", "application/problem+json")
            .header("cache-control", "no-store");
        let response = match self.retry_after_s {
            Some(s) => response.header("retry-after", s),
            None => response,
        };
        let response = match self.allowed {
            Some(methods) => response.header("allow", methods),
            None => response,
        };
        response.body(Body::Text(self.body().to_string())).expect("status and headers are valid")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::error(&error)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        StoreError::Fault(fault).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::Refusal(refusal) => refusal.into(),
            Failure::Store(error) => error.into(),
            Failure::Sessions(error) => Problem::internal(&error),
            Failure::KeysUnread(error) => Problem::keys_unread(&error),
            Failure::Stripe(error) => Problem::stripe(&error),
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
