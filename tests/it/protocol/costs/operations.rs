//! What each operation uses, counted over many of them: units of DynamoDB, invocations, requests,
//! events, and bytes of metrics in the log.

use serde_json::{Value, json};

use crate::protocol::capacity::tick;
use crate::support::door::Visitor;
use crate::support::{Stack, lambda, request};

/// So many debits are twelve segments.
const DEBITS_MADE: usize = 192;
const DEBITS: &str = "/v1/accounts/acme/debits";
const DEBIT: &str = r#"{"action":"custom_image","quantity":1}"#;

/// An operation, as a caller does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Debit,
    Invocation,
    /// A debit of a batch of 16.
    Batched,
    Replay,
    Overdraft,
    HoldAndCapture,
    Refund,
    Grant,
    Quote,
    Balance,
    Poll,
    Page,
    Ledger,
    Usage,
}

impl Operation {
    pub(super) const ALL: [Operation; 14] = [
        Operation::Debit,
        Operation::Invocation,
        Operation::Batched,
        Operation::Replay,
        Operation::Overdraft,
        Operation::HoldAndCapture,
        Operation::Refund,
        Operation::Grant,
        Operation::Quote,
        Operation::Balance,
        Operation::Poll,
        Operation::Page,
        Operation::Ledger,
        Operation::Usage,
    ];

    /// Whether it writes nothing.
    pub(super) fn reads(self) -> bool {
        use Operation::{Balance, Ledger, Page, Poll, Quote, Usage};
        [Quote, Balance, Poll, Page, Ledger, Usage].contains(&self)
    }

    /// How often it is done. A read is like the one before; an account with many grants is heavy,
    /// and no operator makes one.
    fn count(self) -> usize {
        if self.reads() || self == Operation::Grant { 8 } else { DEBITS_MADE }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Debit => "debits over HTTP",
            Operation::Invocation => "debits by `lambda:Invoke`",
            Operation::Batched => "debits in batches of 16, over HTTP",
            Operation::Replay => "debits sent again",
            Operation::Overdraft => "debits that are refused: too few credits",
            Operation::HoldAndCapture => "holds with their captures",
            Operation::Refund => "refunds of a debit",
            Operation::Grant => "grants of operators",
            Operation::Quote => "quotes",
            Operation::Balance => "balances read by services",
            Operation::Poll => "balances read by the page's cookie",
            Operation::Page => "views of the customer's page",
            Operation::Ledger => "pages of the ledger, 50 entries each",
            Operation::Usage => "usage of 30 days",
        }
    }
}

/// What one operation uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub(super) write_units: f64,
    pub(super) read_units: f64,
    /// Requests at the gateway.
    pub(super) requests: f64,
    /// Invocations of the functions behind it.
    pub(super) invocations: f64,
    /// Invocations of `relay`, by the streams of both tables.
    pub(super) relayed: f64,
    pub(super) events: f64,
    /// The bytes of the functions' metrics.
    pub(super) metric_bytes: f64,
}

/// Counts an operation. `alone`: the streams are read after each, so that no two share an
/// invocation of `relay`; else after all of them.
pub(super) async fn counted(operation: Operation, alone: bool) -> Used {
    let stack = Stack::ticking_streamed().await;
    stack.open("acme", "pro").await;
    stack.grant("acme", "one more", "50000").await;
    let made = made(&stack, operation).await;
    let visitor = stack.visitor("acme").await;
    stack.relay().await;
    documents(&stack);
    stack.wire.take_costs();
    let announced = stack.announced().len();
    let (count, mut requests, mut invocations) = (operation.count(), 0, 0);
    let step = if operation == Operation::Batched { 16 } else { 1 };
    for n in (0..count).step_by(step) {
        tick(&stack);
        requests += done(&stack, operation, made.get(n), &visitor).await;
        invocations += usize::from(operation == Operation::Invocation);
        if alone {
            stack.relay().await;
        }
    }
    stack.relay().await;
    let costs = stack.wire.take_costs();
    let documents = documents(&stack);
    let relayed = documents.iter().filter(|document| !document["RelayBatches"].is_null()).count();
    let bytes: usize = documents.iter().map(|document| document.to_string().len()).sum();
    let each = |uses: usize| uses as f64 / count as f64;
    Used {
        write_units: costs.write_units / count as f64,
        read_units: costs.read_units / count as f64,
        requests: each(requests),
        invocations: each(requests + invocations),
        relayed: each(relayed),
        events: each(stack.announced().len() - announced),
        metric_bytes: each(bytes),
    }
}

/// The documents of metrics since the last call.
fn documents(stack: &Stack) -> Vec<Value> {
    std::mem::take(&mut *stack.emitted.lock().expect("no one panics with the lock"))
}

/// The keys of what happened before: the debits that are sent again or refunded.
async fn made(stack: &Stack, operation: Operation) -> Vec<String> {
    let mut made = Vec::new();
    if operation.reads() || [Operation::Replay, Operation::Refund].contains(&operation) {
        for _ in 0..DEBITS_MADE {
            tick(stack);
            let key = stack.id(0).to_string();
            assert_eq!(stack.post(DEBITS, &key, DEBIT).await.status, 201);
            made.push(key);
        }
    }
    made
}

/// Does it once. Returns the requests that it took.
async fn done(
    stack: &Stack,
    operation: Operation,
    made: Option<&String>,
    visitor: &Visitor,
) -> usize {
    let key = stack.id(0).to_string();
    let known = || made.expect("it happened before").as_str();
    let answer = match operation {
        Operation::Debit => stack.post(DEBITS, &key, DEBIT).await,
        Operation::Invocation => {
            let payload =
                json!({ "account": "acme", "id": key, "action": "custom_image", "quantity": 1 });
            let receipt = lambda::invoke(stack.context(), payload).await;
            assert!(receipt["seq"].is_u64(), "{receipt}");
            return 0;
        }
        Operation::Batched => {
            let ids = (0..16).map(|_| stack.id(0).to_string());
            let debit = |id| json!({ "id": id, "action": "custom_image", "quantity": 1 });
            let debits: Vec<Value> = ids.map(debit).collect();
            let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
            stack.send(request("POST", &format!("{DEBITS}/batch"), None, &body)).await
        }
        Operation::Replay => {
            let again = stack.post(DEBITS, known(), DEBIT).await;
            assert!(again.replayed, "{again:?}");
            again
        }
        Operation::Overdraft => stack.post(DEBITS, &key, r#"{"credits":"1000000000"}"#).await,
        Operation::HoldAndCapture => {
            let holds = "/v1/accounts/acme/holds";
            assert_eq!(stack.post(holds, &key, DEBIT).await.status, 201);
            tick(stack);
            let capture = format!("{holds}/{key}/capture");
            let captured =
                stack.post(&capture, &stack.id(0).to_string(), r#"{"quantity":1}"#).await;
            assert_eq!(captured.status, 201, "{captured:?}");
            return 2;
        }
        Operation::Refund => {
            let body = r#"{"credits":"0.5","reason":"it failed"}"#;
            stack.post(&format!("{DEBITS}/{}/refund", known()), &key, body).await
        }
        Operation::Grant => stack.grant("acme", &key, "1").await,
        Operation::Quote => {
            let body = r#"{"action":"custom_image","quantity":1}"#;
            stack.send(request("POST", "/v1/accounts/acme/quotes", None, body)).await
        }
        Operation::Balance => stack.balance("acme").await,
        Operation::Poll => stack.ask("GET", "/v1/me/balance", &visitor.headers()).await,
        Operation::Page => stack.ask("GET", "/", &[("cookie", &visitor.cookie)]).await,
        Operation::Ledger => stack.get("/v1/accounts/acme/ledger?limit=50").await,
        Operation::Usage => stack.get("/v1/accounts/acme/usage").await,
    };
    let refused = operation == Operation::Overdraft;
    assert_eq!(answer.status == 402, refused, "{operation:?}: {answer:?}");
    assert!(refused || (200..300).contains(&answer.status), "{operation:?}: {answer:?}");
    1
}
