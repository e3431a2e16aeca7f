//! What a debit of a call with three meters costs, counted by DynamoDB's own rules.

use serde_json::{Value, json};

use super::capacity::{plain, tick};
use crate::support::Stack;

const DEBITS: usize = 480;

/// A long call of a model, with a user and a reference of so many bytes.
fn call(n: usize, labels: (usize, usize)) -> Value {
    let model = ["gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-flash"][n % 3];
    let meters = json!({ "input": 1200 + n, "cached_input": 8000 + n, "output": 350 + n });
    let mut body = json!({ "action": "chat", "model": model, "meters": meters });
    for (field, bytes) in [("user", labels.0), ("reference", labels.1)] {
        if bytes > 0 {
            body[field] = "x".repeat(bytes).into();
        }
    }
    body
}

#[tokio::test]
async fn a_debit_with_three_meters_costs_by_label_size_one_call_and_no_read() {
    for (labels, most) in [((0, 0), 1.2), ((8, 0), 1.2), ((13, 36), 1.4)] {
        let stack = Stack::ticking().await;
        plain(&stack).await;
        stack.wire.take_costs();
        for n in 0..DEBITS {
            tick(&stack);
            let (id, body) = (stack.id(0).to_string(), call(n, labels).to_string());
            let debit = stack.post("/v1/accounts/acme/debits", &id, &body).await;
            assert_eq!(debit.status, 201, "{debit:?}");
        }
        let costs = stack.wire.take_costs();
        let each = costs.write_units / DEBITS as f64;
        println!("three meters, labels of {labels:?} bytes: {each:.3} write units a debit");
        assert!(each <= most, "{labels:?}: {each}");
        assert_eq!(costs.read_units, 0.0);
        assert_eq!(costs.calls("UpdateItem"), DEBITS + costs.calls("PutItem"));
    }
}
