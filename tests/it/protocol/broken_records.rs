//! A broken item is refused by name when it is read, and a read never repairs it.
//! So is one that only a later version can read, but with other words.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::StoreError;

use crate::support::Stack;

type Item = HashMap<String, AttributeValue>;

async fn read(client: &Client) -> Item {
    let get = client.get_item().table_name(local::tables::names().accounts);
    let got = get.key("a", AttributeValue::S("acme".to_owned())).send().await.expect("an answer");
    got.item.expect("the item")
}

#[tokio::test]
async fn a_broken_account_is_named_and_left_unchanged() {
    let number = |n: &str| AttributeValue::N(n.to_owned());
    let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    for (attribute, value) in [
        ("av", number("-1")),
        ("av", number("2500000001")),
        ("av", AttributeValue::S("2500".to_owned())),
        ("av", number("99999999999999999999")),
        ("sq", number("7")),
        ("ps", bytes(b"")),
        ("vu", number("-5")),
        ("ho", AttributeValue::L(Vec::new())),
        ("ho", AttributeValue::M(HashMap::from([("me".to_owned(), bytes(b"\x02\x00\x00"))]))),
        ("ri", AttributeValue::L(vec![bytes(b"short")])),
        ("rp", AttributeValue::L(Vec::new())),
        ("rp", AttributeValue::L(vec![bytes(&[0; 9])])),
        ("bo", bytes(&[0, 0xff])),
    ] {
        refuses(attribute, value, (500, "internal_error")).await;
    }
}

/// What an account would lose or spend twice if a reader left it out: the whole account waits.
#[tokio::test]
async fn an_account_that_only_a_later_version_can_read_waits_for_it() {
    let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    let hour = [0; 8];
    for (attribute, value) in [
        // A pending change of a kind 9; a grant with an id of a kind 9; a grant of a kind 99.
        ("pc", AttributeValue::L(vec![bytes(&[9])])),
        ("bo", bytes(&[&[9][..], &hour].concat())),
        ("bo", bytes(&[&[0, 0, 99][..], &hour].concat())),
        // An entry of a known kind with a text that this version does not know.
        ("rp", AttributeValue::L(vec![bytes(&[&[2, 128][..], &hour].concat())])),
    ] {
        refuses(attribute, value, (503, "outcome_unknown")).await;
    }
}

/// An account with this value is read and written by nobody, and keeps it.
async fn refuses(attribute: &str, value: AttributeValue, expected: (u16, &str)) {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let client = stack.tables();
    let mut item = read(&client).await;
    item.insert(attribute.to_owned(), value.clone());
    let put = client.put_item().table_name(local::tables::names().accounts);
    put.set_item(Some(item.clone())).send().await.expect("written");

    let id = "acme".parse().expect("an account");
    let error = stack.context().store.account(&id).await.expect_err(attribute);
    let StoreError::Broken { key, table, .. } = &error else { panic!("{error}") };
    assert_eq!((key.as_str(), *table), ("acme", "accounts"));
    let balance = stack.balance("acme").await;
    assert_eq!((balance.status, balance.code()), expected, "{attribute} {value:?}");
    let grant = stack.grant("acme", "grant", "1").await;
    assert_eq!(grant.status, expected.0, "{attribute} {value:?}");
    assert_eq!(read(&client).await, item, "{attribute} was touched");
}
