//! Helpers of the listing tests: how to read a ledger, and the CSV to expect.

use serde_json::{Value, json};

use crate::support::{Answer, Stack, request};

pub(super) const LEDGER: &str = "/v1/accounts/acme/ledger";
/// The columns of the CSV that hold callers' texts.
const TEXTS: [&str; 6] = ["key", "user", "actor", "reference", "reason", "message"];

pub(super) async fn get(stack: &Stack, path: &str, accept: &str) -> Answer {
    let mut request = request("GET", path, None, "");
    request.headers_mut().insert("accept", accept.parse().expect("a header"));
    stack.send(request).await
}

/// Two dozen debits, a hundredth of a credit each. Not checked against the contract: other tests
/// do, and there are thousands.
pub(super) async fn debit_24(stack: &Stack) {
    let debits = (0..24).map(|_| json!({ "id": stack.id(0).to_string(), "credits": "0.01" }));
    let debits: Vec<Value> = debits.collect();
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let batch = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
    let done = crate::support::answer(stack.functions.answer(batch).await);
    assert_eq!(done.status, 201, "{done:?}");
}

/// The rows of a CSV as RFC 4180 defines them, the header row first, after the byte order mark.
pub(super) fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.trim_start_matches('\u{FEFF}').chars().peekable();
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

/// The expected CSV text of an entry in a column.
pub(super) fn cell(entry: &Value, column: &str) -> String {
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
