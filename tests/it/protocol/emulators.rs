//! The second opinion: where the embedded table and Amazon's DynamoDB Local answer differently.
//!
//! `.ci/second-opinion` runs other tests on DynamoDB Local, and this module on both. Each probe is
//! a few requests; the last answers are compared, and every difference is a row of
//! `docs/internals/emulators.md`, word for word. Without `DYNAMODB_ENDPOINT_URL` there is no
//! comparison.

use serde_json::{Value, json};

use crate::support::emulator::{self, Ask};

/// Requests, and the part of the last answer that is compared.
struct Probe {
    name: &'static str,
    requests: Vec<(&'static str, Value)>,
    part: &'static str,
}

fn probe(name: &'static str, part: &'static str, requests: Vec<(&'static str, Value)>) -> Probe {
    Probe { name, requests, part }
}

const TABLE: &str = "probes";

fn put(key: &str, value: Value) -> Value {
    json!({ "TableName": TABLE, "Item": { "a": { "S": key }, "v": value } })
}

/// An update of the item `a`, with every parameter that a probe may set.
fn update(expression: &str, condition: &str, values: Value) -> Value {
    json!({
        "TableName": TABLE,
        "Key": { "a": { "S": "a" } },
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
    })
}

fn transaction(token: &str, items: &[Value]) -> Value {
    let items: Vec<Value> = items.iter().map(|put| json!({ "Put": put })).collect();
    json!({
        "TransactItems": items,
        "ClientRequestToken": token,
        "ReturnConsumedCapacity": "TOTAL",
    })
}

fn query(key: &str) -> Value {
    json!({
        "TableName": TABLE,
        "KeyConditionExpression": "a = :a",
        "ExpressionAttributeValues": { ":a": { "S": key } },
        "ConsistentRead": true,
        "ReturnConsumedCapacity": "TOTAL",
    })
}

/// A scan of the first of two segments, after a key; DynamoDB Local has `zzz` in the second.
fn scan_of_the_first_segment(after: &str) -> Value {
    json!({
        "TableName": TABLE,
        "Segment": 0,
        "TotalSegments": 2,
        "ExclusiveStartKey": { "a": { "S": after } },
    })
}

fn number(n: &str) -> Value {
    json!({ "N": n })
}

fn probes() -> Vec<Probe> {
    let units = "/ConsumedCapacity/CapacityUnits";
    let first_units = "/ConsumedCapacity/0/CapacityUnits";
    let list = json!({ "L": (0..8).map(|n| number(&n.to_string())).collect::<Vec<_>>() });
    let there = || ("PutItem", put("a", number("7")));
    let one = json!({ ":one": number("1") });
    let tenth = json!({ ":one": number("0.1") });
    let unconditional = "attribute_exists(a)";
    let mut refused = put("a", number("8"));
    refused["ConditionExpression"] = "attribute_not_exists(a)".into();
    let mut long = put("a", number("8"));
    let terms: Vec<String> = (0..300).map(|n| format!("v <> :v{n:03}")).collect();
    long["ConditionExpression"] = terms.join(" AND ").into();
    let values = (0..300).map(|n| (format!(":v{n:03}"), number(&(n + 100).to_string())));
    long["ExpressionAttributeValues"] = Value::Object(values.collect());
    vec![
        probe(
            "units of an update",
            units,
            vec![there(), ("UpdateItem", update("SET v = v + :one", unconditional, one.clone()))],
        ),
        probe(
            "units of a transaction of two items of one table",
            first_units,
            vec![(
                "TransactWriteItems",
                transaction("one", &[put("a", number("1")), put("b", number("2"))]),
            )],
        ),
        probe(
            "write units of a transaction, told apart",
            "/ConsumedCapacity/0/WriteCapacityUnits",
            vec![("TransactWriteItems", transaction("one", &[put("a", number("1"))]))],
        ),
        probe(
            "units of a put of 1 KB with the number 1234560",
            units,
            vec![("PutItem", {
                let mut full = put("a", number("1234560"));
                // Two names and a key of a byte each, and four bytes for the number.
                full["Item"]["filler"] = json!({ "S": "x".repeat(1024 - 3 - 4 - "filler".len()) });
                full["ReturnConsumedCapacity"] = "TOTAL".into();
                full
            })],
        ),
        probe("units of a query that finds an item", units, vec![there(), ("Query", query("a"))]),
        probe("units of a query that finds nothing", units, vec![("Query", query("a"))]),
        probe("what refuses a put", "/__type", vec![there(), ("PutItem", refused.clone())]),
        probe(
            "the words of a refusal, as message",
            "/message",
            vec![there(), ("PutItem", refused)],
        ),
        probe(
            "a sum of 39 digits",
            "status",
            vec![
                ("PutItem", put("a", number(&format!("1{}", "0".repeat(37))))),
                ("UpdateItem", update("SET v = v + :one", unconditional, tenth)),
            ],
        ),
        probe(
            "a number of 39 digits",
            "status",
            vec![("PutItem", put("a", number(&"9".repeat(39))))],
        ),
        probe(
            "an item above 400 KB",
            "status",
            vec![("PutItem", put("a", json!({ "S": "x".repeat(400 * 1024) })))],
        ),
        probe("an expression above 4 KB", "status", vec![there(), ("PutItem", long)]),
        probe("an empty key", "status", vec![("PutItem", put("", number("1")))]),
        probe(
            "places removed from a list, one after the other",
            "/Attributes/v",
            vec![
                ("PutItem", put("a", list)),
                ("UpdateItem", update("REMOVE v[0], v[1], v[5]", "size(v) > :one", one.clone())),
            ],
        ),
        probe(
            "a map that is not there is written into",
            "status",
            vec![there(), ("UpdateItem", update("SET u.x = :one", unconditional, one.clone()))],
        ),
        probe(
            "the size of what is not there",
            "status",
            vec![there(), ("UpdateItem", update("SET v = :one", "size(u) <= :one", one.clone()))],
        ),
        probe(
            "one item twice in a transaction",
            "/__type",
            vec![(
                "TransactWriteItems",
                transaction("one", &[put("a", number("1")), put("a", number("2"))]),
            )],
        ),
        probe(
            "a transaction of 101 items",
            "status",
            vec![(
                "TransactWriteItems",
                transaction(
                    "one",
                    &std::array::from_fn::<_, 101, _>(|n| put(&n.to_string(), number("1"))),
                ),
            )],
        ),
        probe(
            "the token of a transaction with other content",
            "/__type",
            vec![
                ("TransactWriteItems", transaction("one", &[put("a", number("1"))])),
                ("TransactWriteItems", transaction("one", &[put("a", number("2"))])),
            ],
        ),
        probe(
            "the token of a transaction, its content again",
            first_units,
            vec![
                ("TransactWriteItems", transaction("one", &[put("a", number("1"))])),
                ("TransactWriteItems", transaction("one", &[put("a", number("1"))])),
            ],
        ),
        probe(
            "a value that no expression uses",
            "status",
            vec![
                there(),
                (
                    "UpdateItem",
                    update(
                        "SET v = :one",
                        unconditional,
                        json!({ ":one": number("1"), ":two": number("2") }),
                    ),
                ),
            ],
        ),
        probe(
            "a scan that goes on after a key of another segment",
            "status",
            vec![("Scan", scan_of_the_first_segment("zzz"))],
        ),
        probe(
            "a table that is not there",
            "/__type",
            vec![("GetItem", json!({ "TableName": "nowhere", "Key": { "a": { "S": "a" } } }))],
        ),
    ]
}

/// The part of an answer that a probe compares, as it is in the table.
fn part(answer: &(u16, Value), part: &str) -> String {
    match part {
        "status" => answer.0.to_string(),
        path => answer.1.pointer(path).map_or("absent".to_owned(), Value::to_string),
    }
}

fn run(ask: &Ask, probe: &Probe) -> String {
    let table = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
    });
    assert_eq!(ask("CreateTable", &table).0, 200);
    let answers: Vec<_> =
        probe.requests.iter().map(|(operation, request)| ask(operation, request)).collect();
    part(answers.last().expect("a probe asks something"), probe.part)
}

/// The rows of the table in docs/internals/emulators.md: the probe, and the two answers.
fn rows() -> Vec<[&'static str; 3]> {
    let lines = include_str!("../../../docs/internals/emulators.md").lines();
    let cells = lines.filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        match cells[..] {
            ["", name, embedded, other, _, ""] => Some([name, embedded, other]),
            _ => None,
        }
    });
    // The head and the line below it.
    cells.skip(2).collect()
}

#[test]
fn every_difference_between_the_emulators_is_in_the_table() {
    let Some(url) = emulator::endpoint() else {
        println!(
            "DYNAMODB_ENDPOINT_URL is not set: no second opinion. .ci/second-opinion asks for it."
        );
        return;
    };
    let mut found = Vec::new();
    for probe in probes() {
        let [one, other] = emulator::both(url.clone()).map(|ask| run(&ask, &probe));
        println!("{}: {one} | {other}", probe.name);
        if one != other {
            found.push([probe.name.to_owned(), one, other]);
        }
    }
    assert_eq!(found, rows().iter().map(|row| row.map(str::to_owned)).collect::<Vec<_>>());
}
