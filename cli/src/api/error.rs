//! Why the API did not do what an operator asked, in the API's own words.

use serde_json::Value;

use crate::aws::AwsError;
use crate::aws::wire::Answered;

/// Why there is no answer, or another one than was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(
        "no local stack answers at {base} ({cause}): start one with `cargo run` in a clone of \
             Scrip, or give its address with --local=http://127.0.0.1:PORT"
    )]
    NoLocalStack { base: String, cause: String },
    /// The API answered that it does not do it.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// IAM, or the gateway itself, refused the request before a function had it.
    #[error(
        "the API did not take {asked}: {message} (HTTP {status}{}){}",
        .request.about(),
        advice(*status, message)
    )]
    NotTaken { asked: String, status: u16, message: String, request: RequestId },
    /// The change may or may not have been made.
    #[error(
        "the outcome is not known: {cause}. Repeat the command with --key {key}: the change is \
         made only once"
    )]
    OutcomeUnknown { key: String, cause: String },
    #[error("the API answered {asked} in an unknown form: {cause}")]
    Unreadable { asked: String, cause: String },
}

/// The id by which logs know a request. None: the answer has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestId(Option<String>);

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    title: String,
    detail: String,
    request: RequestId,
}

/// The advice about an answer of the gateway.
fn advice(status: u16, message: &str) -> &'static str {
    match status {
        _ if message.contains("expired") => "; log in again: `aws sso login`",
        403 => "; your role needs a policy that allows it: docs/operating/deploy.md, Give access",
        _ => "",
    }
}

impl RequestId {
    fn about(&self) -> String {
        self.0.as_ref().map_or(String::new(), |id| format!(", request {id}"))
    }

    fn of(answered: &Answered) -> RequestId {
        let id = answered.header("x-scrip-request").or(answered.header("apigw-requestid"));
        RequestId(id.map(str::to_owned))
    }
}

impl ApiError {
    /// The error of an answer that is no success. `asked`: method and path.
    pub(super) fn of(answered: &Answered, asked: &str) -> ApiError {
        let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let (status, request) = (answered.status, RequestId::of(answered));
        match (text("code"), text("title")) {
            (Some(code), Some(title)) => {
                let detail = text("detail").unwrap_or_default();
                let problem = Problem { status, code, title, detail, request };
                ApiError::Refused(Box::new(problem))
            }
            _ => {
                let message = text("message").or(text("Message"));
                let message = message.unwrap_or_else(|| "it gave no reason".to_owned());
                ApiError::NotTaken { asked: asked.to_owned(), status, message, request }
            }
        }
    }

    /// The code of the API's refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            ApiError::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Problem { code, title, detail, request, .. } = self;
        write!(f, "{title}: {detail} ({code}{})", request.about())
    }
}
