//! The account and the event of a debit that is counted.

use http::Request;
use lambda_http::Body;
use local::routes::Functions;
use serde_json::{Value, json};
use shared::context::Context;

use crate::contender::Error;

/// A debit of that account, as the gateway hands it over.
const EVENT: &str = include_str!("../../../events/debit.json");

/// Opens the account that the event is of.
///
/// # Errors
/// If it is refused.
pub async fn open(context: &Context) -> Result<(), Error> {
    let body = Body::from(json!({ "plan": "pro" }).to_string());
    let open = Request::put("/v1/accounts/acme").header("idempotency-key", "open").body(body)?;
    let opened = Functions::new(context.clone()).answer(open).await;
    match opened.status().is_success() {
        true => Ok(()),
        false => Err(format!("no account: {opened:?}").into()),
    }
}

/// The event of a debit under an id, as a service sends it: a key that is a text would take one more
/// write.
pub fn event(id: &str) -> Value {
    let mut event: Value = serde_json::from_str(EVENT).expect("a sample event");
    event["headers"]["idempotency-key"] = id.into();
    event
}
