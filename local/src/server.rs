//! The HTTP server: on loopback only, and only for requests meant for it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{DATE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;

use crate::control;
use crate::dynamodb;
use crate::operations;
use crate::reply::reply;
use crate::stack::Stack;
use crate::{start, stripe};

/// The most that is read of a body: a byte more than any route of the contract takes, so that the
/// route refuses it.
const MAX_BYTES: usize = 256 * 1024 + 1;

/// The number of ports that are tried to find a free one.
const MAX_PORTS: usize = 100;

#[derive(Clone)]
struct Served {
    stack: Stack,
    addr: SocketAddr,
}

/// Listens on `addr`.
///
/// # Errors
/// If it cannot listen. If the port is in use, the error names a free one.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, String> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(match free_beside(addr).await {
            Some(free) => format!(
                "port {} is in use (perhaps another Scrip): stop it, or start this one with \
                 --addr {free}",
                addr.port()
            ),
            None => format!("--addr {addr}: {error}"),
        }),
        Err(error) => Err(format!("--addr {addr}: {error}")),
    }
}

/// The first free port after that of `addr`.
async fn free_beside(addr: SocketAddr) -> Option<SocketAddr> {
    for port in (addr.port()..=u16::MAX).skip(1).take(MAX_PORTS) {
        let beside = SocketAddr::new(addr.ip(), port);
        if TcpListener::bind(beside).await.is_ok() {
            return Some(beside);
        }
    }
    None
}

/// Serves a stack on `listener` until the process ends.
///
/// # Errors
/// If the listener has no address, or it breaks.
pub async fn serve(listener: TcpListener, stack: Stack) -> std::io::Result<()> {
    let served = Served { stack, addr: listener.local_addr()? };
    axum::serve(listener, Router::new().fallback(answer).with_state(served)).await
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let Served { stack, addr } = served;
    if !is_meant(request.uri().path(), request.headers(), addr) {
        return (StatusCode::FORBIDDEN, "The local stack answers its own address only.\n")
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let at_tables = dynamodb::is_at(parts.uri.path());
    let most = if at_tables { dynamodb::MAX_BYTES } else { MAX_BYTES };
    let Ok(body) = to_bytes(body, most).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = lambda_http::Request::from_parts(parts, body.to_vec().into());
    let asked = stack.log.asked(&stack.functions, &request);
    let response = match start::answer(&stack, request).await {
        Ok(response) => response,
        Err(request) if request.uri().path().starts_with("/_local/") => {
            local(&stack, &request).await
        }
        Err(request) => stack.functions.answer(request).await,
    };
    stack.log.answered(asked, stack.clock.now(), &response);
    let (mut parts, body) = response.into_parts();
    // The page uses the time of the answers, which is that of the clock that can be moved.
    parts.headers.insert(DATE, stack.clock.http_date());
    Response::from_parts(parts, Body::from(body.to_vec()))
}

/// Answers the routes that only the local stack has.
async fn local(
    stack: &Stack,
    request: &lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    let path = request.uri().path();
    if dynamodb::is_at(path) {
        return dynamodb::answer(stack.table.as_ref(), request);
    }
    if path == "/_local/stack" && request.method() == "GET" {
        return control::stack(stack);
    }
    let post = request.method() == "POST" && control::is_json(request);
    if let Some(task) = path.strip_prefix("/_local/schedule/").filter(|_| post) {
        return match stack.mappings.fire(task).await {
            Some(done) => reply(200, &done),
            None => reply(404, &json!({ "detail": "there is no scheduled task of that name" })),
        };
    }
    if path == "/_local/events" && request.method() == "GET" {
        return control::events(&stack.mappings, request);
    }
    if let Some(answer) = operations::answer(&stack.mappings, request).await {
        return answer;
    }
    let Some(local) = &stack.stripe else { return control::answer(&stack.clock, request) };
    if path.starts_with(stripe::PREFIX) {
        let answer = stripe::answer(local, request);
        if request.method() != "GET" {
            local.deliver_new(&stack.functions).await;
        }
        return answer;
    }
    if path == "/_local/clock" && post {
        let answer = control::answer(&stack.clock, request);
        local.deliver_new(&stack.functions).await;
        return answer;
    }
    match path.strip_prefix("/_local/stripe/") {
        Some(name) if request.method() == "GET" => {
            let page = match name.strip_prefix("receipts/") {
                Some(charge) => stripe::page::receipt(local, charge),
                None => stripe::page::show(local, name),
            };
            page.unwrap_or_else(|| control::answer(&stack.clock, request))
        }
        Some(session) if post => {
            let pressed = stripe::page::press(local, &stack.functions, session, request).await;
            reply(pressed.0, &pressed.1)
        }
        _ => control::answer(&stack.clock, request),
    }
}

/// Whether a request is meant for the stack. There is no IAM here, so a request that a page of
/// another site makes a browser send, by another name of this address or from another origin, is
/// refused. Routes without IAM in AWS check the origin themselves: a customer's, and public files.
pub(crate) fn is_meant(path: &str, headers: &HeaderMap, addr: SocketAddr) -> bool {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = [format!("localhost:{}", addr.port()), addr.to_string()];
    let host_is_ours = header(HOST).is_some_and(|host| ours.iter().any(|our| our == host));
    let origin_is_ours = header(ORIGIN).is_none_or(|origin| {
        ours.iter().any(|our| origin.strip_prefix("http://") == Some(our.as_str()))
    });
    let public = ["/v1/me/", "/assets/", "/scrip.js"].iter().any(|part| path.starts_with(part));
    host_is_ours && (origin_is_ours || public)
}
