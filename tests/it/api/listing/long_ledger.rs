//! A long ledger, listed while it grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tests::proof::ENTRIES;

use super::reading::{LEDGER, cell, debit_24, rows};
use crate::support::{Stack, request};

/// A long ledger is read from its end to its beginning while it grows, as JSON and as CSV. Entries
/// 1..n appear once each and sum to the balance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_entries_are_listed_once_each_while_debits_go_on() {
    let entries = usize::try_from(ENTRIES.get()).expect("it fits into memory");
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for _ in 0..entries / 24 + 1 {
        debit_24(&stack).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let debits = tokio::spawn({
        let (stack, done) = (stack.clone(), done.clone());
        async move {
            let mut batches = 0;
            while !done.load(Ordering::Relaxed) {
                debit_24(&stack).await;
                batches += 1;
            }
            batches
        }
    });
    let (json, table) =
        tokio::join!(listed(&stack, "application/json"), listed(&stack, "text/csv"));
    done.store(true, Ordering::Relaxed);
    let batches = debits.await.expect("debited");
    assert!(batches > 0, "nothing was debited meanwhile");
    // Each listing begins with the entry that was the latest, and ends with the first.
    for rows in [&json, &table] {
        assert!(rows.len() > entries);
        let numbers = rows.iter().map(|row| row[0].parse::<usize>().expect("a number"));
        assert!(numbers.eq((1..=rows.len()).rev()), "a gap, or an entry listed twice");
        let micro = |text: &String| {
            let credits: f64 = text.parse().expect("credits");
            (credits * 1e6).round() as i64
        };
        let place = |name: &str| COLUMNS.iter().position(|column| *column == name).expect("there");
        let sum: i64 = rows.iter().map(|row| micro(&row[place("available")])).sum();
        assert_eq!(sum, micro(&rows[0][place("balance_available")]));
    }
    let common = json.len().min(table.len());
    assert!(json[json.len() - common..] == table[table.len() - common..], "JSON and CSV differ");
    ENTRIES.say(format_args!("{} entries listed, {batches} batches meanwhile", json.len()));
}

const COLUMNS: [&str; 5] = ["seq", "at", "id", "available", "balance_available"];

/// Some columns of the whole ledger, the latest entry first.
async fn listed(stack: &Stack, accept: &str) -> Vec<[String; 5]> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{LEDGER}?limit=200{cursor}");
        let mut request = request("GET", &path, None, "");
        request.headers_mut().insert("accept", accept.parse().expect("a header"));
        let listing = crate::support::answer(stack.functions.answer(request).await);
        assert_eq!(listing.status, 200, "{listing:?}");
        let next = match &listing.body {
            Value::String(text) => {
                let mut rows = rows(text).into_iter();
                let columns = rows.next().expect("a header row");
                let place = |name| columns.iter().position(|column| column == name);
                let places = COLUMNS.map(|name| place(name).expect("a column"));
                found.extend(rows.map(|row| places.map(|place| row[place].clone())));
                listing.headers.get("next-cursor").map(|next| next.to_str().expect("text"))
            }
            listing => {
                let entries = listing["entries"].as_array().expect("entries");
                found.extend(entries.iter().map(|entry| COLUMNS.map(|name| cell(entry, name))));
                listing["next_cursor"].as_str()
            }
        };
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}
