//! The server of the console: files from this program, and requests to the API.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::response::Builder;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;

use super::gate::{Gate, Passage};
use crate::api::Api;

/// The most that is read of a body: a byte more than the API takes, so that the API refuses it.
const MAX_BODY: usize = 64 * 1024 + 1;
/// The largest answer that is passed on: the most that a function can answer, 6 MB.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

/// The headers of a request that are passed on. What a browser adds is not the API's business.
const PASSED: [&str; 3] = ["accept", "content-type", "idempotency-key"];
/// The headers of an answer that are passed on.
const PASSED_BACK: [&str; 7] = [
    "allow",
    "content-type",
    "date",
    "idempotent-replayed",
    "retry-after",
    "scrip-version",
    "x-scrip-request",
];

/// A console: the stack that it is for, and what it lets through.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) api: Api,
    pub(super) stack: String,
    pub(super) gate: Gate,
}

/// Serves a console until the process ends.
///
/// # Errors
/// If the listener breaks.
pub(super) async fn serve(listener: TcpListener, console: Console) -> std::io::Result<()> {
    let console = Arc::new(console);
    loop {
        let (stream, _) = listener.accept().await?;
        let console = console.clone();
        let service = service_fn(move |request| {
            let console = console.clone();
            async move { Ok::<_, Infallible>(console.answer(request).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection of the browser ended");
            }
        });
    }
}

impl Console {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (asked, body) = request.into_parts();
        match self.gate.admit(&asked) {
            Ok(Passage::File(name)) => match console_page::file(name, &self.stack) {
                Some((kind, text)) => {
                    let response = Response::builder().header("content-type", kind);
                    finished(response, text.into_bytes())
                }
                None => problem(404, "console_file", "The console has no such file."),
            },
            Ok(Passage::Api) => match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => self.pass(&asked, &body.to_bytes()).await,
                Err(_) => problem(413, "console_body", "The request is too large."),
            },
            Err(denial) => problem(403, denial.code(), &denial.to_string()),
        }
    }

    /// Passes a request on, and its answer back as it is.
    async fn pass(&self, asked: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        let target = asked.uri.path_and_query().map_or(asked.uri.path(), |target| target.as_str());
        let sent = PASSED.iter().filter_map(|name| {
            let value = asked.headers.get(*name)?.to_str().ok()?;
            Some((*name, value))
        });
        let sent: Vec<_> = sent.collect();
        let answered = match self.api.send(asked.method.as_str(), target, &sent, body).await {
            Ok(answered) => answered,
            Err(error) => return problem(502, "console_unreachable", &error.to_string()),
        };
        if answered.body.len() > MAX_ANSWER {
            return problem(502, "console_unreachable", "The answer of the API is too large.");
        }
        let response = Response::builder().status(answered.status);
        let named = PASSED_BACK.iter().filter_map(|name| Some((*name, answered.header(name)?)));
        let response = named.fold(response, |response, (name, value)| response.header(name, value));
        finished(response, answered.body)
    }
}

/// An answer of the console itself, in the form of the API's problems.
fn problem(status: u16, code: &str, detail: &str) -> Response<Full<Bytes>> {
    let body = json!({ "title": "Console", "status": status, "detail": detail, "code": code });
    let response = Response::builder().status(status);
    let response = response.header("content-type", "application/problem+json");
    finished(response, body.to_string().into_bytes())
}

/// The answer with the headers that each one has.
fn finished(response: Builder, body: Vec<u8>) -> Response<Full<Bytes>> {
    let headers = console_page::HEADERS.iter();
    let response = headers.fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Full::from(body)).expect("status and headers are valid")
}
