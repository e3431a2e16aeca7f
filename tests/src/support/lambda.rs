//! What Lambda hands to a function and gets from it, as JSON values.

use lambda_http::{Body, Request, Response};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shared::context::Context;
use shared::http::gateway;

/// The reply of `debit` to a payload: through its entry point, not only its handler.
pub async fn invoke(context: &Context, payload: Value) -> Value {
    value(&debit::invoke::answer(context, &raw(&payload)).await)
}

/// The reply to an event of the gateway by `handle`.
pub async fn reply(event: Value, handle: impl AsyncFnOnce(Request) -> Response<Body>) -> Value {
    value(&gateway::answer(&raw(&event), handle).await)
}

/// The request of an event of the gateway.
pub fn request_of(event: &Value) -> Option<Request> {
    gateway::request(&raw(event))
}

/// A response in the form that the gateway takes.
pub fn reply_of(response: Response<Body>) -> Value {
    value(&gateway::reply(response))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("JSON")
}
