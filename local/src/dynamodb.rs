//! DynamoDB's protocol at the stack's own address: commands in another process reach the tables,
//! and the streams record their writes like all others.

use lambda_http::{Body, Request, Response};
use serde_json::json;

use crate::embedded::{Embedded, JSON};
use crate::reply::reply;

/// The largest body: DynamoDB takes no more in one request.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Whether a path is this protocol's. The SDK adds a slash to an address that has a path.
pub fn is_at(path: &str) -> bool {
    matches!(path, "/_local/dynamodb" | "/_local/dynamodb/")
}

/// Answers a request for the tables. It requires DynamoDB's own content type and target, which a
/// page on another site cannot send without a preflight, and no preflight is answered. `table`:
/// None if the tables are at another address.
pub fn answer(table: Option<&Embedded>, request: &Request) -> Response<Body> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if request.method() != "POST" {
        return reply(405, &json!({ "detail": "wants POST" }));
    }
    if header("content-type") != Some(JSON) {
        return reply(415, &json!({ "detail": format!("wants {JSON}") }));
    }
    let Some(target) = header("x-amz-target") else {
        return reply(400, &json!({ "detail": "the X-Amz-Target header is required" }));
    };
    let Some(table) = table else { return reply(404, &json!({ "detail": ELSEWHERE })) };
    let (status, body) = table.ask(target, request.body());
    let response = Response::builder().status(status).header("content-type", JSON);
    response.body(Body::Text(body)).expect("status and headers are valid")
}

/// The answer if the tables are elsewhere.
const ELSEWHERE: &str = "this stack was started with --endpoint: its tables are at that endpoint";
