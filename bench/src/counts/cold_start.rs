//! A cold start: the function as Lambda starts it, under valgrind, beside a runtime API and a
//! table that it can reach.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dynoxide::Database;
use http::{HeaderMap, StatusCode};
use local::embedded::{Embedded, JSON};
use local::{context, tables};
use serde_json::Value;
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::first;
use super::valgrind::Profile;
use crate::contender::Error;

/// valgrind runs some fifty times slower.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lambda's runtime API and DynamoDB, at one address.
struct Emulator {
    table: Embedded,
    has_asked: AtomicBool,
    reply: Mutex<Option<Value>>,
    replied: Notify,
}

/// The instructions of `program` from its start until its first reply.
///
/// # Errors
/// If it, or valgrind, cannot be started, or does not reply.
pub(super) async fn instructions(program: &Path) -> Result<u64, Error> {
    let table = Embedded::new(Database::memory()?, Clock::system());
    open(&table).await?;
    let emulator = Arc::new(Emulator {
        table,
        has_asked: AtomicBool::new(false),
        reply: Mutex::default(),
        replied: Notify::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let invocation = "/2018-06-01/runtime/invocation";
    let served = Router::new()
        .route(&format!("{invocation}/next"), get(next))
        .route(&format!("{invocation}/{{id}}/response"), post(response))
        .fallback(dynamodb)
        .with_state(emulator.clone());
    let server = tokio::spawn(async move { axum::serve(listener, served).await });
    let profile = Profile::new("cold-start");
    let mut function = start(profile.command(&[], program), &address)?;
    let replied = tokio::time::timeout(PATIENCE, emulator.replied.notified()).await;
    // Asked to end, valgrind writes what it has counted. The shell has a `kill` everywhere.
    let id = function.id().to_string();
    let asked = Command::new("sh").args(["-c", "kill \"$0\"", &id]).status();
    if !asked.is_ok_and(|asked| asked.success()) {
        function.kill()?;
    }
    function.wait()?;
    server.abort();
    replied.map_err(|_| "the function does not reply to its first event")?;
    let reply = emulator.reply.lock().expect("nobody panics with the reply").take();
    match reply {
        Some(reply) if reply["statusCode"] == 201 => profile.instructions(),
        reply => Err(format!("the first debit is not done: {reply:?}").into()),
    }
}

fn start(mut valgrind: Command, address: &str) -> Result<Child, Error> {
    let names = tables::names();
    valgrind
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", address),
            ("AWS_LAMBDA_FUNCTION_NAME", "debit"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://{address}")),
            ("ACCOUNTS_TABLE", &names.accounts),
            ("LEDGER_TABLE", &names.ledger),
            ("METRICS_NAMESPACE", "scrip"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    valgrind.spawn().map_err(|error| format!("valgrind: {error}").into())
}

/// Opens the account that the event is of.
async fn open(table: &Embedded) -> Result<(), Error> {
    let sdk = context::sdk(table.client(), "http://embedded");
    let config = Config { tables: tables::names(), allows_unsigned: true, ..Config::default() };
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let context = context::assemble(sdk, clock.clone(), clock, entropy, config).await?;
    first::open(&context).await
}

/// The event, once. Then there is no more work.
async fn next(State(emulator): State<Arc<Emulator>>) -> Response {
    if emulator.has_asked.swap(true, Ordering::Relaxed) {
        return std::future::pending().await;
    }
    let deadline = Clock::system().now().ms() + 60_000;
    let headers = [
        ("lambda-runtime-aws-request-id", "first".to_owned()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:debit".into()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
    ];
    let id = Entropy::system().mint(Clock::system().now()).to_string();
    (headers, first::event(&id).to_string()).into_response()
}

async fn response(State(emulator): State<Arc<Emulator>>, reply: Bytes) -> StatusCode {
    let reply = serde_json::from_slice(&reply).ok();
    *emulator.reply.lock().expect("nobody panics with the reply") = reply;
    emulator.replied.notify_one();
    StatusCode::ACCEPTED
}

async fn dynamodb(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let (status, answer) = emulator.table.ask(target.unwrap_or_default(), &body);
    let status = StatusCode::from_u16(status).expect("a status of DynamoDB");
    (status, [("content-type", JSON)], answer).into_response()
}
