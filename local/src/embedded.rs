//! DynamoDB inside the process: the SDK's HTTP client, answered by an embedded database.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::streams::{Streams, Target};

/// The content type of DynamoDB's requests and answers.
pub const JSON: &str = "application/x-amz-json-1.0";

/// Runs a request: takes an operation and its body, returns a status and the answer's body.
type Engine = Arc<dyn Fn(&str, &[u8]) -> (u16, String) + Send + Sync>;

/// An embedded database that answers the SDK's requests to DynamoDB.
#[derive(Clone)]
pub struct Embedded {
    engine: Engine,
    /// Dates the answers, as DynamoDB does.
    clock: Clock,
    streams: Option<Streams>,
}

impl Embedded {
    pub fn new(database: Database, clock: Clock) -> Embedded {
        Embedded::over(move |operation, body| answer(&database, operation, body), clock)
    }

    /// The same client on anything else that answers as DynamoDB does.
    pub fn over(
        engine: impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static,
        clock: Clock,
    ) -> Embedded {
        Embedded { engine: Arc::new(engine), clock, streams: None }
    }

    /// The same database, with its writes recorded in `streams`.
    pub fn streamed(self, streams: Streams) -> Embedded {
        Embedded { streams: Some(streams), ..self }
    }

    /// An HTTP client for the SDK that sends every request here.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// Answers one request, by the header `x-amz-target` and the body: status and body.
    pub fn ask(&self, target: &str, body: &[u8]) -> (u16, String) {
        let operation = target.rsplit('.').next().unwrap_or_default();
        match &self.streams {
            None => self.run(operation, body),
            Some(streams) => match targets(streams, operation, body) {
                targets if targets.is_empty() => self.run(operation, body),
                targets => streams.record(
                    targets,
                    |target| self.item(target),
                    self.clock.now(),
                    || self.run(operation, body),
                ),
            },
        }
    }

    /// The current item.
    fn item(&self, target: &Target) -> Option<Value> {
        let get = json!({ "TableName": target.table, "Key": target.key, "ConsistentRead": true });
        let (_, got) = self.run("GetItem", get.to_string().as_bytes());
        serde_json::from_str::<Value>(&got).ok()?.get("Item").cloned()
    }

    /// Runs a request without the SDK: status and body.
    pub fn run(&self, operation: &str, body: &[u8]) -> (u16, String) {
        (self.engine)(operation, body)
    }
}

/// The answer of the embedded database: status and body.
pub fn answer(db: &Database, operation: &str, body: &[u8]) -> (u16, String) {
    let result = match operation {
        "CreateTable" => run(body, |request| db.create_table(request)),
        "DescribeTable" => run(body, |request| db.describe_table(request)),
        "GetItem" => run(body, |request| db.get_item(request)),
        "PutItem" => run(body, |request| db.put_item(request)),
        "UpdateItem" => run(body, |request| db.update_item(request)),
        "Query" => run(body, |request| db.query(request)),
        "Scan" => run(body, |request| db.scan(request)),
        "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
        _ => Err(validation(&format!("the local stack does not know {operation}"))),
    };
    match result {
        Ok(body) => (200, body),
        Err(refused) => refused,
    }
}

/// The items that a request may write, of tables that have a stream.
fn targets(streams: &Streams, operation: &str, body: &[u8]) -> Vec<Target> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let of = |write: &Value| {
        let table = write["TableName"].as_str()?;
        let key = match write.get("Item") {
            Some(item) => streams.key_of(table, item)?,
            None => streams.key_of(table, write.get("Key")?)?,
        };
        Some(Target { table: table.to_owned(), key })
    };
    match operation {
        "PutItem" | "UpdateItem" => of(&body).into_iter().collect(),
        "TransactWriteItems" => {
            let parts = body["TransactItems"].as_array();
            let parts = parts.into_iter().flatten().filter_map(Value::as_object);
            parts.flat_map(|part| part.values()).filter_map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// Decodes a request, runs it and encodes its answer. An error is a refusal's status and body.
fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Result<String, (u16, String)> {
    let request = serde_json::from_slice(body).map_err(|e| validation(&e.to_string()))?;
    let answer = operation(request).map_err(|e| (e.status_code(), e.to_json()))?;
    serde_json::to_string(&answer).map_err(|e| validation(&e.to_string()))
}

fn validation(message: &str) -> (u16, String) {
    let kind = "com.amazon.coral.validate#ValidationException";
    (400, json!({ "__type": kind, "message": message }).to_string())
}

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (status, body) = self.ask(target, request.body().bytes().unwrap_or_default());
        let date = self.clock.now().utc().to_rfc2822();
        let response = http::Response::builder()
            .status(status)
            .header("content-type", JSON)
            .header("date", date)
            .body(SdkBody::from(body));
        HttpConnectorFuture::ready(response.map_err(|e| ConnectorError::user(e.into())).and_then(
            |response| HttpResponse::try_from(response).map_err(|e| ConnectorError::user(e.into())),
        ))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}
