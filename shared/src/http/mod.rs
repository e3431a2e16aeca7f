//! HTTP: parses requests and writes responses. Only this module picks a status.

pub mod balance;
mod charge;
mod csv;
pub mod cursor;
pub mod customer;
pub mod directory;
mod fields;
pub mod gateway;
pub mod ledger;
mod line;
mod listing;
mod object;
pub mod page;
pub mod path;
pub mod payment;
pub mod payments;
mod plan;
pub mod price;
mod problem;
pub mod reads;
pub mod receipt;
mod refused;
mod reply;
pub mod request;
mod revoke;
pub mod routes;
pub mod usage;

pub use problem::Problem;
pub use request::Call;

use lambda_http::http::HeaderValue;
use lambda_http::{Body, Response};

use crate::context::Context;
use crate::metrics::{Caller, Of};
use crate::telemetry::VERSION;

/// The headers of every answer: a browser trusts the content type, and returns over https alone.
/// Two years, as browsers ask of the sites in their preload lists. An answer says which version
/// gave it, so that a caller can tell whether a deploy changed it.
const ALWAYS: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=63072000"),
    ("scrip-version", VERSION),
];

/// Answers a request of `caller` with its handler, and counts the answer.
pub async fn answer(
    context: &Context,
    caller: Caller,
    handling: impl Future<Output = Result<Response<Body>, Problem>>,
) -> Response<Body> {
    let began = context.clock.now();
    let result = handling.await;
    if let Err(problem) = &result {
        problem.count(&context.metrics, caller);
    }
    let now = context.clock.now();
    context.metrics.emit(now, Of::Request(now - began));
    finished(result.unwrap_or_else(|problem| problem.located(&context.config).into_response()))
}

/// The answer, with the headers of every answer.
fn finished(mut answer: Response<Body>) -> Response<Body> {
    for (name, value) in ALWAYS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
