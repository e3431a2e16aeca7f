//! HTTP: requests to values, answers to responses. The only place that picks a status.

mod csv;
pub mod cursor;
pub mod customer;
mod fields;
pub mod ledger;
pub mod page;
pub mod payment;
mod problem;
pub mod reply;
pub mod request;
pub mod usage;

pub use problem::Problem;
pub use request::Call;

use lambda_http::{Body, Response};

/// Turns what a handler made of a request into its response.
pub fn answer(result: Result<Response<Body>, Problem>) -> Response<Body> {
    result.unwrap_or_else(Problem::into_response)
}
