//! A wire with a gate: each request of each handler waits until a test lets it pass.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use local::embedded::Embedded;
use tests::support::wire::refusal;
use tokio::sync::{Notify, oneshot};

type Carried = Result<HttpResponse, ConnectorError>;

/// The fate of the request at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Passage {
    Whole,
    LoseRequest,
    LoseReply,
    /// The handler crashes before the request is applied.
    CrashBefore,
    /// The handler crashes, and the request is applied.
    CrashAfter,
}

/// The table, and the handlers that wait to reach it.
#[derive(Clone)]
pub(super) struct Gate {
    table: Embedded,
    state: Arc<Mutex<State>>,
    pub arrivals: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Requests pass at once: during the set-up and the audit of a case.
    open: bool,
    /// Segments are refused, so that a list becomes full.
    refuses_pages: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    handler: usize,
    request: HttpRequest,
    reply: oneshot::Sender<Carried>,
}

/// The wire of one handler.
#[derive(Clone)]
struct Wire {
    gate: Gate,
    handler: usize,
}

impl Gate {
    pub(super) fn new(table: Embedded) -> Gate {
        let state = State { open: true, ..State::default() };
        Gate { table, state: Arc::new(Mutex::new(state)), arrivals: Arc::default() }
    }

    /// An HTTP client for the SDK of this handler.
    pub(super) fn client(&self, handler: usize) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Wire { gate: self.clone(), handler });
        http_client_fn(move |_, _| connector.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics with the lock")
    }

    /// Opens or closes the gate. Waiting requests are dropped.
    pub(super) fn set_open(&self, open: bool) {
        let mut state = self.state();
        state.open = open;
        state.waiting.clear();
    }

    pub(super) fn set_refuses_pages(&self, refuses: bool) {
        self.state().refuses_pages = refuses;
    }

    /// Whether this handler has a request at the gate.
    pub(super) fn has_waiting(&self, handler: usize) -> bool {
        let state = self.state();
        state.waiting.iter().any(|at| at.handler == handler && !at.reply.is_closed())
    }

    /// Plays a handler up to a point, and lets it crash there: two points for each of its calls,
    /// before and after. Returns its calls, and its answer if it reached one.
    pub(super) async fn play<T: 'static>(
        &self,
        handler: usize,
        point: usize,
        work: impl Future<Output = T> + 'static,
    ) -> (usize, Option<T>) {
        self.set_open(false);
        let mut task = tokio::task::spawn_local(work);
        let mut calls = 0;
        let answer = loop {
            tokio::select! {
                answer = &mut task => break Some(answer.expect("no handler panics")),
                () = self.arrivals.notified() => {}
            }
            if !self.has_waiting(handler) {
                continue;
            }
            let passage = match point.checked_sub(2 * calls) {
                Some(0) => Passage::CrashBefore,
                Some(1) => Passage::CrashAfter,
                _ => Passage::Whole,
            };
            calls += 1;
            if self.pass(handler, passage).await.is_none() {
                task.abort();
                break None;
            }
        };
        self.set_open(true);
        (calls, answer)
    }

    /// Lets the request of a handler pass. Returns the
    /// answer that the handler got. None: it got none.
    pub(super) async fn pass(&self, handler: usize, passage: Passage) -> Option<Vec<u8>> {
        let place = {
            let mut state = self.state();
            state.waiting.retain(|at| !at.reply.is_closed());
            state.waiting.iter().position(|at| at.handler == handler)
        };
        let Waiting { request, reply, .. } = self.state().waiting.remove(place?);
        let applied = match passage {
            Passage::LoseRequest | Passage::CrashBefore => None,
            _ => Some(self.table.call(request).await),
        };
        let lost = || Err(ConnectorError::io("the wire broke".into()));
        let told = match passage {
            Passage::Whole => applied?,
            Passage::LoseRequest | Passage::LoseReply => lost(),
            Passage::CrashBefore | Passage::CrashAfter => return None,
        };
        let heard = match &told {
            Ok(response) => response.body().bytes().unwrap_or_default().to_owned(),
            Err(_) => b"lost".to_vec(),
        };
        let _ = reply.send(told);
        Some(heard)
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.gate.state();
        if state.open {
            let body = request.body().bytes().unwrap_or_default();
            let is_segment = String::from_utf8_lossy(body).contains(r#""s":{"S":"P#"#);
            let puts =
                request.headers().get("x-amz-target").is_some_and(|t| t.ends_with("PutItem"));
            if state.refuses_pages && puts && is_segment {
                let kind = "com.amazonaws.dynamodb.v20120810#ThrottlingException";
                return HttpConnectorFuture::ready(refusal(400, kind));
            }
            drop(state);
            return self.gate.table.call(request);
        }
        let (reply, told) = oneshot::channel();
        state.waiting.push(Waiting { handler: self.handler, request, reply });
        self.gate.arrivals.notify_one();
        HttpConnectorFuture::new(async move {
            told.await.unwrap_or_else(|_| Err(ConnectorError::io("the gate is gone".into())))
        })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
