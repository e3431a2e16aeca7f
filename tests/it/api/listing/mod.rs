//! Listings of a part of the ledger, as JSON and as CSV.

mod csv;
mod long_ledger;
mod reading;

use serde_json::{Value, json};
use shared::domain::entry::EntryGroup;
use shared::query::ledger::KINDS;

use crate::support::{Stack, contract};

use reading::{LEDGER, debit_24, get, rows};

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

/// An account with entries of many kinds at noon, at one and at two; most of them are archived.
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
async fn a_filter_lists_every_matching_entry_once() {
    let stack = stage().await;
    let whole = read(&stack, "", 200).await;
    let at = |n: usize| whole[n]["at"].as_str().expect("a time").to_owned();
    let [one, two] = ["2026-11-18T13:00:00.000Z", "2026-11-18T14:00:00.000Z"].map(str::to_owned);
    // Query parameters, by name and value. Times as they are shown sort by time.
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

/// Every entry is in one group, so together they are the whole ledger.
#[tokio::test]
async fn each_entry_is_listed_in_one_group() {
    let stack = stage().await;
    let whole = read(&stack, "", 200).await;
    let groups = &contract::contract()["components"]["parameters"]["LedgerGroup"]["schema"]["enum"];
    assert_eq!(*groups, json!(EntryGroup::ALL.map(EntryGroup::name)));
    let mut listed = Vec::new();
    for group in EntryGroup::ALL {
        for limit in [3, 200] {
            let found = read(&stack, &format!("group={}", group.name()), limit).await;
            assert!(found.len() < whole.len(), "{group:?}");
            listed.extend(found.into_iter().filter(|_| limit == 200));
        }
    }
    listed.sort_by_key(|entry| std::cmp::Reverse(entry["seq"].as_u64()));
    assert_eq!(listed, whole);
    let spent = read(&stack, "group=usage&action=rich_text", 200).await;
    assert_eq!(spent, read(&stack, "action=rich_text", 200).await);
    assert!(read(&stack, "group=purchases&kind=debit", 200).await.is_empty());
}

#[tokio::test]
async fn a_reference_a_key_or_an_id_finds_its_entries() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let debits = "/v1/accounts/acme/debits";
    for (key, body) in [
        ("job-1", r#"{"credits":"1","reference":"order-1042"}"#),
        ("job-2", r#"{"credits":"2","reference":"order-1042"}"#),
        ("order-1042", r#"{"credits":"3"}"#),
        ("job-4", r#"{"credits":"4","reference":"order-10421"}"#),
    ] {
        assert_eq!(stack.post(debits, key, body).await.status, 201, "{key}");
    }
    let changes = |entries: Vec<Value>| -> Vec<String> {
        entries.iter().map(|entry| entry["available"].to_string()).collect()
    };
    let found = read(&stack, "reference=order-1042", 1).await;
    let id = found[0]["id"].as_str().expect("an id").to_uppercase();
    assert_eq!(changes(found), [r#""-3""#, r#""-2""#, r#""-1""#]);
    assert_eq!(changes(read(&stack, "reference=job-4", 50).await), [r#""-4""#]);
    assert_eq!(changes(read(&stack, &format!("reference={id}"), 50).await), [r#""-3""#]);
    assert!(read(&stack, "reference=Order-1042", 50).await.is_empty());
}

/// Entries outside the time range are not read.
#[tokio::test]
async fn a_listing_bounded_by_time_reads_less() {
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

/// One request reads a few thousand entries at most and returns a cursor.
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
async fn a_pending_entry_is_listed_first_and_only_if_it_matches() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("acme", "free").await;
    for n in 0..4 {
        stack.debit("acme", &format!("{n}"), "1").await;
    }
    stack.set_clock("2026-11-23T00:00:00Z");
    let is_pending = |entry: &Value| entry["pending"] == true;
    for query in ["", "kind=time_passed", "from=2026-11-23T00:00:00Z"] {
        let entries = read(&stack, query, 2).await;
        let places: Vec<_> = (0..entries.len()).filter(|n| is_pending(&entries[*n])).collect();
        assert_eq!(places, [0], "{query}");
    }
    for query in ["kind=debit", "user=ann", "action=rich_text", "to=2026-11-23T00:00:00Z"] {
        assert!(!read(&stack, query, 2).await.iter().any(is_pending), "{query}");
    }
    let listing = get(&stack, LEDGER, "text/csv").await;
    let rows = rows(listing.text(""));
    assert_eq!((rows.len(), &*rows[1][0], &*rows[1][2]), (7, "6", "time_passed"));
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
        ("group=debit", "group"),
        ("group=", "group"),
        ("group=usage&group=usage", "group"),
        ("reference=", "reference"),
        ("reference=a&reference=b", "reference"),
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
