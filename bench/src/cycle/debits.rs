//! Debits of one account until a segment has been written and the account is as full as before.

use std::cell::Cell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use bench::counts::{DEBITS, first};
use local::embedded::Embedded;
use local::{context, tables};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::context::Context;
use shared::domain::{Instant, OperationId};
use shared::metrics::Metrics;
use shared::telemetry::correlation::{Correlation, during};
use tokio::runtime::Runtime;

use crate::tape::{Call, Tape};

/// Debits before them: the account is open, its terms are in memory, and it is due for segments at
/// their even pace.
const BEFORE: i64 = 40;
/// Saturday, 28 November 2026, 12:00 UTC.
const NOON_MS: i64 = 1_795_867_200_000;

/// How a service sends a debit.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Through the gateway.
    Http,
    /// By `lambda:Invoke`.
    Direct,
}

/// Debits whose answers by DynamoDB are known.
pub(crate) struct Cycle {
    runtime: Runtime,
    tape: Tape,
    work: Work,
}

enum Work {
    Function {
        context: Box<Context>,
        now: Now,
        debits: Vec<Debit>,
    },
    /// Sent once: a copy would be counted.
    Sdk(Cell<Vec<Request>>),
}

/// The time, in ms.
type Now = Arc<AtomicI64>;

/// When a service sends a debit, and its payload.
struct Debit {
    at_ms: i64,
    payload: Vec<u8>,
}

/// A request of the bare SDK.
enum Request {
    Update(UpdateItemFluentBuilder),
    Put(PutItemFluentBuilder),
}

impl Cycle {
    /// The debits of a function.
    pub(crate) fn of(way: Way) -> Cycle {
        let (cycle, _, _) = Cycle::recorded(way);
        cycle
    }

    /// The same calls to DynamoDB by the bare SDK.
    pub(crate) fn by_the_sdk() -> Cycle {
        let (Cycle { runtime, tape, .. }, client, calls) = Cycle::recorded(Way::Http);
        let requests = calls.iter().map(|call| Request::of(&client, call)).collect();
        Cycle { runtime, tape, work: Work::Sdk(Cell::new(requests)) }
    }

    fn recorded(way: Way) -> (Cycle, Client, Vec<Call>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let now = Now::new(AtomicI64::new(NOON_MS));
        let told = now.clone();
        let clock = Clock::new(move || Instant::from_ms(told.load(Ordering::Relaxed)));
        let tape = Tape::new();
        let answering = tape.clone();
        let wire =
            Embedded::over(move |operation, body| answering.answer(operation, body), clock.clone());
        let sdk = context::sdk(wire.client(), "http://canned");
        let client = Client::from_conf(sdk.clone().build());
        let config = Config { tables: tables::names(), allows_unsigned: true, ..Config::default() };
        let entropy = Entropy::new(|| [7; 10]);
        let opened = context::assemble(sdk, clock.clone(), clock, entropy, config);
        let context = runtime.block_on(opened).expect("tables");
        let metrics = Metrics::new("scrip".to_owned(), ["debit", "1"], |line| {
            black_box(line);
        });
        let context = context.with_metrics(metrics.expect("a namespace"));
        runtime.block_on(first::open(&context)).expect("an account");
        let mut before: Vec<_> = (1..=BEFORE + DEBITS as i64).map(|nth| way.debit(nth)).collect();
        let debits = before.split_off(BEFORE as usize);
        play(&runtime, &context, &now, &before);
        tape.forget();
        play(&runtime, &context, &now, &debits);
        let calls = tape.rewind();
        // Each debit is done by one call, and each sixteen of them take two more for their segment.
        assert!(calls.iter().all(|call| call.answered.0 == 200), "a debit is refused");
        assert_eq!(calls.len() as u64, DEBITS + DEBITS / 16 * 2, "calls");
        let work = Work::Function { context: Box::new(context), now, debits };
        (Cycle { runtime, tape, work }, client, calls)
    }

    /// Whether the debits made all the calls that they made before, and no others.
    pub(crate) fn is_whole(&self) -> bool {
        self.tape.is_over()
    }

    /// Plays the debits.
    pub(crate) fn play(&self) {
        match &self.work {
            Work::Function { context, now, debits } => play(&self.runtime, context, now, debits),
            Work::Sdk(requests) => {
                let requests = requests.take();
                requests.into_iter().for_each(|request| self.runtime.block_on(request.send()));
            }
        }
    }
}

/// Sends debits as Lambda's runtime hands them over: from bytes to bytes.
fn play(runtime: &Runtime, context: &Context, now: &Now, debits: &[Debit]) {
    for Debit { at_ms, payload } in debits {
        now.store(*at_ms, Ordering::Relaxed);
        let payload: Box<RawValue> = serde_json::from_slice(payload).expect("JSON");
        let answered = debit::invoke::answer(context, &payload);
        let reply = runtime.block_on(during(Correlation::of("request"), answered));
        black_box(serde_json::to_vec(&reply).expect("JSON"));
    }
}

impl Way {
    /// The nth debit, a tenth of a second after the one before it, under an id that the service
    /// made then.
    fn debit(self, nth: i64) -> Debit {
        let at_ms = NOON_MS + nth * 100;
        let id = OperationId::mint(Instant::from_ms(at_ms), [7; 10]).to_string();
        Debit { at_ms, payload: serde_json::to_vec(&self.payload(&id)).expect("JSON") }
    }

    fn payload(self, id: &str) -> Value {
        let body = json!({
            "action": "rich_text", "quantity": 2, "user": "ada", "reference": "job 7",
        });
        match self {
            Way::Http => {
                let mut event = first::event(id);
                event["body"] = body.to_string().into();
                event
            }
            Way::Direct => {
                let mut payload = body;
                payload["account"] = "acme".into();
                payload["id"] = id.into();
                payload
            }
        }
    }
}

impl Request {
    /// The request that was recorded.
    fn of(client: &Client, call: &Call) -> Request {
        let asked: Value = serde_json::from_slice(&call.asked).expect("JSON");
        let text = |name: &str| asked[name].as_str().map(str::to_owned);
        let item = |name: &str| -> Option<HashMap<String, AttributeValue>> {
            let item: serde_dynamo::Item = serde_json::from_value(asked.get(name)?.clone()).ok()?;
            Some(item.into())
        };
        let names = serde_json::from_value(asked["ExpressionAttributeNames"].clone()).ok();
        let refused = text("ReturnValuesOnConditionCheckFailure");
        let refused = refused.map(|text| ReturnValuesOnConditionCheckFailure::from(text.as_str()));
        match call.operation.as_str() {
            "UpdateItem" => Request::Update(
                client
                    .update_item()
                    .set_table_name(text("TableName"))
                    .set_key(item("Key"))
                    .set_update_expression(text("UpdateExpression"))
                    .set_condition_expression(text("ConditionExpression"))
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(item("ExpressionAttributeValues"))
                    .set_return_values(text("ReturnValues").as_deref().map(ReturnValue::from))
                    .set_return_values_on_condition_check_failure(refused),
            ),
            "PutItem" => Request::Put(
                client
                    .put_item()
                    .set_table_name(text("TableName"))
                    .set_item(item("Item"))
                    .set_condition_expression(text("ConditionExpression"))
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(item("ExpressionAttributeValues"))
                    .set_return_values_on_condition_check_failure(refused),
            ),
            other => panic!("a debit makes no {other}: {asked}"),
        }
    }

    async fn send(self) {
        match self {
            Request::Update(update) => {
                black_box(update.send().await.expect("the recorded answer"));
            }
            Request::Put(put) => {
                black_box(put.send().await.expect("the recorded answer"));
            }
        }
    }
}
