//! Lambda payloads: a request through the gateway, or a direct `lambda:Invoke`.

use serde_json::Value;
use shared::command;
use shared::context::Context;
use shared::http;
use shared::http::gateway;
use shared::telemetry::correlation;

/// Answers any payload. A refusal is an answer: the invocation itself does not fail.
pub async fn answer(context: &Context, payload: Value) -> Value {
    // The gateway always sets `requestContext`; a service that invokes directly does not.
    if payload.get("requestContext").is_none() {
        return direct(context, &payload).await;
    }
    gateway::answer(payload, async |request| crate::handle(context, request).await).await
}

/// Turns `{"account","id","action","quantity"}` into the receipt, or into `{"status","code",...}`.
async fn direct(context: &Context, payload: &Value) -> Value {
    let result = async {
        let (key, debit) = http::request::invocation(payload)?;
        correlation::account(&debit.account);
        let catalog = crate::catalog(context, &debit).await;
        let receipted = command::operation(context, &catalog, &key, &debit).await?;
        Ok(http::receipt::receipt(&debit.account, &key, &receipted, &catalog))
    };
    let response = http::answer_invocation(context, result).await;
    let body: &[u8] = response.body();
    serde_json::from_slice(body).unwrap_or(Value::Null)
}
