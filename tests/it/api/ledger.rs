//! The ledger: one sequence without gaps or repeats that sums to the balance.

use serde_json::Value;
use shared::domain::Credits;

use crate::support::{Answer, Stack, at_once};

/// The whole ledger, the latest first, `limit` entries at a time.
async fn read(stack: &Stack, account: &str, limit: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/accounts/{account}/ledger?limit={limit}{cursor}");
        let listing = stack.get(&path).await;
        assert_eq!(listing.status, 200, "{listing:?}");
        let listed = listing.body["entries"].as_array().expect("entries").clone();
        assert!(!listed.is_empty());
        entries.extend(listed);
        match listing.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

fn micro(value: &Value) -> i64 {
    let text = value.as_str().expect("credits");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    match digits {
        "0" => 0,
        digits => sign * digits.parse::<Credits>().expect("credits").micro(),
    }
}

/// Entries are n..1; each balance is the one before plus the change; the last is the account's.
fn assert_sound(entries: &[Value], balance: &Answer) {
    let seqs: Vec<u64> = entries.iter().map(|e| e["seq"].as_u64().expect("a number")).collect();
    let expected: Vec<u64> = (1..=entries.len() as u64).rev().collect();
    assert_eq!(seqs, expected);
    let (mut available, mut held) = (0, 0);
    for entry in entries.iter().rev() {
        available += micro(&entry["available"]);
        held += micro(&entry["held"]);
        assert_eq!(micro(&entry["balance"]["available"]), available, "{entry}");
        assert_eq!(micro(&entry["balance"]["held"]), held, "{entry}");
    }
    assert_eq!(micro(&balance.body["available"]), available);
}

#[tokio::test]
async fn every_entry_is_listed_once_whatever_the_limit() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..150 {
        match n % 10 {
            9 => stack.grant("acme", &format!("gift {n}"), "2").await,
            _ => stack.action("acme", &format!("job {n}"), "custom_image", 3).await,
        };
    }
    let balance = stack.balance("acme").await;
    let whole = read(&stack, "acme", 200).await;
    assert_sound(&whole, &balance);
    for limit in [1, 7, 16, 50] {
        assert_eq!(read(&stack, "acme", limit).await, whole, "limit {limit}");
    }
    assert_eq!(whole.last().map(|e| &e["kind"]), Some(&Value::from("opened")));
    let debit = whole.iter().find(|e| e["kind"] == "debit").expect("a debit");
    assert_eq!(debit["action"], "custom_image");
    assert_eq!(debit["available"], "-1.5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn listing_during_debits_leaves_no_gap() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let work = at_once(8, |n| {
        let stack = stack.clone();
        async move {
            for round in 0..60 {
                if n == 0 {
                    let entries = read(&stack, "acme", 10).await;
                    let mut seqs = entries.iter().map(|e| e["seq"].as_u64().expect("a number"));
                    let first = seqs.next().expect("one");
                    assert!(seqs.eq((1..first).rev()), "a gap or a repeat");
                } else {
                    let debit = stack.debit("acme", &format!("{n} {round}"), "0.1").await;
                    assert_eq!(debit.status, 201);
                }
            }
        }
    });
    work.await;
    assert_sound(&read(&stack, "acme", 100).await, &stack.balance("acme").await);
}

#[tokio::test]
async fn changes_by_time_are_listed_before_they_are_written() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("open", "free").await;
    stack.debit("open", "some", "5").await;
    stack.set_clock("2026-11-23T00:00:00Z");
    stack.wire.take_costs();
    let entries = read(&stack, "open", 50).await;
    assert_eq!(stack.wire.take_costs().write_units, 0.0);
    assert_eq!(
        (&entries[0]["pending"], &entries[0]["kind"]),
        (&true.into(), &"time_passed".into())
    );
    let moved = entries[0]["moved"].as_array().expect("movements");
    let credits: Vec<_> = moved.iter().map(|m| m["credits"].as_str().expect("text")).collect();
    assert_eq!(credits, ["-20", "25"]);
    assert_sound(&entries, &stack.balance("open").await);
    // The first debit writes the advance as it was announced.
    stack.debit("open", "monday", "1").await;
    let written = read(&stack, "open", 50).await;
    assert_eq!(written[1]["moved"], entries[0]["moved"]);
    assert_sound(&written, &stack.balance("open").await);
}

#[tokio::test]
async fn a_cursor_works_for_one_account_and_only_unchanged() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("other", "pro").await;
    for n in 0..4 {
        stack.debit("acme", &format!("{n}"), "1").await;
    }
    let listing = stack.get("/v1/accounts/acme/ledger?limit=2").await;
    let cursor = listing.text("/next_cursor").to_owned();
    let changed = cursor.replacen('0', "1", 1);
    for (path, field) in [
        (format!("/v1/accounts/other/ledger?cursor={cursor}"), "cursor"),
        (format!("/v1/accounts/acme/ledger?cursor={changed}"), "cursor"),
        (format!("/v1/accounts/acme/ledger?cursor={}", &cursor[2..]), "cursor"),
        ("/v1/accounts/acme/ledger?cursor=".to_owned(), "cursor"),
        (format!("/v1/accounts/acme/ledger?cursor={cursor}&cursor={cursor}"), "cursor"),
        ("/v1/accounts/acme/ledger?limit=0".to_owned(), "limit"),
        ("/v1/accounts/acme/ledger?limit=201".to_owned(), "limit"),
        ("/v1/accounts/acme/ledger?limit=ten".to_owned(), "limit"),
        ("/v1/accounts/acme/ledger?from=1".to_owned(), "from"),
    ] {
        let refused = stack.get(&path).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{path}");
        assert_eq!(refused.text("/fields/0/field"), field);
    }
    assert_eq!(stack.get("/v1/accounts/nobody/ledger").await.code(), "account_not_found");
}
