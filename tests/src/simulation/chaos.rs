//! The wire at its worst, drawn from a seed: it loses, doubles, delays, cuts and refuses requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use local::embedded::Embedded;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::clock::Clock;

use super::mutants::{self, Change, Floors, Misdeed, Mutant};
use crate::support::emulator;
use crate::support::wire::{refusal, response};

type Carried = Result<HttpResponse, ConnectorError>;

/// The faults that a request can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    LoseRequest,
    LoseReply,
    FailBefore,
    FailAfter,
    Throttle,
    Conflict,
    /// Applied, answered, and applied again later.
    Twice,
    /// Given up by the sender, and applied after that.
    Late,
    /// Applied, and answered after the sender's deadline.
    Slow,
    /// Applied, and answered with half of the answer.
    Truncate,
    /// The handler stops at this call: before it is applied, or after.
    Crash,
    /// The handler stops at this call, which is applied later.
    CrashLate,
}

const FAULTS: [Fault; 12] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::FailBefore,
    Fault::FailAfter,
    Fault::Throttle,
    Fault::Conflict,
    Fault::Twice,
    Fault::Late,
    Fault::Slow,
    Fault::Truncate,
    Fault::Crash,
    Fault::CrashLate,
];

/// The longest time that a request is under way after its sender has given it up.
const LATEST_MS: u64 = 2_000;
/// A reply this late comes after the deadline of its call.
const PAST_DEADLINE_MS: u64 = 6_000;

/// An embedded table behind a wire that fails one request in `one_in`.
#[derive(Clone)]
pub(super) struct Chaos {
    table: Embedded,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct State {
    random: StdRng,
    one_in: u32,
    calls: usize,
    faults: BTreeMap<Fault, usize>,
    mutant: Option<Mutant>,
    floors: Floors,
    /// The last answer to each read, by request: an eventually consistent read may get it again.
    read: BTreeMap<Vec<u8>, (u16, String)>,
}

/// The fault and the delays drawn for one request.
struct Draw {
    fault: Option<Fault>,
    there_ms: u64,
    back_ms: u64,
    late_ms: u64,
    coin: bool,
}

impl Chaos {
    /// A wire to a new table with the clock `clock`.
    pub(super) fn new(clock: Clock, seed: u64, mutant: Option<Mutant>) -> Chaos {
        let table = emulator::table(clock.clone());
        let state = State {
            random: StdRng::seed_from_u64(seed),
            one_in: 0,
            calls: 0,
            faults: BTreeMap::new(),
            mutant,
            floors: Floors::new(),
            read: BTreeMap::new(),
        };
        Chaos { table, clock, state: Arc::new(Mutex::new(state)) }
    }

    /// An HTTP client for the SDK that sends every request here.
    pub(super) fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// A number in an item, read past the wire.
    pub(super) fn peek(&self, table: &str, key: &str, attribute: &str) -> i64 {
        let get = serde_json::json!({ "TableName": table, "Key": { "a": { "S": key } } });
        let (_, got) = self.table.run("GetItem", get.to_string().as_bytes());
        let got: Value = serde_json::from_str(&got).expect("an answer");
        let number = got["Item"][attribute]["N"].as_str().and_then(|n| n.parse().ok());
        number.expect("a number")
    }

    /// From now on one request in `one_in` fails; 0: none.
    pub(super) fn set_rate(&self, one_in: u32) {
        self.state().one_in = one_in;
    }

    /// How many requests the wire has had so far.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    /// The faults so far, by kind.
    pub(super) fn faults(&self) -> BTreeMap<Fault, usize> {
        self.state().faults.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics with the lock")
    }

    /// Draws a fault for one request, and the delays of the request and its reply.
    fn draw(&self) -> Draw {
        let mut state = self.state();
        state.calls += 1;
        let one_in = state.one_in;
        let fails = one_in > 0 && state.random.random_ratio(1, one_in);
        let fault = fails.then(|| FAULTS[state.random.random_range(0..FAULTS.len())]);
        if let Some(fault) = fault {
            *state.faults.entry(fault).or_default() += 1;
        }
        Draw {
            fault,
            there_ms: state.random.random_range(0..4),
            back_ms: state.random.random_range(0..4),
            late_ms: state.random.random_range(1..LATEST_MS),
            coin: state.random.random_bool(0.5),
        }
    }

    async fn carry(self, mut request: HttpRequest) -> Carried {
        let mutant = self.state().mutant;
        if let Some(Change::Request(change)) = mutant.map(|mutant| mutant.change) {
            mutants::rewrite(&mut request, change);
        }
        if let Some(misdeed) = mutant.and_then(|mutant| mutant.misdeed()) {
            let now_ms = self.clock.now().ms();
            mutants::prepare(misdeed, &mut request, now_ms, &mut self.state().floors);
        }
        let draw = self.draw();
        let operation = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let copy = request.try_clone().ok_or_else(|| ConnectorError::user("a body".into()))?;
        let lost = || ConnectorError::io("the wire broke".into());
        let refuse = |status: u16, code: &str| {
            refusal(status, &format!("com.amazonaws.dynamodb.v20120810#{code}"))
        };
        match draw.fault {
            None => {
                pause(draw.there_ms).await;
                let response = self.apply(request).await;
                pause(draw.back_ms).await;
                response
            }
            Some(Fault::LoseRequest) => Err(lost()),
            Some(Fault::LoseReply) => {
                self.apply(request).await?;
                pause(draw.back_ms).await;
                Err(lost())
            }
            Some(Fault::FailBefore) => refuse(500, "InternalServerError"),
            Some(Fault::FailAfter) => {
                self.apply(request).await?;
                refuse(500, "InternalServerError")
            }
            Some(Fault::Throttle) => refuse(400, "ThrottlingException"),
            Some(Fault::Conflict) if operation.ends_with("TransactWriteItems") => {
                canceled_by_conflict()
            }
            Some(Fault::Conflict) => refuse(400, "TransactionConflictException"),
            Some(Fault::Twice) => {
                let response = self.apply(request).await?;
                // A refused request is not doubled: a connection does not double requests, and the
                // SDK's own retries are ours and watched.
                if response.status().is_success() {
                    self.later(copy, draw.late_ms);
                }
                Ok(response)
            }
            Some(Fault::Late) => {
                self.later(copy, draw.late_ms);
                Err(lost())
            }
            Some(Fault::Slow) => {
                let response = self.apply(request).await;
                pause(PAST_DEADLINE_MS).await;
                response
            }
            Some(Fault::Truncate) => {
                let whole = self.apply(request).await?;
                let text = whole.body().bytes().unwrap_or_default();
                let half = String::from_utf8_lossy(&text[..text.len() / 2]).into_owned();
                response(whole.status().as_u16(), half)
            }
            Some(Fault::Crash) => {
                if draw.coin {
                    self.apply(request).await?;
                }
                std::future::pending().await
            }
            Some(Fault::CrashLate) => {
                self.later(copy, draw.late_ms);
                std::future::pending().await
            }
        }
    }

    fn later(&self, request: HttpRequest, after_ms: u64) {
        let chaos = self.clone();
        tokio::spawn(async move {
            pause(after_ms).await;
            let _ = chaos.apply(request).await;
        });
    }

    /// The request reaches the table.
    async fn apply(&self, request: HttpRequest) -> Carried {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        if ["GetItem", "Query"].contains(&&*operation) && !is_consistent(body) {
            let body = body.to_owned();
            return self.read_anything(request, body).await;
        }
        let Some(misdeed) = self.state().mutant.and_then(|mutant| mutant.misdeed()) else {
            return self.table.call(request).await;
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let is_segment = operation == "PutItem"
            && body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("P#"));
        match misdeed {
            // The handler archives before the segment is stored; one segment in twenty never is.
            Misdeed::TrimsFirst if is_segment => {
                let (lost, after_ms) = {
                    let random = &mut self.state().random;
                    (random.random_ratio(1, 20), random.random_range(1..20))
                };
                let table = self.table.clone();
                tokio::spawn(async move {
                    pause(after_ms).await;
                    if !lost {
                        let _ = table.call(request).await;
                    }
                });
                response(200, "{}".to_owned())
            }
            // The handler takes the existing segment for its own.
            Misdeed::TrimsItsOwnCount if is_segment => {
                self.table.call(request).await?;
                response(200, "{}".to_owned())
            }
            // The handler counts what it charged in another write, which may never arrive.
            Misdeed::CountsAfter if operation == "UpdateItem" => {
                let mut body = body;
                let counts = mutants::take_counts(&mut body);
                let mut request = request;
                *request.body_mut() = body.to_string().into();
                let answer = self.table.call(request.try_clone().expect("a body")).await?;
                if let Some(counts) = counts.filter(|_| answer.status().is_success()) {
                    let (lost, after_ms) = {
                        let random = &mut self.state().random;
                        (random.random_ratio(1, 20), random.random_range(1..20))
                    };
                    let table = self.table.clone();
                    *request.body_mut() = counts.to_string().into();
                    tokio::spawn(async move {
                        pause(after_ms).await;
                        if !lost {
                            let _ = table.call(request).await;
                        }
                    });
                }
                Ok(answer)
            }
            misdeed => {
                let answer = self.table.call(request).await?;
                mutants::conceal(misdeed, &operation, &body, answer)
            }
        }
    }

    /// An eventually consistent read: it sees the table as it is, or as it was at the last one.
    async fn read_anything(&self, request: HttpRequest, asked: Vec<u8>) -> Carried {
        let now = self.table.call(request).await?;
        let text = String::from_utf8_lossy(now.body().bytes().unwrap_or_default()).into_owned();
        let mut state = self.state();
        let stale = state.random.random_ratio(1, 3);
        let before = state.read.insert(asked, (now.status().as_u16(), text));
        match before.filter(|_| stale) {
            Some((status, text)) => response(status, text),
            None => Ok(now),
        }
    }
}

fn is_consistent(body: &[u8]) -> bool {
    const ASKED: &[u8] = b"\"ConsistentRead\":true";
    body.windows(ASKED.len()).any(|part| part == ASKED)
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn canceled_by_conflict() -> Carried {
    let reason = serde_json::json!({ "Code": "TransactionConflict", "Message": "conflict" });
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled [TransactionConflict, TransactionConflict]",
        "CancellationReasons": [reason, reason],
    });
    response(400, body.to_string())
}

impl HttpConnector for Chaos {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chaos")
    }
}
