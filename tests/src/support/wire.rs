//! The wire between the SDK and the table: it counts the cost of requests, and it can fail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bench::units::units;
use local::embedded::Embedded;
use serde_json::Value;

/// The fate of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It arrives, and so does its reply.
    None,
    /// It arrives; the reply does not.
    LoseReply,
    /// It does not arrive.
    LoseRequest,
    /// It arrives, and is answered with 500.
    FailAfter,
    /// It does not arrive: DynamoDB throttles it.
    Throttle,
    /// It does not arrive: a transaction conflicts with it.
    Conflict,
    /// It arrives, and its reply has a date years earlier.
    OldDate,
}

/// Decides the fate of each request, by its operation and its place since the policy was set.
pub type Policy = Box<dyn FnMut(&str, usize) -> Fault + Send>;

/// The cost of the requests: as DynamoDB reports it, and for refused writes as AWS documents it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    pub calls: BTreeMap<String, usize>,
    /// Those of refused writes among them.
    pub write_units: f64,
    pub refused_units: f64,
    pub read_units: f64,
    /// The items that were returned.
    pub items: usize,
}

impl Costs {
    pub fn calls(&self, operation: &str) -> usize {
        self.calls.get(operation).copied().unwrap_or(0)
    }
}

/// All items of a table, as DynamoDB writes them.
pub type Items = Vec<Value>;

#[derive(Default)]
struct State {
    /// The tables whose items are kept after each write, and what was kept.
    kept: Option<(Vec<String>, Vec<Vec<Items>>)>,
    policy: Option<Policy>,
    /// The time that a request and its reply take, together.
    call: Duration,
    requests: usize,
    costs: Costs,
    last: BTreeMap<String, Value>,
}

/// An embedded table behind a wire.
#[derive(Clone)]
pub struct Wire {
    table: Embedded,
    state: Arc<Mutex<State>>,
}

impl Wire {
    pub fn new(table: Embedded) -> Wire {
        Wire { table, state: Arc::default() }
    }

    /// The table at the other end.
    pub fn table(&self) -> &Embedded {
        &self.table
    }

    /// An HTTP client for the SDK that sends every request here.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// From now on, `policy` decides the fate of each request.
    pub fn set_policy(&self, policy: impl FnMut(&str, usize) -> Fault + Send + 'static) {
        let mut state = self.state.lock().expect("no one panics with the lock");
        state.policy = Some(Box::new(policy));
        state.requests = 0;
    }

    /// From now on, nothing fails.
    pub fn heal(&self) {
        self.state.lock().expect("no one panics with the lock").policy = None;
    }

    /// From now on, a call takes this long: half for the request, half for the reply.
    pub fn set_call(&self, call: Duration) {
        self.state.lock().expect("no one panics with the lock").call = call;
    }

    /// The body of the last request of this operation, as the SDK sent it.
    pub fn last_request(&self, operation: &str) -> Value {
        let state = self.state.lock().expect("no one panics with the lock");
        state.last.get(operation).cloned().unwrap_or_default()
    }

    /// From now on, keeps the items of these tables as they are after each write.
    pub fn keep_moments(&self, tables: &[String]) {
        let mut state = self.state.lock().expect("no one panics with the lock");
        state.kept = Some((tables.to_vec(), Vec::new()));
    }

    /// The tables as they were at each moment.
    pub fn take_moments(&self) -> Vec<Vec<Items>> {
        let mut state = self.state.lock().expect("no one panics with the lock");
        state.kept.take().map(|(_, moments)| moments).unwrap_or_default()
    }

    async fn keep_moment(&self) {
        let tables = {
            let state = self.state.lock().expect("no one panics with the lock");
            state.kept.as_ref().map(|(tables, _)| tables.clone())
        };
        let Some(tables) = tables else { return };
        let mut moment = Vec::new();
        for table in tables {
            let body = serde_json::json!({ "TableName": table }).to_string();
            let mut scan = HttpRequest::new(SdkBody::from(body));
            scan.headers_mut().insert("x-amz-target", "DynamoDB_20120810.Scan");
            let got = self.table.call(scan).await.expect("an answer");
            let got: Value = serde_json::from_slice(got.body().bytes().unwrap_or_default())
                .expect("an answer in JSON");
            moment.push(got["Items"].as_array().cloned().unwrap_or_default());
        }
        let mut state = self.state.lock().expect("no one panics with the lock");
        if let Some((_, moments)) = &mut state.kept {
            moments.push(moment);
        }
    }

    /// Sends a request to the table past the wire and the SDK. Returns the body of the answer.
    pub fn past(&self, request: &Value, operation: &str) -> Value {
        let (_, answer) = self.table.run(operation, request.to_string().as_bytes());
        serde_json::from_str(&answer).expect("JSON")
    }

    /// The cost of the requests since the last call.
    pub fn take_costs(&self) -> Costs {
        std::mem::take(&mut self.state.lock().expect("no one panics with the lock").costs)
    }

    async fn carry(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = {
            let mut state = self.state.lock().expect("no one panics with the lock");
            let place = state.requests;
            state.requests += 1;
            state.last.insert(operation.clone(), parsed(request.body().bytes()));
            state.policy.as_mut().map_or(Fault::None, |policy| policy(&operation, place))
        };
        let lost = || ConnectorError::io("the wire broke".into());
        match fault {
            Fault::LoseRequest => return Err(lost()),
            Fault::Throttle => {
                let kind = "com.amazonaws.dynamodb.v20120810#ThrottlingException";
                return refusal(400, kind);
            }
            Fault::Conflict => {
                let kind = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
                return refusal(400, kind);
            }
            Fault::None | Fault::LoseReply | Fault::FailAfter | Fault::OldDate => {}
        }
        let half = self.state.lock().expect("no one panics with the lock").call / 2;
        passes(half).await;
        let sent: Value = parsed(request.body().bytes());
        let mut response = self.table.call(counted(request)).await?;
        self.count(&operation, &sent, &response);
        passes(half).await;
        let reads = ["GetItem", "Query", "Scan"].contains(&operation.as_str());
        if !reads && response.status().is_success() {
            self.keep_moment().await;
        }
        match fault {
            Fault::LoseReply => Err(lost()),
            Fault::OldDate => {
                response.headers_mut().insert("date", "Mon, 05 Jan 2015 00:00:00 +0000");
                Ok(response)
            }
            Fault::FailAfter => {
                refusal(500, "com.amazonaws.dynamodb.v20120810#InternalServerError")
            }
            _ => Ok(response),
        }
    }

    /// The cost of a refused write: the refusing item sets it, and no emulator reports it ("Read
    /// and write operations", DynamoDB's manual, November 2026: "the amount consumed depends on the
    /// size of the existing item, or a minimum of 1"). AWS documents nothing for a cancelled
    /// transaction: each of its items counts as if it had been written.
    fn refused_units(&self, sent: &Value, answer: &Value) -> f64 {
        let kind = answer["__type"].as_str().unwrap_or_default();
        let units_of = |write: &Value| {
            let key = write.get("Key").or(write.get("Item"));
            let key = ["a", "s"].iter().filter_map(|name| Some((*name, key?.get(name)?)));
            let key: serde_json::Map<String, Value> =
                key.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            let get = serde_json::json!({ "TableName": write["TableName"], "Key": key });
            units(&self.past(&get, "GetItem")["Item"])
        };
        if kind.ends_with("ConditionalCheckFailedException") {
            return units_of(sent);
        }
        let parts =
            sent["TransactItems"].as_array().filter(|_| kind.contains("TransactionCanceled"));
        let parts = parts.into_iter().flatten().filter_map(Value::as_object);
        parts.flat_map(|part| part.values()).map(|write| 2.0 * units_of(write)).sum()
    }

    fn count(&self, operation: &str, sent: &Value, response: &HttpResponse) {
        let body: Value = parsed(response.body().bytes());
        let refused_units = match response.status().is_success() {
            true => 0.0,
            false => self.refused_units(sent, &body),
        };
        let consumed = match &body["ConsumedCapacity"] {
            Value::Array(tables) => tables.clone(),
            one => vec![one.clone()],
        };
        let units: f64 = consumed.iter().filter_map(|c| c["CapacityUnits"].as_f64()).sum();
        let mut state = self.state.lock().expect("no one panics with the lock");
        *state.costs.calls.entry(operation.to_owned()).or_default() += 1;
        let items = body["Items"].as_array().map_or(0, Vec::len);
        state.costs.items += items + usize::from(body.get("Item").is_some());
        match operation {
            "GetItem" | "Query" | "Scan" => state.costs.read_units += units,
            _ => state.costs.write_units += units + refused_units,
        }
        state.costs.refused_units += refused_units;
    }
}

/// The placeholder in an update of the entries that it appends to `list`.
pub fn appended_to(list: &str, update: &Value) -> String {
    let expression = update["UpdateExpression"].as_str().unwrap_or_default();
    let name = expression.split(&format!("{list} = list_append({list}, ")).nth(1);
    name.and_then(|rest| rest.split(')').next()).unwrap_or_default().to_owned()
}

async fn passes(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn parsed(body: Option<&[u8]>) -> Value {
    serde_json::from_slice(body.unwrap_or_default()).unwrap_or_default()
}

/// The same request, with a request for its cost.
fn counted(mut request: HttpRequest) -> HttpRequest {
    let body = request.body().bytes().unwrap_or_default();
    if let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) {
        fields.insert("ReturnConsumedCapacity".to_owned(), Value::from("TOTAL"));
        *request.body_mut() = SdkBody::from(Value::Object(fields).to_string());
    }
    request
}

/// A DynamoDB error answer of this kind.
pub fn refusal(status: u16, kind: &str) -> Result<HttpResponse, ConnectorError> {
    let body = serde_json::json!({ "__type": kind, "message": "the wire says so" });
    response(status, body.to_string())
}

/// An answer with this status and body.
pub fn response(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    let response = http::Response::builder().status(status).body(SdkBody::from(body));
    let response = response.map_err(|e| ConnectorError::user(e.into()))?;
    HttpResponse::try_from(response).map_err(|e| ConnectorError::user(e.into()))
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
