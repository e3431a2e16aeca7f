//! The ledger as CSV: the same content as its JSON, and no cell that a spreadsheet would run.

use serde_json::json;

use super::reading::{LEDGER, cell, get, rows};
use super::stage;
use crate::support::Stack;

/// Compares the CSV of a query with its JSON, `limit` entries at a time.
async fn assert_same(stack: &Stack, query: &str, limit: usize) {
    let mut cursor = String::new();
    loop {
        let path = format!("{LEDGER}?limit={limit}{query}{cursor}");
        let (listing, table) = (stack.get(&path).await, get(stack, &path, "text/csv").await);
        assert_eq!(table.status, 200, "{table:?}");
        assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(table.headers["cache-control"], "no-store");
        assert!(table.text("").starts_with("\u{FEFF}seq,"), "{table:?}");
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
    stack
        .post(
            &refund,
            "refund",
            r#"{"credits":"1","reason":"late, \"very\" late","message":"=so sorry"}"#,
        )
        .await;
    for (query, limit) in [("", 20), ("", 200), ("&user=bob", 7), ("&kind=frozen", 50)] {
        assert_same(&stack, query, limit).await;
    }
}

#[tokio::test]
async fn a_callers_text_in_a_cell_is_never_a_formula() {
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
    let table = get(&stack, &format!("{LEDGER}?limit=3"), "text/csv").await;
    let rows = rows(table.text(""));
    let at = |row: usize, column: &str| {
        let place = rows[0].iter().position(|name| name == column).expect("a column");
        rows[row][place].as_str()
    };
    // The latest entry is the advance that folded the grant in.
    assert_eq!((at(2, "key"), at(2, "reason")), ("'=2", "'-2+3"));
    assert_eq!(at(2, "reference"), "a=b, \"c\"");
    assert_eq!((at(3, "key"), at(3, "reference")), ("'+1", "'@SUM(A1,A2)"));
    assert_eq!(at(3, "user"), "'=HYPERLINK(\"https://example.com\",\"go\")");
    // A number is no text: it may be negative.
    assert_eq!(at(3, "available"), "-1");
    assert_same(&stack, "", 1).await;
}

/// A spreadsheet can start a cell after a `;` where numbers have a comma, and it ignores invisible
/// characters before a formula.
#[tokio::test]
async fn no_part_of_a_cell_is_a_formula_in_any_locale() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let cases = [
        ("late;=1+1", "late;'=1+1"),
        ("a;b;-2;c", "a;b;'-2;c"),
        ("a;\"=1\"", "a;'\"=1\""),
        (" =1", "' =1"),
        ("\u{A0}@SUM(A1)", "'\u{A0}@SUM(A1)"),
        ("\u{3000}+1", "'\u{3000}+1"),
        ("\u{200B}\u{FEFF}-1", "'\u{200B}\u{FEFF}-1"),
        ("a; \u{2003}=1", "a;' \u{2003}=1"),
        ("＝1＋1", "'＝1＋1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("a;＠SUM", "a;'＠SUM"),
        // Text that is no formula stays as it is.
        ("1=1; 2-1", "1=1; 2-1"),
        ("\"=1\" he said", "'\"=1\" he said"),
        ("(=1); 'x'", "(=1); 'x'"),
        ("été; ＝", "été;' ＝"),
    ];
    for (n, (reason, _)) in cases.iter().enumerate() {
        let body = json!({ "credits": "1", "reason": reason }).to_string();
        let granted = stack.post("/v1/accounts/acme/grants", &format!("{n}"), &body).await;
        assert_eq!(granted.status, 201, "{granted:?}");
    }
    let table = get(&stack, &format!("{LEDGER}?kind=granted&limit=200"), "text/csv").await;
    let rows = rows(table.text(""));
    let place = rows[0].iter().position(|name| name == "reason").expect("a column");
    let said: Vec<&str> = rows[1..].iter().rev().map(|row| row[place].as_str()).collect();
    assert_eq!(said, cases.map(|(_, said)| said));
}

#[tokio::test]
async fn csv_is_sent_to_those_who_ask_for_it() {
    const CSV: &str = "text/csv; charset=utf-8";
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (accept, expected) in [
        ("text/csv", CSV),
        ("Text/CSV; charset=utf-8, */*;q=0.1", CSV),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ] {
        assert_eq!(get(&stack, LEDGER, accept).await.headers["content-type"], expected, "{accept}");
    }
    let missing = get(&stack, "/v1/accounts/nobody/ledger", "text/csv").await;
    assert_eq!((missing.status, missing.code()), (404, "account_not_found"));
}
