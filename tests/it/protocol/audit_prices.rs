//! The audit recomputes what each call cost, by the rates of the catalog version that its entry
//! names.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::audit::{Difference, Walk, walk};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::decide::catalog_version;
use shared::domain::entry::Quantity;
use shared::domain::{Catalog, CatalogFiles, Credits, Entry, EntryKind, OperationId};
use shared::store::packed;

use crate::support::Stack;
use crate::support::wire::Fault;

type Item = HashMap<String, AttributeValue>;

const MICRO: Credits = Credits::from_micro(1);

/// An account with a call of each kind, some of them after the rates doubled.
async fn story() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.grant("acme", "welcome", "100").await;
    let mini = |meters: &str| format!(r#""model":"gpt-5-mini","meters":{meters}"#);
    debit(&stack, "small", &mini(r#"{"input":3,"cached_input":7,"output":1}"#)).await;
    debit(&stack, "none", &mini(r#"{"input":0}"#)).await;
    for (key, context) in [("at the tier", 200_000), ("above it", 200_001)] {
        let meters = format!(r#"{{"input":1,"cached_input":{},"output":9}}"#, context - 1);
        let call = format!(r#""model":"claude-sonnet-4-5","meters":{meters}"#);
        debit(&stack, key, &call).await;
    }
    let held = hold(&stack, "parts", &mini(r#"{"input":1000,"output":1000}"#)).await;
    let over = hold(&stack, "all of it", &mini(r#"{"input":10}"#)).await;
    let open = hold(&stack, "open", &mini(r#"{"cached_input":11}"#)).await;
    let tiered = r#""model":"claude-sonnet-4-5","meters":{"cached_input":200001,"output":1}"#;
    let tiered = hold(&stack, "tiered", tiered).await;
    publish_twice_the_rates(&stack, 2).await;
    debit(&stack, "dearer", &mini(r#"{"input":3,"cached_input":7}"#)).await;
    let part = r#"{"meters":{"cached_input":9},"final":false}"#;
    capture(&stack, &held, "part", part).await;
    capture(&stack, &open, "open part", part).await;
    capture(&stack, &held, "last", r#"{"meters":{"input":3,"cached_input":1}}"#).await;
    // It takes all of the hold, though it was not to be the last.
    let beyond = r#"{"meters":{"input":10,"cached_input":3},"final":false,"beyond":true}"#;
    capture(&stack, &over, "beyond", beyond).await;
    capture(&stack, &tiered, "whole", r#"{"meters":{"input":9}}"#).await;
    stack
}

async fn debit(stack: &Stack, key: &str, call: &str) {
    let body = format!(r#"{{"action":"chat",{call}}}"#);
    let debited = stack.post("/v1/accounts/acme/debits", key, &body).await;
    assert_eq!(debited.status, 201, "{debited:?}");
}

async fn hold(stack: &Stack, key: &str, call: &str) -> String {
    let body = format!(r#"{{"action":"chat",{call},"expires_in_s":86400}}"#);
    let held = stack.post("/v1/accounts/acme/holds", key, &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held.text("/id").to_owned()
}

async fn capture(stack: &Stack, hold: &str, key: &str, body: &str) {
    let path = format!("/v1/accounts/acme/holds/{hold}/capture");
    let captured = stack.post(&path, key, body).await;
    assert_eq!(captured.status, 201, "{captured:?}");
}

/// Twice the rates of the mini model are in force from the next request on, under this version.
async fn publish_twice_the_rates(stack: &Stack, version: u32) {
    let mut files = CatalogFiles::built_in();
    files.catalog = Catalog::DEFAULT.replace("version = 1", &format!("version = {version}"));
    let table = files.rates.get_mut("llm").expect("the table");
    for (once, twice) in [("\"32.5\"", "\"65\""), ("\"3.25\"", "\"6.5\"")] {
        assert!(table.contains(once));
        *table = table.replace(once, twice);
    }
    let context = stack.context();
    let write = catalog_version::publish(&*context.catalog().await, &files, context.clock.now());
    context.store.commit(&write.expect("it follows")).await.expect("published");
    stack.set_clock(&format!("2026-11-18T12:{:02}:00Z", 2 * version - 2));
}

async fn audited(stack: &Stack) -> Vec<Difference> {
    let acme = "acme".parse().expect("an account");
    ::audit::account(stack.context(), &acme).await.expect("an answer")
}

/// The items that have entries of the account: itself, and its segments.
async fn items(stack: &Stack) -> Vec<(String, Item)> {
    let names = local::tables::names();
    let acme = AttributeValue::S("acme".to_owned());
    let get = stack.tables().get_item().table_name(&names.accounts).key("a", acme.clone());
    let account = get.send().await.expect("an answer").item.expect("an account");
    let query = stack.tables().query().table_name(&names.ledger);
    let query = query.key_condition_expression("a = :a AND begins_with(s, :s)");
    let query = query.expression_attribute_values(":a", acme);
    let query = query.expression_attribute_values(":s", AttributeValue::S("P#".to_owned()));
    let segments = query.send().await.expect("an answer").items.unwrap_or_default();
    let segments = segments.into_iter().map(|segment| (names.ledger.clone(), segment));
    std::iter::once((names.accounts.clone(), account)).chain(segments).collect()
}

async fn put(stack: &Stack, (table, item): (String, Item)) {
    let put = stack.tables().put_item().table_name(table).set_item(Some(item));
    put.send().await.expect("written");
}

/// Changes the entry with this key, wherever it is. Returns its id, and the item as it was.
async fn change_entry(
    stack: &Stack,
    key: &str,
    change: fn(&mut Entry),
) -> (OperationId, (String, Item)) {
    let bytes = |value: &AttributeValue| value.as_b().expect("bytes").as_ref().to_vec();
    let packed = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
    for (table, whole) in items(stack).await {
        let mut item = whole.clone();
        let mut entries = match item.get("en") {
            Some(segment) => packed::read_entries(&bytes(segment)).expect("entries"),
            None => {
                let list = |name: &str| item[name].as_l().expect("a list").iter().map(bytes);
                let entry = |(id, payload): (Vec<u8>, Vec<u8>)| {
                    let id = OperationId::from_bytes(id.try_into().expect("16 bytes"));
                    packed::read_entry(id, &payload).expect("an entry")
                };
                list("ri").zip(list("rp")).map(entry).collect()
            }
        };
        let found = entries.iter_mut().find(|entry| entry.key.as_deref() == Some(key));
        let Some(entry) = found else { continue };
        change(entry);
        let id = entry.id;
        if item.contains_key("en") {
            item.insert("en".to_owned(), packed(packed::entries(&entries)));
        } else {
            let payloads = entries.iter().map(|entry| packed(packed::entry(entry))).collect();
            item.insert("rp".to_owned(), AttributeValue::L(payloads));
        }
        put(stack, (table.clone(), item)).await;
        return (id, (table, whole));
    }
    panic!("no entry has the key {key:?}")
}

#[tokio::test]
async fn calls_priced_by_two_versions_of_the_rates_have_no_difference() {
    let stack = story().await;
    assert_eq!(audited(&stack).await, []);
}

#[tokio::test]
async fn one_wrong_micro_credit_in_the_price_of_a_call_is_found_and_named() {
    let stack = story().await;
    type Change = fn(&mut Entry);
    let more: Change = |entry| {
        entry.available -= MICRO;
        match &mut entry.kind {
            EntryKind::Captured { credits, .. } => *credits += MICRO,
            EntryKind::Held { .. } => entry.held += MICRO,
            _ => {}
        }
    };
    let less: Change = |entry| {
        entry.available += MICRO;
        match &mut entry.kind {
            EntryKind::Captured { credits, .. } => *credits -= MICRO,
            EntryKind::Held { .. } => entry.held -= MICRO,
            _ => {}
        }
    };
    let uncharged: Change = |entry| {
        if let EntryKind::Captured { uncharged, .. } = &mut entry.kind {
            *uncharged += MICRO;
        }
    };
    let model: Change = |entry| match &mut entry.kind {
        EntryKind::Debit { quantity: Quantity::Call(model, _), .. }
        | EntryKind::Captured { quantity: Quantity::Call(model, _), .. } => *model = 99,
        _ => {}
    };
    let version: Change = |entry| entry.catalog = 3 - entry.catalog;
    let lost: Change = |entry| entry.catalog = 77;
    let in_parts: Change = |entry| {
        if let EntryKind::Captured { ends, .. } = &mut entry.kind {
            *ends = false;
        }
    };
    let cases: [(&str, &str, Change); 19] = [
        ("small", "one more", more),
        ("small", "one less", less),
        ("small", "no such model", model),
        ("small", "another version", version),
        ("small", "no such version", lost),
        ("none", "one more", more),
        ("at the tier", "one more", more),
        ("above it", "one less", less),
        ("dearer", "another version", version),
        ("open", "one more", more),
        ("open", "one less", less),
        ("part", "one more", uncharged),
        ("part", "another version", version),
        ("part", "no such model", model),
        ("last", "one more", uncharged),
        ("last", "another version", version),
        // One more would be right of a final capture: its entry does not say whether it was one.
        ("beyond", "one less", less),
        ("whole", "one more", uncharged),
        ("whole", "a part", in_parts),
    ];
    for (key, wrong, change) in cases {
        let (id, whole) = change_entry(&stack, key, change).await;
        let found = audited(&stack).await;
        let priced: Vec<_> = found.iter().filter(|found| found.kind.name() == "price").collect();
        assert!(!priced.is_empty(), "{key}, {wrong}: {found:?}");
        assert!(priced.iter().all(|found| found.kind.about() == id.to_string()), "{found:?}");
        println!("{key}, {wrong}: {}", priced[0]);
        put(&stack, whole).await;
    }
    assert_eq!(audited(&stack).await, []);
}

/// A price is wrong in its entry alone, and the balance is what the entries say.
#[tokio::test]
async fn a_wrong_price_freezes_no_account() {
    let stack = story().await;
    let change: fn(&mut Entry) = |entry| {
        if let EntryKind::Captured { uncharged, .. } = &mut entry.kind {
            *uncharged += MICRO;
        }
    };
    change_entry(&stack, "last", change).await;
    let acme = "acme".parse().expect("an account");
    let acts = cli::repair::run(stack.context(), None, Some(&acme), false).await.expect("repaired");
    let done: Vec<_> = acts.iter().map(|act| (act.difference.kind.name(), act.done)).collect();
    assert_eq!(done.iter().filter(|(name, _)| *name == "price").count(), 1, "{done:?}");
    assert!(done.contains(&("price", cli::repair::Done::Left)), "{done:?}");
    let balance = stack.balance("acme").await;
    assert_eq!(balance.body["gate"], "open", "{balance:?}");
}

#[tokio::test]
async fn captures_by_meters_of_a_hold_for_no_call_are_found() {
    let stack = story().await;
    let change: fn(&mut Entry) = |entry| {
        if let EntryKind::Held { quantity, .. } = &mut entry.kind {
            *quantity = Quantity::NONE;
        }
    };
    change_entry(&stack, "parts", change).await;
    let found = audited(&stack).await;
    let expected = "no meters: its hold is for no call";
    let priced: Vec<_> = found.iter().filter(|found| found.kind.name() == "price").collect();
    assert_eq!(priced.len(), 2, "the part and the last one: {found:?}");
    assert!(priced.iter().all(|found| found.expected == expected), "{priced:?}");
}

#[tokio::test]
async fn a_version_that_priced_the_calls_of_several_accounts_is_read_once() {
    const VERSIONS: u32 = 9;
    let stack = Stack::noon().await;
    for account in ["acme", "beta"] {
        stack.open(account, "pro").await;
    }
    for version in 1..=VERSIONS {
        if version > 1 {
            publish_twice_the_rates(&stack, version).await;
        }
        let call = r#"{"action":"chat","model":"gpt-5-mini","meters":{"input":1}}"#;
        for account in ["acme", "beta"] {
            let path = format!("/v1/accounts/{account}/debits");
            let debited = stack.post(&path, &format!("call {version}"), call).await;
            assert_eq!(debited.status, 201, "{debited:?}");
        }
    }
    // One that has read none of them.
    let auditor = stack.beside(stack.context().clock.clone()).await;
    let mut read = Vec::new();
    for _ in 0..2 {
        let gets = Arc::new(AtomicUsize::new(0));
        let counted = gets.clone();
        stack.wire.set_policy(move |operation, _| {
            counted.fetch_add(usize::from(operation == "GetItem"), Ordering::Relaxed);
            Fault::None
        });
        let all = Walk { segment: 0, of: 1, after: None, most_bytes: u64::MAX };
        let walked = walk(auditor.context(), all, |_| true).await.expect("read");
        assert_eq!((walked.seen, walked.found), (2, vec![]));
        read.push(gets.load(Ordering::Relaxed));
    }
    // A catalog and its rate table; the one in force is in memory.
    let once = read[0] - read[1];
    assert!(once > 0 && once <= 2 * (VERSIONS as usize - 1), "{read:?}");
}
