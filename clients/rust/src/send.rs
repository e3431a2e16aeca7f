//! Sends a request until its outcome is known.

use std::time::Duration;

use chrono::DateTime;
use http::Method;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::connection::{Connection, Outcome, Outgoing};
use crate::error::{Error, Problem};
use crate::key::{Clock, key_ms, random};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A copy of a try may arrive for so long: then a refusal of the key is final.
const FINAL_AFTER: Duration = Duration::from_secs(5);
/// No copy of a try lives for so long: a key this far ahead can be given up.
const COPIES_GONE_MS: i64 = 120_000;

/// The key of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    /// The client made it and may make another one, once.
    pub(crate) is_own: bool,
}

/// A request, and the keys of its operations.
#[derive(Debug)]
pub(crate) struct Pending {
    method: Method,
    path: String,
    body: Option<Value>,
    /// One of an operation, those of the debits of a batch, none of what changes nothing.
    keys: Vec<Key>,
    is_batch: bool,
    /// When the latest try of these keys ended without an outcome.
    open_at: Option<Instant>,
    /// When the latest try was sent.
    sent_at: Instant,
}

impl Pending {
    /// A request that changes nothing: a GET where there is no body.
    pub(crate) fn ask(path: String, body: Option<Value>) -> Pending {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        Pending { method, ..Pending::new(path, body, Vec::new(), false) }
    }

    /// An operation, whose key is a header.
    pub(crate) fn operation(path: String, body: Map<String, Value>, key: Key) -> Pending {
        Pending::new(path, Some(Value::Object(body)), vec![key], false)
    }

    /// A batch: the keys are the ids of its debits.
    pub(crate) fn batch(path: String, mode: &str, debits: Vec<Value>, keys: Vec<Key>) -> Pending {
        let body = serde_json::json!({ "mode": mode, "debits": debits });
        Pending::new(path, Some(body), keys, true)
    }

    fn new(path: String, body: Option<Value>, keys: Vec<Key>, is_batch: bool) -> Pending {
        let (method, sent_at) = (Method::POST, Instant::now());
        Pending { method, path, body, keys, is_batch, open_at: None, sent_at }
    }

    /// The same by another method.
    pub(crate) fn by(self, method: Method) -> Pending {
        Pending { method, ..self }
    }

    /// The same, where an earlier request with these keys had no outcome.
    pub(crate) fn after(self, open_at: Option<Instant>) -> Pending {
        Pending { open_at, ..self }
    }

    /// The key of an operation as it is by now.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    fn texts(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.text.clone()).collect()
    }

    fn without_outcome(&self, cause: String) -> Error {
        match self.keys.is_empty() {
            true => Error::Unavailable(cause),
            false => Error::OutcomeUnknown { keys: self.texts(), cause },
        }
    }

    fn outgoing(&self) -> Outgoing {
        let (method, path, mut body) = (self.method.clone(), self.path.clone(), self.body.clone());
        if !self.is_batch {
            let key = self.keys.first().map(|key| key.text.clone());
            return Outgoing { method, path, body, key };
        }
        let debits = body.as_mut().and_then(|body| body["debits"].as_array_mut());
        for (debit, key) in debits.into_iter().flatten().zip(&self.keys) {
            debit["id"] = Value::String(key.text.clone());
        }
        Outgoing { method, path, body, key: None }
    }
}

/// Debits of one account, each of which stands alone.
pub(crate) struct Each {
    /// Where a batch of them goes to.
    pub(crate) path: String,
    pub(crate) debits: Vec<Value>,
    pub(crate) keys: Vec<Key>,
    /// When the latest try of any of them ended without an outcome.
    pub(crate) open_at: Option<Instant>,
}

impl Each {
    fn texts(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.text.clone()).collect()
    }

    /// Takes the keys over that a request of some of them has by now.
    fn learn(&mut self, some: &[usize], pending: &Pending) {
        for (index, key) in some.iter().zip(&pending.keys) {
            self.keys[*index] = key.clone();
        }
    }

    fn of_all(&self, error: Error) -> Error {
        match error {
            Error::OutcomeUnknown { cause, .. } => {
                Error::OutcomeUnknown { keys: self.texts(), cause }
            }
            other => other,
        }
    }
}

/// What follows a refusal.
enum Next {
    Final,
    Again(Duration),
}

pub(crate) struct Sender {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    pub(crate) attempt_timeout: Duration,
}

impl Sender {
    /// The caller's key, or a new one of the stack's time.
    pub(crate) fn key(&self, given: Option<String>) -> Key {
        let is_own = given.is_none();
        Key { text: given.unwrap_or_else(|| self.clock.mint()), is_own }
    }

    /// Sends a request, with the same keys, until an answer says how it ended, or the deadline
    /// passes.
    pub(crate) async fn send(
        &self,
        pending: &mut Pending,
        deadline: Duration,
    ) -> Result<Value, Error> {
        let until = Instant::now() + deadline;
        for tried in 0.. {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = self.attempt_timeout.min(left).max(Duration::from_millis(1));
            let outgoing = pending.outgoing();
            pending.sent_at = Instant::now();
            let outcome = self.connection.attempt(&outgoing, &self.clock, timeout).await;
            let (at, mut wait) = (Instant::now(), jittered(tried));
            let cause = match outcome {
                Outcome::Open { cause, status, retry_after } => {
                    // The gateway stopped a 429: no copy of it is on its way.
                    if status != Some(429) {
                        pending.open_at = Some(at);
                    }
                    wait = wait.max(retry_after);
                    cause
                }
                Outcome::Refused(problem) => {
                    let all: Vec<usize> = (0..pending.keys.len()).collect();
                    match self.follow(pending, &all, &problem, at, wait) {
                        Next::Final => return Err(Error::Refused(problem)),
                        Next::Again(after) => wait = after,
                    }
                    problem.to_string()
                }
                Outcome::Done(answer) => return Ok(answer),
                Outcome::NotSent(cause) if pending.open_at.is_none() => {
                    return Err(Error::NotSent(cause));
                }
                Outcome::NotSent(cause) => return Err(pending.without_outcome(cause)),
            };
            if at + wait >= until {
                return Err(pending.without_outcome(cause));
            }
            sleep(wait).await;
        }
        unreachable!("the deadline ends it")
    }

    /// Sends debits that stand alone as one batch, and those whose refusal is not final again.
    /// `settle` gets the result of each as soon as it is final, by its number. An error is of those
    /// that `settle` did not get, and says all keys.
    pub(crate) async fn send_each(
        &self,
        each: &mut Each,
        deadline: Duration,
        mut settle: impl FnMut(usize, Value),
    ) -> Result<(), Error> {
        let until = Instant::now() + deadline;
        let mut left: Vec<usize> = (0..each.keys.len()).collect();
        for tried in 0.. {
            let debits = left.iter().map(|index| each.debits[*index].clone()).collect();
            let keys = left.iter().map(|index| each.keys[*index].clone()).collect();
            let mut pending = Pending::batch(each.path.clone(), "each", debits, keys);
            pending.open_at = each.open_at;
            let time = until.saturating_duration_since(Instant::now());
            let outcome = self.send(&mut pending, time).await;
            each.open_at = pending.open_at;
            each.learn(&left, &pending);
            let answer = outcome.map_err(|error| each.of_all(error))?;
            let (at, mut wait) = (Instant::now(), Duration::ZERO);
            let mut again = Vec::new();
            let results = answer["results"].as_array().filter(|list| list.len() == left.len());
            let results = results.ok_or_else(|| Error::Unreadable(answer.to_string()))?;
            for (place, result) in results.iter().enumerate() {
                let status = result["status"].as_u64().and_then(|code| u16::try_from(code).ok());
                let problem = Problem::new(status.unwrap_or(500), result.get("problem"));
                let next = match result.get("receipt") {
                    Some(_) => Next::Final,
                    None => self.follow(&mut pending, &[place], &problem, at, jittered(tried)),
                };
                match next {
                    Next::Final => settle(left[place], result.clone()),
                    Next::Again(after) => {
                        wait = wait.max(after);
                        again.push(left[place]);
                    }
                }
            }
            each.learn(&left, &pending);
            if again.is_empty() {
                return Ok(());
            }
            left = again;
            if at + wait >= until {
                let cause = "a refusal was not final".to_owned();
                return Err(Error::OutcomeUnknown { keys: each.texts(), cause });
            }
            sleep(wait).await;
        }
        unreachable!("the deadline ends it")
    }

    /// What follows a refusal of these keys. A key that is ahead is replaced, if it may be.
    fn follow(
        &self,
        pending: &mut Pending,
        refused: &[usize],
        problem: &Problem,
        at: Instant,
        wait: Duration,
    ) -> Next {
        if problem.code == "key_ahead" {
            let server_time = problem
                .server_time
                .as_deref()
                .and_then(|time| Some(DateTime::parse_from_rfc3339(time).ok()?.timestamp_millis()));
            if let Some(server_ms) = server_time {
                self.clock.learn(server_ms);
                let keys = refused.iter().map(|index| &pending.keys[*index]);
                let own = keys.filter(|key| key.is_own).filter_map(|key| key_ms(&key.text));
                let ahead_ms = own.max().map(|ms| ms - server_ms);
                let is_free = pending.open_at.is_none();
                if ahead_ms.is_some_and(|ms| is_free || ms > COPIES_GONE_MS) {
                    for index in refused {
                        let key = &mut pending.keys[*index];
                        if key.is_own {
                            *key = Key { text: self.clock.mint(), is_own: false };
                        }
                    }
                    if refused.len() == pending.keys.len() {
                        pending.open_at = None;
                    }
                    return Next::Again(Duration::ZERO);
                }
            }
            return if pending.open_at.is_none() { Next::Final } else { Next::Again(wait) };
        }
        // Refusals that every copy of the request meets.
        let is_final =
            matches!(problem.status, 400 | 401 | 413) || problem.code == "operation_reused";
        match pending.open_at.map(|open_at| open_at + FINAL_AFTER) {
            // Judged when the request was sent: its answer may have been on its way for long.
            Some(final_at) if !is_final && pending.sent_at < final_at => {
                Next::Again(final_at.saturating_duration_since(at))
            }
            _ => Next::Final,
        }
    }
}

/// A random wait that grows, so that callers that failed together do not come back together.
fn jittered(tried: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << tried.min(8)).min(LONGEST_WAIT);
    let parts = u32::try_from(random() % 1000).unwrap_or_default();
    most / 2 + most / 2 * parts / 1000
}
