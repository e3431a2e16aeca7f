//! What clients asked for and were answered, as the auditor reads it.

use chrono::DateTime;
use serde_json::Value;
use shared::decide::own_limit::LimitRequest;

use super::named::Named;
use super::rates::Call;

/// One request and its answer, as a client saw them. Times are of the simulation, in ms.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub key: String,
    pub wanted: Wanted,
    /// What it named for limits.
    pub named: Named,
    /// Whether the answer is of this operation alone, and of no other in its request.
    pub alone: bool,
    pub sent_ms: i64,
    pub answered_ms: i64,
    /// None: no answer came.
    pub answer: Option<Answered>,
}

/// The subject of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Micro-credits of a debit (less than 0) or a grant; 0 if the request moves none.
    Credits(i64),
    /// A call at its rates: what it costs depends on the version in force.
    Call(Call),
    /// A limit, in words.
    Limit(String),
}

impl Wanted {
    pub const NOTHING: Wanted = Wanted::Credits(0);

    /// A limit that is to be set or removed.
    pub fn limit(request: &LimitRequest) -> Wanted {
        let LimitRequest { of, per, at_most } = request;
        let at_most = at_most.map_or("none".to_owned(), |credits| credits.micro().to_string());
        Wanted::Limit(format!("{of} {} {at_most}", per.name()))
    }

    /// Whether it was to be spent or held.
    pub fn spends(&self) -> bool {
        match self {
            Wanted::Credits(credits) => *credits < 0,
            Wanted::Call(_) => true,
            Wanted::Limit(_) => false,
        }
    }
}

/// An answer: its status, whether it was marked as a replay, and its body.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub replayed: bool,
    pub body: Value,
}

/// The result of a check; the error says in words what is wrong with an account.
pub type Audited<T> = Result<T, String>;

pub(super) fn micro(value: &Value) -> Audited<i64> {
    let wrong = || format!("not credits: {value}");
    let text = value.as_str().ok_or_else(wrong)?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals: i64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
    Ok(sign * (whole.parse::<i64>().map_err(|_| wrong())? * 1_000_000 + decimals))
}

pub(super) fn ms(value: &Value) -> Audited<i64> {
    let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    Ok(time.ok_or_else(|| format!("not a time: {value}"))?.timestamp_millis())
}
