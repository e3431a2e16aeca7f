//! An answer over HTTP, as a test reads it.

use lambda_http::{Body, Response};
use serde_json::Value;

use super::canary;

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn text(&self, path: &str) -> &str {
        let value = self.body.pointer(path);
        value.and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {path}: {self:?}"))
    }

    pub fn code(&self) -> &str {
        self.text("/code")
    }

    pub fn available(&self) -> &str {
        self.text("/balance/available")
    }
}

pub fn answer(response: Response<Body>) -> Answer {
    canary::look_at_answer(&response);
    let (parts, body) = response.into_parts();
    let bytes: &[u8] = &body;
    let body = match bytes {
        [] => Value::Null,
        // A body that is not JSON is a listing in CSV.
        bytes => serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned())),
    };
    let replayed = parts.headers.contains_key("idempotent-replayed");
    Answer { status: parts.status.as_u16(), replayed, headers: parts.headers, body }
}
