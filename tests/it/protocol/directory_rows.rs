//! Rows of the directory that relay did not write, or that a restore left behind: the audit names
//! them, and repair writes them right.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use local::tables;
use serde_json::{Value, json};

use crate::support::wire::Fault;
use crate::support::{Stack, request};

/// Deletes an item, as no function does.
async fn delete(stack: &Stack, table: &str, key: &[(&str, &str)]) {
    let mut delete = Delete::builder().table_name(table);
    for (name, value) in key {
        delete = delete.key(*name, AttributeValue::S((*value).to_owned()));
    }
    let delete = TransactWriteItem::builder().delete(delete.build().expect("a key")).build();
    let write = stack.tables().transact_write_items().transact_items(delete);
    write.send().await.expect("deleted");
}

/// Writes one attribute of the row of an account, as no function does.
fn set(stack: &Stack, account: &str, name: &str, value: &Value) {
    let update = json!({
        "TableName": tables::names().ledger,
        "Key": { "a": { "S": "#directory" }, "s": { "S": account } },
        "UpdateExpression": format!("SET {name} = :value"),
        "ExpressionAttributeValues": { ":value": value },
    });
    let answer = stack.wire.past(&update, "UpdateItem");
    assert_eq!(answer["__type"], Value::Null, "{answer}");
}

async fn audited(stack: &Stack) -> Vec<(String, String, String)> {
    let report = ::audit::report(stack.context(), None, None, |_| ()).await.expect("a report");
    let found = report.differences.into_iter().map(|found| {
        assert_eq!(found.kind.name(), "directory", "{found:?}");
        let account = found.account.map(|account| account.to_string()).unwrap_or_default();
        (account, found.expected, found.found)
    });
    found.collect()
}

async fn listed(stack: &Stack) -> Vec<Value> {
    let listed = stack.get("/v1/accounts").await;
    listed.body["accounts"].as_array().expect("accounts").clone()
}

#[tokio::test]
async fn a_row_that_relay_did_not_write_in_a_day_is_named_and_repaired() {
    let stack = Stack::streamed().await;
    for account in ["frozen", "lost", "sound"] {
        let body = json!({ "plan": "free", "name": account }).to_string();
        let path = format!("/v1/accounts/{account}");
        assert_eq!(stack.send(request("PUT", &path, Some("1"), &body)).await.status, 201);
    }
    stack.relay().await;
    let ledger = tables::names().ledger;
    delete(&stack, &ledger, &[("a", "#directory"), ("s", "lost")]).await;
    let reason = r#"{"reason":"abuse"}"#;
    assert_eq!(stack.post("/v1/accounts/frozen/freeze", "f", reason).await.status, 201);
    // Relay may still write it.
    assert_eq!(audited(&stack).await, []);
    stack.set_clock("2026-11-19T12:00:01Z");
    let state = |gate: &str| format!("plan free, active, {gate}, debt 0");
    let mut expected = vec![
        ("frozen".to_owned(), state("account_frozen"), state("open")),
        ("lost".to_owned(), state("open"), "none".to_owned()),
    ];
    let mut found = audited(&stack).await;
    found.sort();
    assert_eq!(found, expected);
    let rehearsed = cli::repair::run(stack.context(), None, None, true).await.expect("a repair");
    assert_eq!((rehearsed.len(), audited(&stack).await.len()), (2, 2));
    let acts = cli::repair::run(stack.context(), None, None, false).await.expect("a repair");
    let acts = acts.into_iter().map(|act| {
        assert_eq!(act.done, cli::repair::Done::Repaired);
        let of = act.difference;
        (of.account.expect("an account").to_string(), of.expected, of.found)
    });
    expected.sort();
    assert_eq!(acts.collect::<Vec<_>>(), expected);
    assert_eq!(audited(&stack).await, []);
    let listed = listed(&stack).await;
    let shown = |at: usize, name: &str| listed[at][name].clone();
    assert_eq!((shown(0, "name"), shown(0, "gate")), (json!("frozen"), json!("account_frozen")));
    // Its name was in the row alone.
    assert_eq!((shown(1, "account"), shown(1, "name")), (json!("lost"), Value::Null));
    // What relay brings late is no news.
    stack.relay().await;
    assert_eq!(audited(&stack).await, []);
}

#[tokio::test]
async fn a_row_of_a_missing_account_is_named_and_removed() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    stack.open("gone", "free").await;
    stack.relay().await;
    let names = tables::names();
    delete(&stack, &names.accounts, &[("a", "gone")]).await;
    let query = stack.tables().query().table_name(&names.ledger).key_condition_expression("a = :a");
    let rows = query.expression_attribute_values(":a", AttributeValue::S("gone".to_owned()));
    for row in rows.send().await.expect("rows").items() {
        let sort = row["s"].as_s().expect("a key");
        delete(&stack, &names.ledger, &[("a", "gone"), ("s", sort)]).await;
    }
    let state = "plan free, active, open, debt 0".to_owned();
    assert_eq!(audited(&stack).await, [("gone".to_owned(), "none".to_owned(), state)]);
    cli::repair::run(stack.context(), None, None, false).await.expect("a repair");
    assert_eq!(audited(&stack).await, []);
    let ids: Vec<Value> = listed(&stack).await.iter().map(|one| one["account"].clone()).collect();
    assert_eq!(ids, [json!("acme")]);
}

/// A restore may take the ledger a minute later than the accounts.
#[tokio::test]
async fn a_row_that_is_ahead_of_its_account_is_named_at_once_and_repaired() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    stack.relay().await;
    set(&stack, "acme", "sq", &json!({ "N": "9" }));
    let (expected, found) = ("entry 1 at the latest".to_owned(), "entry 9".to_owned());
    assert_eq!(audited(&stack).await, [("acme".to_owned(), expected, found)]);
    cli::repair::run(stack.context(), None, None, false).await.expect("a repair");
    assert_eq!(audited(&stack).await, []);
    let reason = r#"{"reason":"abuse"}"#;
    assert_eq!(stack.post("/v1/accounts/acme/freeze", "f", reason).await.status, 201);
    stack.relay().await;
    assert_eq!(listed(&stack).await[0]["gate"], json!("account_frozen"));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other_and_is_repaired_with_its_name() {
    let stack = Stack::streamed().await;
    for account in ["broken", "sound"] {
        let body = json!({ "plan": "free", "name": account }).to_string();
        let path = format!("/v1/accounts/{account}");
        assert_eq!(stack.send(request("PUT", &path, Some("1"), &body)).await.status, 201);
    }
    stack.relay().await;
    set(&stack, "broken", "tx", &json!({ "S": "{" }));
    let ids = async || {
        let listed = listed(&stack).await;
        listed.iter().map(|one| one["account"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [json!("sound")]);
    let shown = stack.get("/v1/accounts/broken").await;
    assert_eq!((shown.status, &shown.body["name"]), (200, &Value::Null));
    let found = audited(&stack).await;
    assert_eq!((found.len(), found[0].0.as_str()), (1, "broken"), "{found:?}");
    assert!(found[0].2.starts_with("a row that cannot be read: tx "), "{found:?}");
    cli::repair::run(stack.context(), None, None, false).await.expect("a repair");
    assert_eq!(audited(&stack).await, []);
    assert_eq!(ids().await, [json!("broken"), json!("sound")]);
    assert_eq!(listed(&stack).await[0]["name"], json!("broken"));
}

/// Each write that fails takes as long as a request may, and relay has a minute.
#[tokio::test(start_paused = true)]
async fn relay_stops_at_the_first_state_that_it_cannot_write() {
    let stack = Stack::streamed().await;
    for account in ["second", "first"] {
        stack.open(account, "free").await;
    }
    let records = json!({ "Records": stack.streams.oldest("Accounts", 100) });
    stack.wire.set_policy(|operation, _| match operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    });
    let reply = stack.mappings.invoke("relay", &records).await.expect("an answer");
    let first = &records["Records"][0]["dynamodb"]["SequenceNumber"];
    assert_eq!(reply["batchItemFailures"], json!([{ "itemIdentifier": first }]));
    let tried = stack.wire.last_request("UpdateItem");
    assert_eq!(tried["Key"], json!({ "a": { "S": "#directory" }, "s": { "S": "second" } }));
    stack.wire.heal();
    stack.relay().await;
    assert_eq!(listed(&stack).await.len(), 2);
}
