//! Calls while the catalog changes: a retry is the same request whatever a name means by now, a
//! hold keeps its rates, and a handler that is a minute behind names what a newer version has.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::decide::catalog_version;
use shared::domain::CatalogFiles;
use shared::domain::instant::Span;

use crate::support::{Answer, Stack};

/// A version of the built-in catalog with this rate table.
fn files(version: u32, table: &str) -> CatalogFiles {
    let catalog = CatalogFiles::built_in().catalog;
    let catalog = catalog.replacen("version = 1\n", &format!("version = {version}\n"), 1);
    let built_in = &CatalogFiles::built_in().rates["llm"];
    let table = format!("{built_in}\n{table}");
    CatalogFiles { catalog, rates: BTreeMap::from([("llm".to_owned(), table)]) }
}

/// Puts a version in force that this stack knows at once, and another one in a minute.
async fn publish(stack: &Stack, version: u32, table: &str) {
    let context = stack.context();
    let current = context.catalog().await;
    let change = catalog_version::publish(&current, &files(version, table), context.clock.now());
    context.store.commit(&change.expect("it follows")).await.expect("published");
    assert_eq!(context.catalog_from(version).await.version, version);
}

/// A stack with version 2 in force, which has this table, and the account `acme`.
async fn stack(table: &str) -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    publish(&stack, 2, table).await;
    stack
}

async fn post(stack: &Stack, route: &str, key: &str, body: Value) -> Answer {
    stack.post(&format!("/v1/accounts/acme/{route}"), key, &body.to_string()).await
}

async fn capture(stack: &Stack, hold: &Answer, key: &str, body: Value) -> Answer {
    let id = hold.body["id"].as_str().expect("an id");
    post(stack, &format!("holds/{id}/capture"), key, body).await
}

fn call(model: &str) -> Value {
    json!({ "action": "chat", "model": model, "meters": { "input": 1_000_000 } })
}

const BEFORE: &str = r#"
[models."x"]
number = 900
dated = true
names = ["y", "z"]
input = { credits = "1" }

[models."w"]
number = 901
input = { credits = "7" }
"#;

/// `y` means another model, `z` none, and a date of `x` has a model of its own.
const AFTER: &str = r#"
[models."x"]
number = 900
dated = true
input = { credits = "2" }

[models."x-20260801"]
number = 902
input = { credits = "4" }

[models."w"]
number = 901
names = ["y"]
input = { credits = "7" }
"#;

#[tokio::test]
async fn a_retry_replays_whatever_its_name_of_the_model_means_by_now() {
    let stack = stack(BEFORE).await;
    let names = ["x", "y", "z", "x-20260801"];
    let mut first = Vec::new();
    for name in names {
        first.push(post(&stack, "debits", name, call(name)).await);
        first.push(post(&stack, "holds", &format!("hold {name}"), call(name)).await);
    }
    let behind = stack.beside(stack.context().clock.clone()).await;
    publish(&stack, 3, AFTER).await;
    assert_eq!(post(&stack, "debits", "new", call("z")).await.code(), "unknown_model");
    let dearer = post(&stack, "debits", "newer", call("x-20260801")).await;
    assert_eq!(dearer.text("/credits"), "4", "{dearer:?}");
    for (place, name) in names.into_iter().enumerate() {
        for stack in [&stack, &behind] {
            let again = post(stack, "debits", name, call(name)).await;
            assert_eq!((again.replayed, &again.body), (true, &first[2 * place].body), "{name}");
            let again = post(stack, "holds", &format!("hold {name}"), call(name)).await;
            assert_eq!((again.replayed, &again.body), (true, &first[2 * place + 1].body), "{name}");
        }
    }
    let other = post(&stack, "debits", "y", call("w")).await;
    assert_eq!(other.code(), "operation_reused", "what it means now is another request");
    // Charged under the newer version, sent again to a handler that has not read it yet.
    let charged = post(&stack, "debits", "moved", call("y")).await;
    let again = post(&behind, "debits", "moved", call("y")).await;
    assert_eq!((again.replayed, &again.body), (true, &charged.body), "{again:?}");
}

#[tokio::test]
async fn a_hold_is_captured_by_the_rates_that_it_had() {
    let stack = stack(BEFORE).await;
    let held = post(&stack, "holds", "h", call("x")).await;
    assert_eq!(held.text("/credits"), "1");
    publish(&stack, 3, AFTER).await;
    let now = post(&stack, "debits", "now", call("x")).await;
    assert_eq!(now.text("/credits"), "2");
    let used = json!({ "meters": { "input": 500_000 } });
    let done = capture(&stack, &held, "c", used).await;
    assert_eq!((done.text("/credits"), done.text("/model")), ("0.5", "x"), "{done:?}");
    let entries = stack.get("/v1/accounts/acme/ledger?kind=captured").await;
    assert_eq!(entries.body["entries"][0]["catalog"], 2);
}

#[tokio::test]
async fn a_handler_that_is_behind_names_the_model_of_a_newer_version() {
    let stack = stack("").await;
    let behind = stack.beside(stack.context().clock.clone()).await;
    publish(&stack, 3, BEFORE).await;
    let held = post(&stack, "holds", "h", call("w")).await;
    assert_eq!(behind.context().catalog().await.version, 2);
    let done = capture(&behind, &held, "c", json!({ "meters": { "input": 1_000_000 } })).await;
    assert_eq!((done.text("/model"), done.text("/credits")), ("w", "7"), "{done:?}");
    let again = capture(&stack, &held, "c", json!({ "meters": { "input": 1_000_000 } })).await;
    assert_eq!((again.replayed, again.body), (true, done.body));
    let usage = behind.get("/v1/accounts/acme/usage").await;
    assert_eq!(usage.body["days"][0]["models"][0]["model"], "w", "{usage:?}");
}

#[tokio::test]
async fn parts_of_a_call_that_costs_nothing_leave_its_hold_open() {
    let stack = stack("[models.\"free\"]\nnumber = 903\ninput = { credits = \"0\" }\n").await;
    let held = post(&stack, "holds", "h", call("free")).await;
    assert_eq!(held.text("/credits"), "0");
    for key in ["1", "2"] {
        let part = json!({ "meters": { "input": 10 }, "final": false });
        let part = capture(&stack, &held, key, part).await;
        assert_eq!((part.status, &part.body["final"]), (201, &false.into()), "{part:?}");
    }
    let last = capture(&stack, &held, "3", json!({ "meters": { "input": 10 } })).await;
    assert_eq!((last.status, &last.body["final"]), (201, &true.into()), "{last:?}");
}

#[tokio::test]
async fn a_part_that_costs_more_than_a_hold_of_nothing_ends_it() {
    let stack = stack(BEFORE).await;
    let nothing = json!({ "action": "chat", "model": "x", "meters": { "input": 0 } });
    let held = post(&stack, "holds", "h", nothing).await;
    let part = json!({ "meters": { "input": 1_000_000 }, "final": false });
    let part = capture(&stack, &held, "c", part).await;
    let found = (part.text("/credits"), part.text("/uncharged"), &part.body["final"]);
    assert_eq!(found, ("0", "1", &true.into()), "{part:?}");
}

#[tokio::test]
async fn what_happened_is_answered_before_a_capture_that_has_no_price() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let tiered =
        json!({ "action": "chat", "model": "claude-sonnet-4-5", "meters": { "input": 9 } });
    let held = post(&stack, "holds", "h", tiered).await;
    let part = json!({ "meters": { "input": 1 }, "final": false });
    let refused = capture(&stack, &held, "c", part.clone()).await;
    assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "final"), "{refused:?}");
    stack.debit("acme", "used", "1").await;
    assert_eq!(capture(&stack, &held, "used", part.clone()).await.code(), "operation_reused");
    // Over, though no write has recorded it.
    stack.clock.set(stack.clock.now() + Span::from_s(301));
    let late = capture(&stack, &held, "c", part).await;
    assert_eq!((late.status, late.code()), (409, "hold_ended"), "{late:?}");
}
