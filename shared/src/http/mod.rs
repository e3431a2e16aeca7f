//! HTTP: parses requests and writes responses. Only this module picks a status.

pub mod auto_top_up;
pub mod balance;
mod charge;
mod correlated;
mod csv;
pub mod cursor;
pub mod customer;
pub mod directory;
mod fields;
pub mod gateway;
mod identity;
pub mod ledger;
mod limit;
pub mod limits;
mod line;
mod listing;
mod naming;
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
pub mod subscription;
mod terms;
pub mod topup;
pub mod usage;

pub use problem::Problem;
pub use request::Call;

use lambda_http::http::HeaderValue;
use lambda_http::{Body, Response};

use crate::context::Context;
use crate::metrics::{Caller, Of};
use crate::telemetry::VERSION;
use crate::telemetry::correlation::{self, Correlation};

/// The headers of every answer: a browser trusts the content type, and returns over https alone.
/// Two years, as browsers ask of the sites in their preload lists. An answer says which version
/// gave it, so that a caller can tell whether a deploy changed it.
const ALWAYS: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=63072000"),
    ("scrip-version", VERSION),
];

/// The header of every answer with the id of its request, by which the logs are asked.
const REQUEST: &str = "x-scrip-request";

/// Answers a request with its handler, if its sender may send it, and counts the answer.
pub fn answer(
    context: &Context,
    call: &Call<'_>,
    handling: impl Future<Output = Result<Response<Body>, Problem>>,
) -> impl Future<Output = Response<Body>> {
    // Boxed before another future takes it in: that one would copy it.
    let handling = Box::pin(handling);
    let handling = async {
        call.admit(context).await?;
        handling.await
    };
    correlation::during(call.correlation(), counted(context, || call.caller(), handling))
}

/// Answers a direct invocation, which has no route, with its handler, and counts the answer.
pub fn answer_invocation(
    context: &Context,
    handling: impl Future<Output = Result<Response<Body>, Problem>>,
) -> impl Future<Output = Response<Body>> {
    let route = Some(routes::INVOCATION.to_owned());
    let request = correlation::request().unwrap_or_default();
    let correlation = Correlation { request, route, ..Correlation::default() };
    let handling = Box::pin(handling);
    correlation::during(correlation, counted(context, || Caller::Known, handling))
}

async fn counted(
    context: &Context,
    caller: impl FnOnce() -> Caller,
    handling: impl Future<Output = Result<Response<Body>, Problem>>,
) -> Response<Body> {
    let began = context.clock.now();
    let result = handling.await;
    let code = result.as_ref().err().map(|problem| problem.code());
    if let Err(problem) = &result {
        problem.count(&context.metrics, caller());
    }
    let answer = result.unwrap_or_else(|problem| problem.located(&context.config).into_response());
    let (now, status) = (context.clock.now(), answer.status().as_u16());
    context.metrics.emit(now, Of::Request { latency: now - began, status, code });
    finished(answer)
}

/// The answer to a request that no function has a route for.
pub fn unrouted(call: &Call<'_>) -> Response<Body> {
    finished(call.no_route().into_response())
}

/// The answer, with the headers of every answer.
fn finished(mut answer: Response<Body>) -> Response<Body> {
    for (name, value) in ALWAYS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // A test that calls a handler itself has no id.
    let request = correlation::request().filter(|request| !request.is_empty());
    if let Some(request) = request.and_then(|request| HeaderValue::try_from(request).ok()) {
        answer.headers_mut().insert(REQUEST, request);
    }
    answer
}
