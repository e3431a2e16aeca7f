//! Requests to the local stack's own routes.

use std::time::Duration;

use serde_json::Value;

/// The timeout of a request: an invocation takes at most a minute there.
const PATIENCE: Duration = Duration::from_secs(65);

/// Why the local stack did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("no local stack answers at {url}: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("the local stack says: {0}")]
    Refused(String),
}

/// Reads a route. `url` is its full address.
///
/// # Errors
/// [`LocalError`].
pub async fn get(url: String) -> Result<Value, LocalError> {
    ask(url, None, None).await
}

/// Sends JSON to a route: to AWS's own protocols with a `target`.
///
/// # Errors
/// [`LocalError`].
pub async fn post(
    url: String,
    target: Option<&'static str>,
    body: Value,
) -> Result<Value, LocalError> {
    ask(url, target, Some(body)).await
}

async fn ask(
    url: String,
    target: Option<&'static str>,
    body: Option<Value>,
) -> Result<Value, LocalError> {
    let unreachable = |cause: String| LocalError::Unreachable { url: url.clone(), cause };
    let asked = url.clone();
    let sent = tokio::task::spawn_blocking(move || send(&asked, target, body)).await;
    let sent = sent.map_err(|error| unreachable(error.to_string()))?;
    let (status, text) = sent.map_err(|error| unreachable(error.to_string()))?;
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    match status {
        200..=299 => Ok(answer),
        _ => {
            let detail = answer["detail"].as_str().or(answer["message"].as_str());
            Err(LocalError::Refused(detail.map_or(format!("HTTP {status}"), str::to_owned)))
        }
    }
}

fn send(
    url: &str,
    target: Option<&'static str>,
    body: Option<Value>,
) -> Result<(u16, String), ureq::Error> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
    let agent = ureq::Agent::from(agent.http_status_as_error(false).build());
    let mut answer = match (body, target) {
        (None, _) => agent.get(url).call()?,
        (Some(body), None) => {
            agent.post(url).header("content-type", "application/json").send(body.to_string())?
        }
        (Some(body), Some(target)) => agent
            .post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .send(body.to_string())?,
    };
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}
