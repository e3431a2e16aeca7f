//! How a request can fail: refused, or without a known outcome.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Scrip said no. Nothing was charged, and the same request may pass later.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The operation may have happened or not: until the deadline no answer said which. Send it
    /// again with its key, and it happens once.
    #[error("whether {} happened is not known: {cause}", keys.join(", "))]
    OutcomeUnknown {
        /// The keys of a batch, in the order of its debits; of others there is one.
        keys: Vec<String>,
        /// Why the last try had no outcome.
        cause: String,
    },
    /// A request that changes nothing had no answer until the deadline.
    #[error("no answer: {0}")]
    Unavailable(String),
    /// Nothing was sent: the request could not be signed, or its key is none that a header takes.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// The answer is not of the contract.
    #[error("an answer that this client cannot read: {0}")]
    Unreadable(String),
    /// The call needs the client's option `on_unpaid`.
    #[error("this needs the client's option on_unpaid")]
    NeedsOnUnpaid,
}

impl Error {
    /// The problem, if Scrip refused.
    pub fn refused(&self) -> Option<&Problem> {
        match self {
            Error::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether Scrip refused with this code.
    pub fn is(&self, code: &str) -> bool {
        self.refused().is_some_and(|problem| problem.code == code)
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongField {
    pub field: String,
    /// The fields beside its name: what is wrong, and what was perhaps meant.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A limit that does not let a charge pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachedLimit {
    /// The subject that is limited.
    pub of: String,
    pub per: String,
    pub at_most: String,
    pub left: String,
    /// The credits that the charge, or the batch, needs of it.
    pub required: String,
    /// When its window ends; none of `ever`.
    pub resets_at: Option<String>,
}

/// The body of a refusal (RFC 9457). Decide by `code`; `title` and `detail` are for people.
///
/// The fields are there that belong to the code: `docs/reference/errors.md` lists them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub status: u16,
    /// `insufficient_credits`, ...; of an answer that is not of the contract, such as the gateway's,
    /// `http_` and its status.
    pub code: String,
    pub title: String,
    pub detail: String,
    /// The credits that the request costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<String>,
    /// Of `limit_reached`, as the next four: the subject of the limit that resets last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// When that is; absent of `ever`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
    /// Of `limit_reached`: all limits that do not let it pass, the one that resets last first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<ReachedLimit>,
    /// Of `unknown_model` and `unknown_meter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// When credits come back; absent if the plan grants no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recharges_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recharge_credits: Option<String>,
    /// Where the customer can buy credits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_up_url: Option<String>,
    /// `processing`: a pack is being bought with the customer's saved card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<String>,
    /// When it may pass: of `too_many_holds`, when the first of them lapses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// How a hold ended: `captured`, `released` or `lapsed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The stack's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time: Option<String>,
    /// What is wrong with the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<WrongField>,
    /// All other fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// The problem in an answer.
    pub(crate) fn new(status: u16, answer: Option<&Value>) -> Problem {
        let read = answer.and_then(|answer| serde_json::from_value(answer.clone()).ok());
        // An answer with fields of other kinds than the contract's keeps them all the same.
        let mut problem: Problem = read.unwrap_or_else(|| Problem {
            more: answer.and_then(Value::as_object).cloned().unwrap_or_default(),
            ..Problem::default()
        });
        problem.status = status;
        if problem.code.is_empty() {
            problem.code = format!("http_{status}");
        }
        if problem.detail.is_empty() {
            // The gateway's own answers have no code, only a message.
            let message = problem.more.get("message").and_then(Value::as_str);
            problem.detail = message.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        }
        problem
    }
}
