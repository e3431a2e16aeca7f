//! Replies: values as JSON, with a status.

use lambda_http::{Body, Response};
use serde::Serialize;

use crate::domain::Credits;

/// The balance after an entry.
#[derive(Serialize)]
pub(super) struct Balance {
    pub available: Credits,
    pub held: Credits,
}

/// A 201 for a value that can be made again.
pub(super) fn made(value: &impl Serialize) -> Response<Body> {
    created(to_json(value), false)
}

pub(super) fn created(body: String, replayed: bool) -> Response<Body> {
    let response = Response::builder()
        .status(201)
        .header("content-type", "application/json")
        .header("cache-control", "no-store");
    let response = match replayed {
        true => response.header("idempotent-replayed", "true"),
        false => response,
    };
    response.body(Body::Text(body)).expect("status and headers are valid")
}

/// A 200 that no cache keeps.
pub(super) fn ok(value: &impl Serialize) -> Response<Body> {
    json(to_json(value))
}

pub(super) fn json(body: String) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("cache-control", "no-store");
    response.body(Body::Text(body)).expect("status and headers are valid")
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("replies are plain values")
}
