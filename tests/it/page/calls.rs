//! Calls of models on the customer's page: one line says why a call cost what it cost.

use regex::Regex;
use serde_json::json;

use crate::page::browser::{assert_accessible, keep_picture, session};
use crate::page::html::page;
use crate::support::browser::Browser;
use crate::support::shop::Shop;
use crate::support::{PRODUCT, Stack, of};

async fn call(stack: &Stack) {
    let meters = json!({ "input": 1200, "cached_input": 8000, "output": 350 });
    let call = json!({ "action": "chat", "model": "gpt-5-mini", "meters": meters, "user": "ada" });
    let debited = stack.post(&of("acme", "/debits"), "a call", &call.to_string()).await;
    assert_eq!(debited.status, 201, "{debited:?}");
}

/// The text of a part of the page.
fn words(html: &str) -> String {
    let tags = Regex::new("(?s)<[^>]*>").expect("a regex");
    let text = tags.replace_all(html, " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_row_of_a_call_names_its_model_and_counts() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    call(&stack).await;
    let (_, html) = page(&stack, "acme", "").await;
    let (_, ledger) = html.split_once("id=\"ledger\"").expect("a ledger");
    let row = "Spent Chat gpt-5-mini 1,200 input, 8,000 cached input, 350 output ada \u{2212}0.156";
    assert!(words(ledger).contains(row), "{ledger}");
    let (_, html) = page(&stack, "acme", "?usage_by=model").await;
    assert!(words(&html).contains("Model Share Uses Credits gpt-5-mini 1 0.15 "), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_calls_is_accessible() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-20T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "pro").await;
    call(&shop.stack).await;
    shop.stack.action("acme", "a video", "dynamic_video", 2).await;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(&shop.stack, "acme", &base).await.0);
    tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
    tab.eval("document.querySelector('#ledger').scrollIntoView()");
    assert_accessible(&mut tab, "calls");
    keep_picture(&mut tab, "calls");
}
