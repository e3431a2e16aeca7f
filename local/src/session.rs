//! Sessions of the local stack: its own keys, and a first link.

use std::fmt::Write as _;

use lambda_http::{Body, Request};
use serde_json::{Value, json};
use shared::clock::Entropy;
use shared::secrets::Secret;

use crate::routes::Functions;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Keys that no other start of the stack has: the sessions end with this one.
pub fn new_keys() -> Secret {
    Secret::fixed(new_secret())
}

/// A new secret with one key, as in Secrets Manager.
pub(crate) fn new_secret() -> String {
    let entropy = Entropy::system();
    let key = (0..8).fold(String::new(), |mut key, _| {
        let _ = write!(key, "{:016x}", entropy.below(u64::MAX));
        key
    });
    json!({ "id": "local", "key": key }).to_string()
}

/// A link for a customer of `account` who may do all that a session can, and returns to `base`.
///
/// # Errors
/// If no session is made.
pub async fn link(functions: &Functions, account: &str, base: &str) -> Result<String, Error> {
    let scopes = ["view", "buy", "limits"];
    let body = json!({ "subject": "ada", "scopes": scopes, "return_url": format!("{base}/") });
    let request = http::Request::post(format!("/v1/accounts/{account}/sessions"));
    let request: Request = request.body(Body::Text(body.to_string()))?;
    let response = functions.answer(request).await;
    let answer: Value = serde_json::from_slice(response.body())?;
    let url = answer["url"].as_str();
    Ok(url.ok_or_else(|| format!("no session for {account}: {answer}"))?.to_owned())
}
