//! JSON answers of the routes that only the local stack has.

use lambda_http::{Body, Response};
use serde_json::Value;

/// An answer with this body.
pub fn reply(status: u16, body: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::Text(body.to_string())).expect("status and headers are valid")
}
