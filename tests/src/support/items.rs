//! Items in DynamoDB's JSON, read from tables and put into them past the store.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde_json::Value;

use super::wire::Items;

/// An item as the SDK has it.
pub fn read(item: &Value) -> HashMap<String, AttributeValue> {
    let attributes = item.as_object().expect("an item").iter();
    attributes.map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// An attribute in DynamoDB's JSON.
fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|v| v.iter().next()).expect("an attribute");
    let text = || value.as_str().expect("a text").to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => {
            let bytes = aws_smithy_types::base64::decode(text()).expect("base64");
            AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(bytes))
        }
        "L" => AttributeValue::L(value.as_array().expect("a list").iter().map(attribute).collect()),
        "M" => AttributeValue::M(read(value)),
        other => panic!("the tables have no attributes of type {other}"),
    }
}

/// Puts these items into the two tables.
pub async fn put(tables: &Client, accounts: &Items, ledger: &Items) {
    let names = local::tables::names();
    let items = accounts.iter().map(|item| (&names.accounts, item));
    let items: Vec<_> = items.chain(ledger.iter().map(|item| (&names.ledger, item))).collect();
    for items in items.chunks(100) {
        let puts = items.iter().map(|(table, item)| {
            let put = Put::builder().table_name(*table).set_item(Some(read(item)));
            TransactWriteItem::builder().put(put.build().expect("a put")).build()
        });
        let write = tables.transact_write_items().set_transact_items(Some(puts.collect()));
        write.send().await.expect("written");
    }
}
