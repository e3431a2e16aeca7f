//! EventBridge and SQS inside the process: answers the SDKs' HTTP clients from memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::bus::Bus;
use shared::queue::Queue;

/// The most events that are kept: the oldest are dropped.
const KEPT: usize = 10_000;
/// The endpoint that the SDKs' configuration requires: everything is in the process.
const ENDPOINT: &str = "http://embedded";
/// The local stack's name of the bus, and the address of its queues.
pub const BUS: &str = "scrip";
pub const QUEUES: &str = "http://embedded/";

/// A bus and queues that remember what they were sent.
#[derive(Clone, Debug, Default)]
pub struct Messaging(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The number of events that were dropped.
    forgotten: usize,
    events: VecDeque<Value>,
    /// Messages, each with the name of its queue.
    messages: VecDeque<(String, String)>,
}

impl Messaging {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no one panics with the lock")
    }

    /// The bus through an HTTP client: `client`, or one in front of it.
    pub fn bus(client: SharedHttpClient) -> Bus {
        Bus::at(client, ENDPOINT, BUS.to_owned())
    }

    /// The queue of this name, in the same way.
    pub fn queue(client: SharedHttpClient, name: &str) -> Queue {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(ENDPOINT)
            .http_client(client)
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
        let url = format!("{QUEUES}{name}");
        Queue::new(aws_sdk_sqs::Client::from_conf(config.build()), url)
    }

    /// The queues that functions send to: parts of sweeps, parts of audits, and dead letters of
    /// the relay.
    pub fn queues(client: &SharedHttpClient) -> [Queue; 3] {
        ["Sweep", "Audits", "RelayDeadLetters"].map(|name| Messaging::queue(client.clone(), name))
    }

    /// An HTTP client for both SDKs that sends every request here.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// The events after number `after`, each with its number, as a rule's target sees them. The
    /// first event of all has number 1.
    pub fn events(&self, after: usize) -> Vec<Value> {
        let kept = self.kept();
        let numbered = kept.events.iter().enumerate();
        let numbered = numbered.map(|(place, event)| (kept.forgotten + place + 1, event));
        let later = numbered.filter(|(number, _)| *number > after);
        later.map(|(number, event)| json!({ "number": number, "event": event })).collect()
    }

    /// Takes the oldest message from its queue, with the queue's name.
    pub fn take_message(&self) -> Option<(String, String)> {
        self.kept().messages.pop_front()
    }

    /// Answers one request: status and body.
    pub fn answer(&self, request: &HttpRequest) -> (u16, String) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        self.take(target, request.body().bytes().unwrap_or_default())
    }

    /// The same for the parts of a request: its target, `AWSEvents.PutEvents`, and its body.
    pub fn take(&self, target: &str, body: &[u8]) -> (u16, String) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
        let mut kept = self.kept();
        match target.rsplit('.').next().unwrap_or_default() {
            "PutEvents" => {
                let entries = list("Entries");
                let taken = entries.iter().map(|_| json!({ "EventId": "local" }));
                let reply = json!({ "FailedEntryCount": 0, "Entries": taken.collect::<Vec<_>>() });
                for entry in entries {
                    let detail = entry["Detail"].as_str().unwrap_or_default();
                    kept.events.push_back(json!({
                        "source": entry["Source"],
                        "detail-type": entry["DetailType"],
                        "time": entry["Time"],
                        "detail": serde_json::from_str(detail).unwrap_or(Value::Null),
                    }));
                    if kept.events.len() > KEPT {
                        kept.events.pop_front();
                        kept.forgotten += 1;
                    }
                }
                (200, reply.to_string())
            }
            "SendMessageBatch" => {
                let entries = list("Entries");
                let sent = entries.iter().map(|entry| {
                    json!({ "Id": entry["Id"], "MessageId": "local", "MD5OfMessageBody": "" })
                });
                let reply = json!({ "Successful": sent.collect::<Vec<_>>(), "Failed": [] });
                let bodies = entries.iter().filter_map(|entry| entry["MessageBody"].as_str());
                let queue = body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next());
                let queue = queue.unwrap_or_default().to_owned();
                kept.messages.extend(bodies.map(|body| (queue.clone(), body.to_owned())));
                (200, reply.to_string())
            }
            // The message is handed over again at once: nobody waits here.
            "ChangeMessageVisibility" => (200, json!({}).to_string()),
            other => (400, json!({ "__type": "InvalidAction", "message": other }).to_string()),
        }
    }
}

impl HttpConnector for Messaging {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.1")
            .body(SdkBody::from(body));
        HttpConnectorFuture::ready(response.map_err(|e| ConnectorError::user(e.into())).and_then(
            |response| HttpResponse::try_from(response).map_err(|e| ConnectorError::user(e.into())),
        ))
    }
}
