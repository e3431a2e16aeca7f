//! Entries of kinds that only a later version knows: an older one carries them along unchanged,
//! counts what it knows of them, and decides nothing by the rest.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use cli::repair::Done;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::domain::{Credits, OperationId};
use tests::proof;

use crate::support::{Stack, ledger, of, request};

/// The credits that an entry of the later version spends: 0.5.
const SPENT: i64 = 500_000;

/// Random entries of later versions, each as the bytes that one would write.
struct Later(StdRng);

impl Later {
    /// An entry of a random kind with random fields, made now under this id.
    fn entry(&mut self) -> Vec<u8> {
        let tag = self.0.random_range(25..=255_u8);
        let user = self.0.random_bool(0.5);
        // The head that all kinds have: tag, flags, time beside the id's, change of available,
        // catalog, and the texts that the flags name.
        let mut bytes = vec![tag, if user { 2 } else { 0 }, 0];
        number(&mut bytes, (SPENT * 2 - 1).unsigned_abs());
        bytes.push(1);
        if user {
            bytes.extend(b"\x03ada");
        }
        let fields: Vec<u8> = (0..self.0.random_range(0..300)).map(|_| self.0.random()).collect();
        number(&mut bytes, fields.len() as u64);
        bytes.extend(fields);
        bytes
    }
}

fn number(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Appends the entry of a later version to the account, as that version's write would.
async fn append(stack: &Stack, id: OperationId, entry: &[u8]) {
    let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    let update = stack.tables().update_item().table_name(local::tables::names().accounts);
    let update = update.key("a", AttributeValue::S("acme".to_owned()));
    let update = update
        .update_expression(
            "SET av = av - :spent, sq = sq + :one, \
             ri = list_append(ri, :id), rp = list_append(rp, :entry)",
        )
        .expression_attribute_values(":spent", AttributeValue::N(SPENT.to_string()))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .expression_attribute_values(":id", AttributeValue::L(vec![bytes(id.bytes())]))
        .expression_attribute_values(":entry", AttributeValue::L(vec![bytes(entry)]));
    update.send().await.expect("written");
}

/// The bytes of every entry of the account, archived or not.
async fn stored(stack: &Stack) -> Vec<Vec<u8>> {
    let names = local::tables::names();
    let mut found = Vec::new();
    for table in [names.accounts, names.ledger] {
        let scanned = stack.tables().scan().table_name(table).send().await.expect("items");
        for item in scanned.items() {
            let mut take = |value: &AttributeValue| {
                if let AttributeValue::B(bytes) = value {
                    found.push(bytes.as_ref().to_vec());
                }
            };
            item.get("en").into_iter().for_each(&mut take);
            let empty = AttributeValue::L(Vec::new());
            let ids = item.get("ri").unwrap_or(&empty).as_l().expect("ids").iter();
            let entries = item.get("rp").unwrap_or(&empty).as_l().expect("entries").iter();
            // As in a segment: the id, then the entry.
            for (id, entry) in ids.zip(entries) {
                let [id, entry] = [id, entry].map(|value| value.as_b().expect("bytes").as_ref());
                take(&AttributeValue::B(Blob::new([id, entry].concat())));
            }
        }
    }
    found
}

fn is_in(stored: &[Vec<u8>], wanted: &[u8]) -> bool {
    stored.iter().any(|bytes| bytes.windows(wanted.len()).any(|part| part == wanted))
}

async fn kinds(stack: &Stack) -> HashMap<String, usize> {
    let mut kinds = HashMap::new();
    for entry in ledger(&stack.functions, "acme").await.expect("a ledger") {
        *kinds.entry(entry["kind"].as_str().expect("a kind").to_owned()).or_default() += 1;
    }
    kinds
}

#[tokio::test]
async fn entries_of_later_versions_are_carried_along_unchanged() {
    let seed = proof::seed(1);
    println!("SEED={seed}");
    let mut later = Later(StdRng::seed_from_u64(seed));
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let mut written = Vec::new();
    for n in 0..12 {
        let (id, entry) = (stack.id(0), later.entry());
        append(&stack, id, &entry).await;
        written.push([&id.bytes()[..], &entry].concat());
        let between = later.0.random_range(0..20);
        for m in 0..between.max(if n == 11 { 10 } else { 0 }) {
            let debit = stack.debit("acme", &format!("job {n}.{m}"), "1").await;
            assert_eq!(debit.status, 201, "{debit:?}");
        }
        stack.relay().await;
    }
    let stored = stored(&stack).await;
    for entry in &written {
        assert!(is_in(&stored, entry), "{entry:?} was changed");
    }
    // Listed in their places, with their sums: the ledger adds up to the balance.
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let mut sum = Credits::ZERO;
    for (entry, seq) in entries.iter().zip(1..) {
        assert_eq!(entry["seq"], seq);
        let (minus, amount) = match entry["available"].as_str().expect("credits") {
            "0" => (false, Credits::ZERO),
            text => {
                let amount = text.trim_start_matches('-').parse().expect("credits");
                (text.starts_with('-'), amount)
            }
        };
        sum += if minus { -amount } else { amount };
        assert_eq!(entry["balance"]["available"], json!(sum));
    }
    assert_eq!(stack.balance("acme").await.body["available"], json!(sum));
    assert_eq!(kinds(&stack).await["unknown"], written.len());
    let unknown = stack.get(&of("acme", "/ledger?kind=unknown&limit=200")).await;
    assert_eq!(unknown.body["entries"].as_array().map(Vec::len), Some(written.len()));
    // Some are archived, some are not.
    let item = stack.context().store.account(&"acme".parse().expect("an id")).await;
    let account = item.expect("an answer").expect("an account").account;
    assert!(account.archived_seq > 20, "{}", account.archived_seq);
    let usage = stack.get(&of("acme", "/usage?from=2026-11-18&to=2026-11-19")).await;
    assert_eq!(usage.status, 200, "{usage:?}");
}

#[tokio::test]
async fn an_audit_tells_once_that_an_account_has_entries_of_a_later_version() {
    let mut later = Later(StdRng::seed_from_u64(2));
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    for n in 0..3 {
        append(&stack, stack.id(0), &later.entry()).await;
        for m in 0..15 {
            stack.debit("acme", &format!("job {n}.{m}"), "1").await;
        }
        stack.relay().await;
    }
    let audited = ::audit::report(stack.context(), None, None, |_| ()).await.expect("a report");
    let names: Vec<_> = audited.differences.iter().map(|found| found.kind.name()).collect();
    assert_eq!(names, ["unknown_kind"], "{:?}", audited.differences);
    // Only the version that knows the kind can repair such an account: this one freezes nothing.
    let acts = cli::repair::run(stack.context(), None, None, false).await.expect("a repair");
    assert_eq!(acts.iter().map(|act| act.done).collect::<Vec<_>>(), [Done::Left]);
    assert!(!kinds(&stack).await.contains_key("frozen"));
    // A micro-credit that is off beside it is still found.
    let update = stack.tables().update_item().table_name(local::tables::names().accounts);
    let update = update.key("a", AttributeValue::S("acme".to_owned()));
    let update = update.update_expression("SET av = av - :one");
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    update.send().await.expect("written");
    let audited = ::audit::report(stack.context(), None, None, |_| ()).await.expect("a report");
    assert!(audited.differences.iter().any(|found| found.kind.name() == "available"));
}

/// What a request asks can depend on what the entry did: it is told that this is not known.
#[tokio::test]
async fn what_depends_on_an_entry_of_a_later_version_is_not_guessed() {
    let mut later = Later(StdRng::seed_from_u64(3));
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let debit = stack.debit("acme", "before", "3").await.text("/id").to_owned();
    let held = stack.post(&of("acme", "/holds"), "held", r#"{"credits":"1"}"#).await;
    let hold = held.text("/id").to_owned();
    stack.post(&of("acme", &format!("/holds/{hold}/release")), "release", "{}").await;
    let unknown = stack.id(0);
    append(&stack, unknown, &later.entry()).await;
    // The grant is folded in by an advance: to refund what was debited before it, the history since
    // is replayed.
    stack.grant("acme", "more", "5").await;

    let not_known = |asked: &str, answer: crate::support::Answer| {
        assert_eq!((answer.status, answer.code()), (503, "outcome_unknown"), "{asked} {answer:?}");
        assert!(answer.text("/detail").contains("later version"), "{answer:?}");
    };
    let refund = r#"{"credits":"1","reason":"it failed"}"#;
    let path = of("acme", &format!("/debits/{debit}/refund"));
    not_known("the replayed history", stack.post(&path, "refund", refund).await);
    let path = of("acme", &format!("/debits/{unknown}/refund"));
    not_known("the refunded operation", stack.post(&path, "refund 2", refund).await);
    not_known("a retry", stack.debit("acme", &unknown.to_string(), "0.5").await);
    let path = of("acme", &format!("/holds/{unknown}/release"));
    not_known("the hold", stack.post(&path, "release 2", "{}").await);
    // The end of a hold that is known lies before it.
    let path = of("acme", &format!("/holds/{hold}/release"));
    assert_eq!(stack.post(&path, "release 3", "{}").await.code(), "hold_ended");
    // Nothing of this changed anything, and everything else goes on.
    let after = stack.debit("acme", "after", "1").await;
    assert_eq!(after.status, 201, "{after:?}");
    let path = of("acme", &format!("/debits/{}/refund", after.text("/id")));
    assert_eq!(stack.post(&path, "refund 3", refund).await.status, 201);
    assert_eq!(kinds(&stack).await["refunded"], 1);
}

/// A customer sees the change, and nothing that may be meant for the company's own people.
#[tokio::test]
async fn a_customer_sees_the_change_of_an_entry_of_a_later_version() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    // Flags 2, 4, 8 and 32: a user, a reference, a reason and a message.
    let mut entry = vec![77, 46, 0];
    number(&mut entry, (SPENT * 2 - 1).unsigned_abs());
    entry.push(1);
    for text in ["arn:aws:iam::1:user/ann", "a case", "a reason", "a message"] {
        entry.push(text.len() as u8);
        entry.extend(text.as_bytes());
    }
    entry.push(0);
    append(&stack, stack.id(0), &entry).await;
    let service = stack.get(&of("acme", "/ledger?limit=1")).await.body["entries"][0].clone();
    assert_eq!(service["user"], "arn:aws:iam::1:user/ann");
    let path = of("acme", "/sessions");
    let body =
        r#"{"subject":"ada","scopes":["view"],"return_url":"https://app.example.com/credits"}"#;
    let token = stack.send(request("POST", &path, None, body)).await.text("/token").to_owned();
    let mut mine = request("GET", "/v1/me/ledger?limit=1", None, "");
    let bearer = format!("Bearer {token}").parse().expect("a header");
    mine.headers_mut().insert("authorization", bearer);
    let mine = stack.send(mine).await.body["entries"][0].clone();
    assert_eq!((&mine["kind"], &mine["by"]), (&json!("unknown"), &json!("unknown")));
    assert_eq!((&mine["available"], &mine["message"]), (&json!("-0.5"), &json!("a message")));
    for hidden in ["user", "reference", "reason", "key"] {
        assert_eq!(mine[hidden], Value::Null, "{hidden}");
    }
}
