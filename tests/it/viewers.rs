//! A customer sees that an operator did something, and never which of the company's people it was.

use std::path::Path;

use serde_json::Value;
use shared::http::gateway;

use crate::page::page;
use crate::support::{Answer, Stack, answer, contract, request};

const ADA: &str = "arn:aws:iam::123456789012:user/ada";

/// What an operator does by a sample event, signed by the principal in it.
async fn operated(stack: &Stack, event: &str) {
    let file = format!("../events/{event}.json");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let text = text.expect("an event").replace("accounts/new", "accounts/open");
    let text = text.replace("accounts/frozen", "accounts/open");
    let described = serde_json::from_str(&text).expect("JSON");
    let request = gateway::request(described).expect("a request");
    let done = answer(accounts::handle(stack.world(), request).await);
    assert!([200, 201].contains(&done.status), "{event}: {done:?}");
}

/// The ledger as the account's customer gets it.
async fn mine(stack: &Stack, query: &str) -> Answer {
    let body = r#"{"subject":"ada","return_url":"https://app.example.com/"}"#;
    let made = stack.send(request("POST", "/v1/accounts/open/sessions", None, body)).await;
    let mut get = request("GET", &format!("/v1/me/ledger{query}"), None, "");
    let bearer = format!("Bearer {}", made.text("/token"));
    get.headers_mut().insert("authorization", bearer.parse().expect("a header"));
    let mine = answer(stack.functions.answer(get).await);
    contract::check("GET", "/v1/me/ledger", &mine);
    mine
}

fn users(listing: &Answer) -> Vec<(&str, &str)> {
    let entries = listing.body["entries"].as_array().expect("entries").iter();
    entries
        .map(|entry| (entry["kind"].as_str().expect("text"), entry["user"].as_str().unwrap_or("")))
        .collect()
}

#[tokio::test]
async fn an_operator_is_operator_to_a_customer_and_a_principal_to_a_service() {
    let stack = Stack::noon().await;
    for event in ["account-open", "grant", "freeze", "unfreeze"] {
        operated(&stack, event).await;
    }
    let body = r#"{"credits":"1","user":"mia"}"#;
    stack.post("/v1/accounts/open/debits", "a", body).await;
    let by = |who| {
        let by = |kind| (kind, who);
        let settled = [by("frozen"), ("settled", ""), by("granted"), by("opened")];
        [&[("debit", "mia"), by("unfrozen")][..], &settled].concat()
    };
    assert_eq!(users(&stack.get("/v1/accounts/open/ledger").await), by(ADA));
    assert_eq!(users(&mine(&stack, "").await), by("operator"));
    // Nor in a file, nor on the page, nor by asking for the name.
    let csv = mine(&stack, "?format=csv").await;
    let csv = csv.body.as_str().expect("text");
    assert!(csv.contains(",operator,") && csv.contains(",mia,") && !csv.contains("arn:"), "{csv}");
    let (_, html) = page(&stack, "open", "").await;
    assert!(html.contains("Your account team") && !html.contains("arn:"), "{html}");
    let guessed = mine(&stack, &format!("?user={ADA}")).await;
    assert_eq!(guessed.body["entries"], Value::Array(Vec::new()));
    assert_eq!(users(&mine(&stack, "?user=operator").await).len(), 4);
    let named = stack.get(&format!("/v1/accounts/open/ledger?user={ADA}")).await;
    assert_eq!(users(&named).len(), 4);
}
