//! The wire at its worst, from a seed: it loses, doubles, delays and refuses what it carries.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use local::embedded::Embedded;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::mutants::Mutant;
use crate::support::wire::refusal;

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
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
    /// The handler stops at this call: before it is applied, or after.
    Crash,
}

const FAULTS: [Fault; 9] = [
    Fault::LoseRequest,
    Fault::LoseReply,
    Fault::FailBefore,
    Fault::FailAfter,
    Fault::Throttle,
    Fault::Conflict,
    Fault::Twice,
    Fault::Late,
    Fault::Crash,
];

/// The longest that a request is on its way after its sender has given it up.
const LATEST_MS: u64 = 2_000;

/// An embedded table behind a wire that fails one request in `one_in`.
#[derive(Clone)]
pub struct Chaos {
    table: Embedded,
    state: Arc<Mutex<State>>,
}

struct State {
    random: StdRng,
    one_in: u32,
    faults: BTreeMap<Fault, usize>,
    mutant: Option<Mutant>,
}

impl Chaos {
    pub fn new(table: Embedded, seed: u64) -> Chaos {
        let random = StdRng::seed_from_u64(seed);
        let state = State { random, one_in: 0, faults: BTreeMap::new(), mutant: None };
        Chaos { table, state: Arc::new(Mutex::new(state)) }
    }

    /// An HTTP client for the SDK whose every request comes here.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// From now on one request in `one_in` fails; 0: none.
    pub fn set_rate(&self, one_in: u32) {
        self.state.lock().expect("no one panics with the lock").one_in = one_in;
    }

    /// From now on every request is the mutant's.
    pub fn mutate(&self, mutant: Option<Mutant>) {
        self.state.lock().expect("no one panics with the lock").mutant = mutant;
    }

    /// The faults so far, by kind.
    pub fn faults(&self) -> String {
        let state = self.state.lock().expect("no one panics with the lock");
        let faults = state.faults.iter().map(|(fault, count)| format!("{fault:?} {count}"));
        faults.collect::<Vec<_>>().join(", ")
    }

    /// Draws a fault for one request, and how long it and its reply are on their way.
    fn draw(&self) -> (Option<Fault>, u64, u64, bool) {
        let mut state = self.state.lock().expect("no one panics with the lock");
        let one_in = state.one_in;
        let fails = one_in > 0 && state.random.random_ratio(1, one_in);
        let fault = fails.then(|| FAULTS[state.random.random_range(0..FAULTS.len())]);
        if let Some(fault) = fault {
            *state.faults.entry(fault).or_default() += 1;
        }
        let on_its_way = match fault {
            Some(Fault::Twice | Fault::Late) => state.random.random_range(1..LATEST_MS),
            _ => state.random.random_range(0..4),
        };
        (fault, on_its_way, state.random.random_range(0..4), state.random.random_bool(0.5))
    }

    async fn carry(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mutant = self.state.lock().expect("no one panics with the lock").mutant;
        if let Some(mutant) = mutant {
            mutant.apply(&mut request);
        }
        let (fault, there_ms, back_ms, coin) = self.draw();
        let operation = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let copy = request.try_clone().ok_or_else(|| ConnectorError::user("a body".into()))?;
        let lost = || ConnectorError::io("the wire broke".into());
        let refuse = |status: u16, code: &str| {
            refusal(status, &format!("com.amazonaws.dynamodb.v20120810#{code}"))
        };
        match fault {
            None => {
                pause(there_ms).await;
                let response = self.table.call(request).await;
                pause(back_ms).await;
                response
            }
            Some(Fault::LoseRequest) => Err(lost()),
            Some(Fault::LoseReply) => {
                self.table.call(request).await?;
                pause(back_ms).await;
                Err(lost())
            }
            Some(Fault::FailBefore) => refuse(500, "InternalServerError"),
            Some(Fault::FailAfter) => {
                self.table.call(request).await?;
                refuse(500, "InternalServerError")
            }
            Some(Fault::Throttle) => refuse(400, "ThrottlingException"),
            Some(Fault::Conflict) if operation.ends_with("TransactWriteItems") => {
                canceled_by_conflict()
            }
            Some(Fault::Conflict) => refuse(400, "TransactionConflictException"),
            Some(Fault::Twice) => {
                let response = self.table.call(request).await?;
                // Of a request that was refused no second copy is made: a connection does not double
                // what it carries, and what the SDK sends again is our own doing, and watched.
                if response.status().is_success() {
                    self.later(copy, there_ms);
                }
                Ok(response)
            }
            Some(Fault::Late) => {
                self.later(copy, there_ms);
                Err(lost())
            }
            Some(Fault::Crash) => {
                if coin {
                    self.table.call(request).await?;
                }
                std::future::pending().await
            }
        }
    }

    fn later(&self, request: HttpRequest, after_ms: u64) {
        let table = self.table.clone();
        tokio::spawn(async move {
            pause(after_ms).await;
            let _ = table.call(request).await;
        });
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn canceled_by_conflict() -> Result<HttpResponse, ConnectorError> {
    let reason = serde_json::json!({ "Code": "TransactionConflict", "Message": "conflict" });
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled [TransactionConflict, TransactionConflict]",
        "CancellationReasons": [reason, reason],
    });
    crate::support::wire::response(400, body.to_string())
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
