//! A broken item is refused by name when it is read, and a read never repairs it.

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
        ("bo", bytes(b"\xff\xff\xff")),
        ("ps", bytes(b"")),
        ("vu", number("-5")),
        ("ho", AttributeValue::L(Vec::new())),
        ("ho", AttributeValue::M(HashMap::from([("me".to_owned(), bytes(b"\x02\x00\x00"))]))),
        ("ri", AttributeValue::L(vec![bytes(b"short")])),
        ("rp", AttributeValue::L(Vec::new())),
        ("rp", AttributeValue::L(vec![bytes(&[0; 9])])),
        ("pc", AttributeValue::L(vec![bytes(&[9])])),
    ] {
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
        assert_eq!((balance.status, balance.code()), (500, "internal_error"), "{attribute}");
        assert_eq!(stack.grant("acme", "grant", "1").await.status, 500, "{attribute} {value:?}");
        assert_eq!(read(&client).await, item, "{attribute} was touched");
    }
}
