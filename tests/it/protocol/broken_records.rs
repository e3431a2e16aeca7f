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
        ("v", number("-1")),
        ("v", number("2500000001")),
        ("v", AttributeValue::S("2500".to_owned())),
        ("v", number("99999999999999999999")),
        ("n", number("7")),
        ("b", bytes(b"\xff\xff\xff")),
        ("p", bytes(b"")),
        ("x", number("-5")),
        ("h", AttributeValue::L(Vec::new())),
        ("h", AttributeValue::M(HashMap::from([("me".to_owned(), bytes(b"\x02\x00\x00"))]))),
        ("wi", AttributeValue::L(vec![bytes(b"short")])),
        ("wp", AttributeValue::L(Vec::new())),
        ("wp", AttributeValue::L(vec![bytes(&[0; 9])])),
        ("q", AttributeValue::L(vec![bytes(&[9])])),
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
