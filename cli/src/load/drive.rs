//! Sends the requests of a load at its rate, and ends by itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};
use shared::clock::Entropy;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pace::Pace;
use crate::api::{Api, path};
use crate::options::load::Load;

/// The credits of a debit.
pub(super) const DEBIT: &str = "0.01";
/// More credits than an account of a load ever has.
const TOO_MANY: &str = "1000000000";
/// Of this many requests one is a balance, one a refused debit and one a repeated one.
const CYCLE: u32 = 20;
/// After so many requests in a row without an answer of the API the load ends: the stack has a
/// problem, and more load does not help.
const FAILURES: u32 = 20;

/// Why a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// All of its requests are sent.
    Count,
    Time,
    /// The stack did not answer any more.
    Failures,
    /// The person at the terminal ended it.
    Interrupted,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Debit,
    /// A debit that was answered, with its key.
    Replay,
    /// A debit of more credits than the account has.
    Overdraft,
    Balance,
}

/// What is known of a request after its only attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused(String),
    /// The gateway did not take it.
    Throttled,
    Unknown,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    /// Its place among the accounts.
    pub(super) account: usize,
    /// Empty: it has none.
    pub(super) key: String,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

/// A load that ended.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) sent: Vec<Sent>,
    pub(super) ended: Ended,
    pub(super) took: Duration,
}

/// What the callers share.
struct Shared {
    api: Arc<Api>,
    accounts: Vec<String>,
    pace: Mutex<Pace>,
    end: Instant,
    failures: AtomicU32,
    ended: watch::Sender<Option<Ended>>,
    bar: ProgressBar,
}

/// Sends what `load` says to these accounts, and returns all that was sent.
pub(super) async fn drive(api: &Arc<Api>, load: &Load, accounts: Vec<String>) -> Driven {
    let began = Instant::now();
    let shared = Arc::new(Shared {
        api: api.clone(),
        accounts,
        pace: Mutex::new(Pace::new(began, load.requests(), load.rate)),
        end: began + Duration::from_secs(load.seconds.into()),
        failures: AtomicU32::new(0),
        ended: watch::Sender::new(None),
        bar: ProgressBar::new(load.requests().into()),
    });
    let mut callers = JoinSet::new();
    for _ in 0..load.callers {
        callers.spawn(caller(shared.clone()));
    }
    let mut sent = Vec::new();
    loop {
        tokio::select! {
            joined = callers.join_next() => match joined {
                Some(of_caller) => sent.extend(of_caller.expect("a caller does not panic")),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => shared.end(Ended::Interrupted),
        }
    }
    shared.bar.finish_and_clear();
    let ended = shared.ended.borrow().unwrap_or(Ended::Count);
    Driven { sent, ended, took: began.elapsed() }
}

impl Shared {
    /// Ends the load, if it goes on.
    fn end(&self, why: Ended) {
        self.ended.send_if_modified(|ended| {
            let goes_on = ended.is_none();
            ended.get_or_insert(why);
            goes_on
        });
    }

    /// Waits until the next request is due, and returns its number. None: the load has ended.
    async fn next(&self) -> Option<u32> {
        let next = self.pace.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        // None: other callers still wait to send theirs. The load has not ended.
        let (number, due) = next?;
        let mut ended = self.ended.subscribe();
        tokio::select! {
            () = tokio::time::sleep_until(due.min(self.end)) => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
        if Instant::now() >= self.end {
            self.end(Ended::Time);
        }
        self.ended.borrow().is_none().then_some(number)
    }
}

/// Sends one request after the other until the load ends.
async fn caller(shared: Arc<Shared>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    while let Some(number) = shared.next().await {
        let done = |sent: &&Sent| sent.kind == Kind::Debit && sent.outcome == Outcome::Done;
        let again = sent.iter().rfind(done).map(|sent| (sent.account, sent.key.clone()));
        let place = usize::try_from(number).unwrap_or_default() % shared.accounts.len();
        // The key is of the stack's time: an id of another is looked up first, which costs more.
        let new = || Entropy::system().mint(shared.api.clock().now()).to_string();
        let (kind, (account, key)) = match (number % CYCLE, again) {
            (17, Some(again)) => (Kind::Replay, again),
            (18, _) => (Kind::Balance, (place, String::new())),
            (19, _) => (Kind::Overdraft, (place, new())),
            _ => (Kind::Debit, (place, new())),
        };
        let began = Instant::now();
        let outcome = send(&shared, kind, &shared.accounts[account], &key).await;
        if outcome != Outcome::Unknown {
            shared.failures.store(0, Ordering::Relaxed);
        } else if shared.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            shared.end(Ended::Failures);
        }
        sent.push(Sent { kind, account, key, outcome, took: began.elapsed() });
        shared.bar.inc(1);
    }
    sent
}

/// Sends a request once.
async fn send(shared: &Shared, kind: Kind, account: &str, key: &str) -> Outcome {
    let body = json!({ "credits": if kind == Kind::Overdraft { TOO_MANY } else { DEBIT } });
    let debits = debits_of(account);
    let balance = path(&["v1", "accounts", account, "balance"]);
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let answered = match kind {
        Kind::Balance => shared.api.send("GET", &balance, &[], &[]).await,
        _ => shared.api.send("POST", &debits, &headers, body.to_string().as_bytes()).await,
    };
    let Ok(answered) = answered else { return Outcome::Unknown };
    match answered.status {
        200..=299 => Outcome::Done,
        429 => Outcome::Throttled,
        400..=499 => {
            let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
            Outcome::Refused(body["code"].as_str().unwrap_or("not_taken").to_owned())
        }
        _ => Outcome::Unknown,
    }
}

/// The path of an account's debits.
pub(super) fn debits_of(account: &str) -> String {
    path(&["v1", "accounts", account, "debits"])
}
