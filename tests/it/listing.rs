//! Listings of a part of the ledger, and as CSV.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shared::query::ledger::KINDS;
use tests::proof::ENTRIES;

use crate::support::{Answer, Stack, contract, request};

const LEDGER: &str = "/v1/accounts/acme/ledger";
/// The columns of the CSV that hold callers' texts.
const TEXTS: [&str; 4] = ["key", "user", "reference", "reason"];

async fn get(stack: &Stack, path: &str, accept: &str) -> Answer {
    let mut request = request("GET", path, None, "");
    request.headers_mut().insert("accept", accept.parse().expect("a header"));
    stack.send(request).await
}

/// Every entry that a query lists, `limit` at a time.
async fn read(stack: &Stack, query: &str, limit: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let listing = stack.get(&format!("{LEDGER}?limit={limit}&{query}{cursor}")).await;
        assert_eq!(listing.status, 200, "{listing:?}");
        let listed = listing.body["entries"].as_array().expect("entries");
        assert!(listed.len() <= limit + 1);
        entries.extend(listed.clone());
        match listing.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

/// An account with entries of many kinds at noon, at one and at two; most of them are in pages.
async fn stage() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let debits = "/v1/accounts/acme/debits";
    for hour in 12..15 {
        // It is noon already, and a clock does not go back.
        if hour > 12 {
            stack.set_clock(&format!("2026-11-18T{hour}:00:00Z"));
        }
        for n in 0..80 {
            let key = format!("{hour} {n}");
            let user = if n % 2 == 0 { "ann" } else { "bob" };
            let action = if n % 3 == 0 { "rich_text" } else { "custom_image" };
            let body = json!({ "action": action, "quantity": 2, "user": user }).to_string();
            let done = match n % 20 {
                7 => stack.grant("acme", &key, "2").await,
                8 => stack.debit("acme", &key, "0.5").await,
                _ => stack.post(debits, &key, &body).await,
            };
            assert_eq!(done.status, 201, "{done:?}");
        }
        let body = r#"{"action":"custom_image","quantity":4,"user":"ann"}"#;
        let held = stack.post("/v1/accounts/acme/holds", &format!("hold {hour}"), body).await;
        let capture = format!("/v1/accounts/acme/holds/{}/capture", held.text("/id"));
        let captured = stack.post(&capture, &format!("capture {hour}"), r#"{"quantity":1}"#).await;
        assert_eq!(captured.status, 201, "{captured:?}");
    }
    stack
}

#[tokio::test]
async fn a_filter_lists_every_entry_that_fits_once() {
    let stack = stage().await;
    let whole = read(&stack, "", 200).await;
    let at = |n: usize| whole[n]["at"].as_str().expect("a time").to_owned();
    let [one, two] = ["2026-11-18T13:00:00.000Z", "2026-11-18T14:00:00.000Z"].map(str::to_owned);
    // A parameter of the query, by its name and value. Times as they are shown sort by time.
    let filters: Vec<Vec<(&str, String)>> = vec![
        vec![("action", "custom_image".into())],
        vec![("action", "rich_text".into()), ("kind", "debit".into())],
        vec![("user", "ann".into())],
        vec![("user", "ann".into()), ("kind", "held".into())],
        vec![("from", one.clone())],
        vec![("to", two.clone())],
        vec![("from", one.clone()), ("to", two.clone())],
        vec![("from", at(20))],
        vec![("to", at(20))],
        vec![("from", at(200)), ("to", at(100))],
        vec![("user", "bob".into()), ("kind", "debit".into()), ("from", one), ("to", two)],
    ];
    for filter in filters {
        let pairs: Vec<String> =
            filter.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = pairs.join("&");
        let fits = |entry: &&Value| {
            filter.iter().all(|(name, value)| match *name {
                "from" => entry["at"].as_str() >= Some(value.as_str()),
                "to" => entry["at"].as_str() < Some(value.as_str()),
                name => entry[name] == **value,
            })
        };
        let expected: Vec<Value> = whole.iter().filter(fits).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < whole.len(), "{query}");
        for limit in [3, 50] {
            assert_eq!(read(&stack, &query, limit).await, expected, "{query}, limit {limit}");
        }
    }
    assert!(read(&stack, "user=nobody", 50).await.is_empty());
    let none = "from=2026-11-18T14:00:00Z&to=2026-11-18T13:00:00Z";
    assert!(read(&stack, none, 50).await.is_empty());
    // The same time with another offset.
    let shifted = read(&stack, "from=2026-11-18T14:00:00%2B01:00", 200).await;
    assert_eq!(shifted, read(&stack, "from=2026-11-18T13:00:00Z", 200).await);
}

#[tokio::test]
async fn every_kind_of_the_contract_is_a_filter() {
    let stack = stage().await;
    let kinds = contract::contract()["components"]["schemas"]["EntryKind"]["enum"].clone();
    assert_eq!(kinds, json!(KINDS));
    let whole = read(&stack, "", 200).await;
    for kind in KINDS {
        let expected: Vec<_> = whole.iter().filter(|e| e["kind"] == kind).cloned().collect();
        assert_eq!(read(&stack, &format!("kind={kind}"), 50).await, expected, "{kind}");
    }
}

/// What time leaves out is not read.
#[tokio::test]
async fn a_listing_between_times_reads_less() {
    let stack = stage().await;
    let mut cost = Vec::new();
    for time in ["", "&from=2026-11-18T14:00:00Z", "&to=2026-11-18T12:30:00Z"] {
        stack.wire.take_costs();
        stack.get(&format!("{LEDGER}?limit=1&kind=frozen{time}")).await;
        cost.push(stack.wire.take_costs());
    }
    assert!(cost[1].calls("Query") < cost[0].calls("Query"), "from: {cost:?}");
    assert!(cost[2].read_units < cost[0].read_units, "to: {cost:?}");
}

/// Two dozen debits, a hundredth of a credit each. Not held against the contract: other tests do,
/// and there are thousands.
async fn debit_24(stack: &Stack) {
    let debits = (0..24).map(|_| json!({ "id": stack.id(0).to_string(), "credits": "0.01" }));
    let debits: Vec<Value> = debits.collect();
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let batch = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
    let done = crate::support::answer(stack.functions.answer(batch).await);
    assert_eq!(done.status, 201, "{done:?}");
}

/// One request reads some thousands of entries at most, and says where to go on.
#[tokio::test]
async fn a_rare_entry_of_a_long_ledger_is_found_in_bounded_steps() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for _ in 0..320 {
        debit_24(&stack).await;
    }
    stack.wire.take_costs();
    let first = stack.get(&format!("{LEDGER}?kind=opened")).await;
    assert!(stack.wire.take_costs().calls("Query") <= 8);
    assert_eq!(first.body["entries"], json!([]));
    assert!(first.body["next_cursor"].is_string(), "{first:?}");
    let found = read(&stack, "kind=opened", 50).await;
    assert_eq!((found.len(), &found[0]["seq"]), (1, &json!(1)));
}

#[tokio::test]
async fn a_pending_entry_is_listed_first_and_only_if_it_fits() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("acme", "free").await;
    for n in 0..4 {
        stack.debit("acme", &format!("{n}"), "1").await;
    }
    stack.set_clock("2026-11-23T00:00:00Z");
    let is_pending = |entry: &Value| entry["pending"] == true;
    for query in ["", "kind=settled", "from=2026-11-23T00:00:00Z"] {
        let entries = read(&stack, query, 2).await;
        let places: Vec<_> = (0..entries.len()).filter(|n| is_pending(&entries[*n])).collect();
        assert_eq!(places, [0], "{query}");
    }
    for query in ["kind=debit", "user=ann", "action=rich_text", "to=2026-11-23T00:00:00Z"] {
        assert!(!read(&stack, query, 2).await.iter().any(is_pending), "{query}");
    }
    let listing = get(&stack, LEDGER, "text/csv").await;
    let rows = rows(listing.text(""));
    assert_eq!((rows.len(), &*rows[1][0], &*rows[1][2]), (7, "6", "settled"));
}

/// The rows of a CSV as RFC 4180 has them, the header row first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => assert_eq!(chars.peek(), Some(&'\n')),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "a row without an end");
    rows
}

/// What the CSV should say of an entry in a column.
fn cell(entry: &Value, column: &str) -> String {
    let value = match column.strip_prefix("balance_") {
        Some(part) => &entry["balance"][part],
        None => &entry[column],
    };
    match value {
        Value::Null => String::new(),
        Value::String(text)
            if TEXTS.contains(&column) && text.starts_with(['=', '+', '-', '@']) =>
        {
            format!("'{text}")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Holds the CSV of a query against its JSON, `limit` entries at a time.
async fn assert_same(stack: &Stack, query: &str, limit: usize) {
    let mut cursor = String::new();
    loop {
        let path = format!("{LEDGER}?limit={limit}{query}{cursor}");
        let (listing, table) = (stack.get(&path).await, get(stack, &path, "text/csv").await);
        assert_eq!(table.status, 200, "{table:?}");
        assert_eq!(table.headers["content-type"], "text/csv");
        assert_eq!(table.headers["cache-control"], "no-store");
        let mut rows = rows(table.text("")).into_iter();
        let columns = rows.next().expect("a header row");
        let entries = listing.body["entries"].as_array().expect("entries").iter();
        let expected: Vec<Vec<String>> = entries
            .map(|entry| columns.iter().map(|column| cell(entry, column)).collect())
            .collect();
        assert_eq!(rows.collect::<Vec<_>>(), expected, "{path}");
        let next = table.headers.get("next-cursor").map(|next| next.to_str().expect("text"));
        assert_eq!(next, listing.body["next_cursor"].as_str(), "{path}");
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return,
        }
    }
}

#[tokio::test]
async fn the_csv_says_what_the_json_says() {
    let stack = stage().await;
    let id = stack.debit("acme", "to refund", "3").await.text("/id").to_owned();
    let refund = format!("/v1/accounts/acme/debits/{id}/refund");
    stack.post(&refund, "refund", r#"{"credits":"1","reason":"late, \"very\" late"}"#).await;
    for (query, limit) in [("", 20), ("", 200), ("&user=bob", 7), ("&kind=frozen", 50)] {
        assert_same(&stack, query, limit).await;
    }
}

#[tokio::test]
async fn no_cell_of_a_caller_is_a_formula() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let body = json!({
        "credits": "1",
        "user": "=HYPERLINK(\"https://example.com\",\"go\")",
        "reference": "@SUM(A1,A2)",
    });
    let debited = stack.post("/v1/accounts/acme/debits", "+1", &body.to_string()).await;
    assert_eq!(debited.status, 201, "{debited:?}");
    let body = r#"{"credits":"1","reason":"-2+3","reference":"a=b, \"c\""}"#;
    let granted = stack.post("/v1/accounts/acme/grants", "=2", body).await;
    assert_eq!(granted.status, 201, "{granted:?}");
    let table = get(&stack, &format!("{LEDGER}?limit=2"), "text/csv").await;
    let rows = rows(table.text(""));
    let at = |row: usize, column: &str| {
        let place = rows[0].iter().position(|name| name == column).expect("a column");
        rows[row][place].as_str()
    };
    assert_eq!((at(1, "key"), at(1, "reason")), ("'=2", "'-2+3"));
    assert_eq!(at(1, "reference"), "a=b, \"c\"");
    assert_eq!((at(2, "key"), at(2, "reference")), ("'+1", "'@SUM(A1,A2)"));
    assert_eq!(at(2, "user"), "'=HYPERLINK(\"https://example.com\",\"go\")");
    // A number is no text: it may be negative.
    assert_eq!(at(2, "available"), "-1");
    assert_same(&stack, "", 1).await;
}

#[tokio::test]
async fn csv_comes_to_whom_asks_for_it() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (accept, expected) in [
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8, */*;q=0.1", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ] {
        assert_eq!(get(&stack, LEDGER, accept).await.headers["content-type"], expected, "{accept}");
    }
    let missing = get(&stack, "/v1/accounts/nobody/ledger", "text/csv").await;
    assert_eq!((missing.status, missing.code()), (404, "account_not_found"));
}

#[tokio::test]
async fn bad_filters_are_refused_by_name() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("other", "pro").await;
    stack.debit("acme", "some", "1").await;
    let listing = stack.get(&format!("{LEDGER}?limit=1")).await;
    let cursor = listing.text("/next_cursor").to_owned();
    for (query, field) in [
        ("kind=debits", "kind"),
        ("kind=", "kind"),
        ("kind=debit&kind=granted", "kind"),
        ("action=no_such", "action"),
        ("action=rich_text&action=rich_text", "action"),
        ("user=", "user"),
        ("user=ann&user=bob", "user"),
        ("from=yesterday", "from"),
        ("from=2026-11-18", "from"),
        ("from=2026-11-18T12:00:00", "from"),
        ("to=1", "to"),
        ("to=2026-11-18T12:00:00Z&to=2026-11-18T12:00:00Z", "to"),
        ("limit=5&limit=5", "limit"),
        ("reference=order", "reference"),
        ("Kind=debit", "Kind"),
    ] {
        for accept in ["application/json", "text/csv"] {
            let refused = get(&stack, &format!("{LEDGER}?{query}"), accept).await;
            assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
            assert_eq!(refused.text("/fields/0/field"), field, "{query}");
        }
    }
    let path = format!("/v1/accounts/other/ledger?kind=debit&cursor={cursor}");
    let refused = get(&stack, &path, "text/csv").await;
    assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "cursor"));
}

/// A long ledger, read from its end to its beginning while it grows: the entries 1..n, each once, as
/// JSON and as CSV, and their sum is the balance.
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
    // Each listing begins with the latest entry there was, and ends with the first.
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
