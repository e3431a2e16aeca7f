//! Limits on the customer's page, and in the indicator: who used what of which, and controls only
//! where the session may change them.

use serde_json::json;

use crate::page::browser::assert_accessible;
use crate::page::html::page;
use crate::page::indicator::Product;
use crate::support::browser::Browser;
use crate::support::{Stack, request};

/// The link of ada's session with this scope.
async fn link(stack: &Stack, scope: &str, base: &str) -> String {
    let back = format!("{base}/scrip.js");
    let body = json!({ "subject": "ada", "scopes": [scope], "return_url": back }).to_string();
    let made = stack.send(request("POST", "/v1/accounts/acme/sessions", None, &body)).await;
    made.text("/url").to_owned()
}

/// Sets a limit of ada in a month.
async fn limit(stack: &Stack, at_most: &str) {
    let body = json!({ "at_most": at_most, "per": "month" }).to_string();
    let path = "/v1/accounts/acme/limits/user:ada";
    let set = stack.send(request("PUT", path, Some(&format!("limit {at_most}")), &body)).await;
    assert_eq!(set.status, 201, "{set:?}");
}

async fn charge(stack: &Stack, credits: &str) {
    let body = json!({ "credits": credits, "user": "ada" }).to_string();
    let debit = stack.post("/v1/accounts/acme/debits", "debit", &body).await;
    assert_eq!(debit.status, 201, "{debit:?}");
}

#[tokio::test]
async fn limits_have_a_section_only_where_there_are_some() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, html) = page(&stack, "acme", "").await;
    let section = |html: &str| {
        let (_, section) = html.split_once("<section id=\"limits\"").expect("a section");
        section.split("</section>").next().unwrap_or_default().to_owned()
    };
    assert!(section(&html).split('>').next().is_some_and(|tag| tag.ends_with(" hidden")));
    limit(&stack, "150").await;
    charge(&stack, "12.5").await;
    let (_, html) = page(&stack, "acme", "").await;
    let shown = section(&html);
    assert!(shown.split('>').next().is_some_and(|tag| !tag.contains("hidden")), "{shown}");
    for part in [">ada<", ">150<", "per month", ">12.5<", ">137.5<", "2026-12-01 00:00 UTC"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("<button") && !shown.contains("<form"), "{shown}");
    let (_, ledger) = html.split_once("id=\"ledger\"").expect("a ledger");
    assert!(ledger.contains("Limit changed") && ledger.contains("<bdi>ada</bdi>: "), "{ledger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_may_sets_and_removes_a_limit_by_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    stack.open("acme", "pro").await;
    let link = link(&stack, "limits", &base).await;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&link);
    tab.until("!document.querySelector('form#limit').hidden");
    tab.eval("document.getElementById('limit-user').focus()");
    tab.insert("ada");
    tab.press("Tab");
    tab.insert("150");
    tab.press("Enter");
    let row = "document.querySelector('#limits tbody tr')?.textContent";
    tab.until(&format!("{row}?.includes('150') && {row}.includes('ada')"));
    assert_accessible(&mut tab, "limits");
    tab.eval("document.querySelector('[data-unlimit]').focus()");
    tab.press("Enter");
    tab.until("!document.querySelector('#limits tbody')");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_indicator_names_the_limit_that_leaves_less_than_the_account() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    let stack = &product.shop.stack;
    stack.open("acme", "pro").await;
    limit(stack, "150").await;
    let mut tab = browser.tab(1280, 900);
    product.open(&mut tab, "acme").await;
    let words = "credits.shadowRoot.querySelector('.words').textContent";
    assert!(tab.text(words).contains("Your limit: 150 left"));
    charge(stack, "150").await;
    tab.eval("credits.refresh()");
    tab.until("credits.getAttribute('state') === 'limit_reached'");
    assert!(tab.text(words).contains("Your limit is reached"));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
