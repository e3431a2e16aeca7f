//! Forms and errors, as Stripe reads and writes them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

pub(super) fn error(message: &str, code: Option<&str>) -> Value {
    json!({ "error": { "type": "invalid_request_error", "code": code, "message": message } })
}
