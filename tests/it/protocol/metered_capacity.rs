//! What a debit of a call with three meters costs, counted by DynamoDB's own rules.

use serde_json::{Value, json};
use shared::decide::catalog_version;
use shared::domain::CatalogFiles;

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

#[tokio::test]
async fn calls_of_300_models_cost_as_much_as_calls_of_one() {
    let mut cost = Vec::new();
    for models in [1, 300] {
        let stack = Stack::ticking().await;
        publish_models(&stack).await;
        plain(&stack).await;
        stack.wire.take_costs();
        for n in 0..DEBITS {
            tick(&stack);
            let mut body = call(0, (0, 0));
            body["model"] = format!("m{}", 1 + n % models).into();
            let id = stack.id(0).to_string();
            let debit = stack.post("/v1/accounts/acme/debits", &id, &body.to_string()).await;
            assert_eq!(debit.status, 201, "{debit:?}");
        }
        let loaded = stack.context().store.account(&"acme".parse().expect("an id")).await;
        let account = loaded.expect("an answer").expect("an account").account;
        assert_eq!(account.consumed.len(), 1, "one number for all models of a table");
        cost.push(stack.wire.take_costs().write_units / DEBITS as f64);
    }
    println!("one model: {:.3} write units a debit, 300 models: {:.3}", cost[0], cost[1]);
    assert!(cost[1] <= cost[0] + 0.01 && cost[1] <= 1.2, "{cost:?}");
}

/// Puts a table of 300 models in force.
async fn publish_models(stack: &Stack) {
    let mut files = CatalogFiles::built_in();
    files.catalog = files.catalog.replacen("version = 1\n", "version = 2\n", 1);
    let table = files.rates.get_mut("llm").expect("a table");
    for n in 1..=300 {
        table.push_str(&format!("\n[models.m{n}]\nnumber = {}\n", 1_000 + n));
        for meter in ["input", "cached_input", "output"] {
            table.push_str(&format!("{meter} = {{ credits = \"20\" }}\n"));
        }
    }
    let context = stack.context();
    let change = catalog_version::publish(&*context.catalog().await, &files, context.clock.now());
    context.store.commit(&change.expect("it follows")).await.expect("published");
    assert_eq!(context.catalog_from(2).await.version, 2);
}
