//! Answers `scrip` in place of SQS, Lambda and EventBridge: dead letters, invocations, and the bus.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};

use crate::control::is_json;
use crate::mappings::Mappings;
use crate::reply::reply;

/// The path of the bus and the queues. The SDK adds a slash to an address that has a path.
const MESSAGING: [&str; 2] = ["/_local/messaging", "/_local/messaging/"];
/// The content types of EventBridge and of SQS, which a page on another site cannot send without a
/// preflight, and no preflight is answered.
const AMZ_JSON: [&str; 2] = ["application/x-amz-json-1.1", "application/x-amz-json-1.0"];

/// Answers a request of `scrip`. None: the path is another's.
pub async fn answer(mappings: &Mappings, request: &Request) -> Option<Response<Body>> {
    let path = request.uri().path();
    let method = request.method().as_str();
    if MESSAGING.contains(&path) {
        return Some(messaging(mappings, request));
    }
    match (method, path) {
        ("GET", "/_local/dead") => {
            return Some(reply(200, &json!({ "letters": mappings.dead().all() })));
        }
        ("GET", "/_local/runs") => return Some(reply(200, &json!({ "runs": mappings.runs() }))),
        ("POST", _) if is_json(request) => {}
        _ => return None,
    }
    if let Some(id) = path.strip_prefix("/_local/dead/").and_then(|id| id.strip_suffix("/drop")) {
        return Some(match mappings.dead().remove(id) {
            true => reply(200, &json!({})),
            false => reply(404, &json!({ "detail": "there is no such dead letter" })),
        });
    }
    let function = path.strip_prefix("/_local/functions/")?;
    let Ok(payload) = serde_json::from_slice::<Value>(request.body()) else {
        return Some(reply(400, &json!({ "detail": "the body is not JSON" })));
    };
    Some(match mappings.invoke(function, &payload).await {
        Ok(answer) => reply(200, &answer),
        Err(()) => reply(502, &json!({ "detail": format!("{function} failed: see the log") })),
    })
}

fn messaging(mappings: &Mappings, request: &Request) -> Response<Body> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if request.method() != "POST" {
        return reply(405, &json!({ "detail": "wants POST" }));
    }
    let kind = header("content-type").unwrap_or_default();
    if !AMZ_JSON.contains(&kind) {
        return reply(415, &json!({ "detail": format!("wants {}", AMZ_JSON[0]) }));
    }
    let target = header("x-amz-target").unwrap_or_default();
    let (status, body) = mappings.exchange().take(target, request.body());
    let response = Response::builder().status(status).header("content-type", kind);
    response.body(Body::Text(body)).expect("status and headers are valid")
}
