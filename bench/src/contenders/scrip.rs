//! Scrip: its functions in this process, or its client over HTTP on loopback.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use http::{Request, Response, StatusCode};
use local::routes::Functions;
use local::{context, tables};
use scrip_client::{Error as ClientError, Options, Spend};
use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::dynamodb::Tables;
use crate::contender::{Contender, Error, Later, Outcome, Place};
use crate::meter::Meter;

/// How long the client gathers debits of one account.
const GATHERED: Duration = Duration::from_millis(5);
/// The credits of the plan `pro`, which every account is opened on.
const OF_PLAN: u64 = 2_500;
/// The largest body: more than any request of the client has.
const MAX_BYTES: usize = 1_000_000;

/// Scrip, and the way to it.
pub(super) struct Scrip {
    name: &'static str,
    functions: Functions,
    /// None: the functions are called in this process.
    client: Option<scrip_client::Scrip>,
    /// What the client calls.
    _server: Option<Server>,
    meter: Meter,
    place: Place,
}

impl Scrip {
    /// Calls the functions as Lambda does, without a gateway before them.
    pub(super) async fn in_process(tables: Tables) -> Result<Scrip, Error> {
        let config = Config { tables: tables::names(), allows_unsigned: true, ..Config::default() };
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let context = context::assemble(tables.sdk, clock.clone(), clock, entropy, config).await?;
        Ok(Scrip {
            name: "Scrip",
            functions: Functions::new(context),
            client: None,
            _server: None,
            meter: tables.meter,
            place: tables.place,
        })
    }

    /// Sends requests over HTTP by the Rust client, which gathers debits if it coalesces.
    pub(super) async fn by_client(tables: Tables, coalesces: bool) -> Result<Scrip, Error> {
        let scrip = Scrip::in_process(tables).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let options = Options::new(format!("http://{}", listener.local_addr()?));
        let options = if coalesces { options.coalesce(GATHERED) } else { options };
        let served = Router::new().fallback(answer).with_state(scrip.functions.clone());
        let server = tokio::spawn(async move { axum::serve(listener, served).await });
        let (client, server) = (Some(options.build()?), Some(Server(server.abort_handle())));
        let name =
            if coalesces { "Scrip by its client, coalescing" } else { "Scrip by its client" };
        Ok(Scrip { name, client, _server: server, ..scrip })
    }

    /// Sends a request to the functions: status and body.
    async fn ask(&self, method: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("idempotency-key", key);
        let request = request.body(lambda_http::Body::from(body.to_string()));
        let response = self.functions.answer(request.expect("a request")).await;
        let body: &[u8] = response.body();
        (response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default())
    }

    /// Asks for what nothing refuses.
    async fn must(&self, method: &str, path: &str, key: &str, body: &Value) -> Result<(), Error> {
        match self.ask(method, path, key, body).await {
            (201, _) => Ok(()),
            refused => Err(format!("{method} {path}: {refused:?}").into()),
        }
    }

    async fn opened(&self, account: &str, credits: u64) -> Result<(), Error> {
        let path = format!("/v1/accounts/{account}");
        let key = |name: &str| format!("{name} {account}");
        self.must("PUT", &path, &key("open"), &json!({ "plan": "pro" })).await?;
        let grant = json!({ "credits": credits.to_string(), "reason": "benchmark" });
        self.must("POST", &format!("{path}/grants"), &key("grant"), &grant).await?;
        // The plan's own credits are used first: what is left are those that were granted.
        let debit = json!({ "credits": OF_PLAN.to_string() });
        self.must("POST", &format!("{path}/debits"), &key("plan"), &debit).await
    }

    async fn take(&self, account: &str, id: &str, credits: u64) -> Result<Outcome, Error> {
        if let Some(client) = &self.client {
            let sent = client.debit(account, Spend::credits(credits.to_string())).key(id).await;
            return match sent {
                Ok(_) => Ok(Outcome::Done),
                Err(error) if error.is("insufficient_credits") => Ok(Outcome::Refused),
                Err(ClientError::OutcomeUnknown { .. }) => Ok(Outcome::Unknown),
                Err(error) => Err(error.into()),
            };
        }
        let path = format!("/v1/accounts/{account}/debits");
        match self.ask("POST", &path, id, &json!({ "credits": credits.to_string() })).await {
            (201, _) => Ok(Outcome::Done),
            (402, _) => Ok(Outcome::Refused),
            (503, _) => Ok(Outcome::Unknown),
            refused => Err(format!("POST {path}: {refused:?}").into()),
        }
    }

    async fn available(&self, account: &str) -> Result<i64, Error> {
        let path = format!("/v1/accounts/{account}/balance");
        let (_, balance) = self.ask("GET", &path, "none", &Value::Null).await;
        let available = balance["available"].as_str().ok_or("no balance")?;
        Ok(available.parse()?)
    }
}

async fn answer(State(functions): State<Functions>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BYTES).await else {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return refused;
    };
    let request = Request::from_parts(parts, lambda_http::Body::from(body.to_vec()));
    functions.answer(request).await.map(|body| Body::from(body.to_vec()))
}

/// The functions behind HTTP. It ends when it is dropped.
struct Server(AbortHandle);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Contender for Scrip {
    fn name(&self) -> &str {
        self.name
    }

    fn place(&self) -> Place {
        self.place
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()> {
        Box::pin(self.opened(account, credits))
    }

    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(self.take(account, id, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(self.available(account))
    }
}
