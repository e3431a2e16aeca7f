//! Lambda payloads: a request through the gateway, or a direct `lambda:Invoke`.

use lambda_http::Body;
use serde_json::value::RawValue;
use shared::command;
use shared::context::Context;
use shared::http;
use shared::http::gateway;
use shared::telemetry::correlation;

/// Answers any payload. A refusal is an answer: the invocation itself does not fail.
pub async fn answer(context: &Context, payload: &RawValue) -> Box<RawValue> {
    match gateway::request(payload) {
        Some(request) => gateway::reply(crate::handle(context, request).await),
        None if gateway::is_event(payload) => gateway::no_request(),
        None => direct(context, payload).await,
    }
}

/// Turns `{"account","id","action","quantity"}` into the receipt, or into `{"status","code",...}`.
async fn direct(context: &Context, payload: &RawValue) -> Box<RawValue> {
    let result = async {
        let (key, debit) = http::request::invocation(payload)?;
        correlation::account(&debit.account);
        let catalog = crate::catalog(context, &debit).await;
        let receipted = command::operation(context, &catalog, &key, &debit).await?;
        Ok(http::receipt::receipt(&debit.account, &key, &receipted, &catalog))
    };
    let reply = match http::answer_invocation(context, result).await.into_body() {
        Body::Text(json) => RawValue::from_string(json).ok(),
        _ => None,
    };
    reply.unwrap_or_else(|| RawValue::NULL.to_owned())
}
