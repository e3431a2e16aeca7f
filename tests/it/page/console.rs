//! The console in a real Chromium, against the local stack: an account executive finds an account,
//! and sees it on one screen.

use serde_json::{Value, json};

use crate::page::browser::assert_accessible;
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;
use crate::support::{Stack, of, request};

/// The dialog, and what a person is told below the search.
pub(crate) const DIALOG: &str = "document.querySelector('#dialog')";
pub(crate) const NEWS: &str = "document.querySelector('#news').innerText";

/// Opens a view of the console of the stack at `base`.
pub(crate) fn open(tab: &mut Tab<'_>, base: &str, view: &str) {
    tab.open("about:blank");
    tab.open(&format!("{base}/_local/console/{view}"));
    tab.until("document.querySelector('#view').innerText.trim()");
}

/// Opens the view of an account, and waits until all of it is there.
pub(crate) fn open_account(tab: &mut Tab<'_>, base: &str, account: &str) {
    open(tab, base, &format!("#/account/{account}"));
    wait_for_account(tab);
}

/// A stack that was started at `now` with the account `acme`, and a tab with its view. With them:
/// the address of the stack.
pub(crate) async fn at_acme<'a>(
    browser: &'a mut Browser,
    now: Option<&str>,
) -> (Stack, String, Tab<'a>) {
    let (stack, _, base) = Stack::served(now, &[]).await;
    stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    (stack, base, tab)
}

pub(crate) fn wait_for_account(tab: &mut Tab<'_>) {
    tab.until("document.querySelector('#summary')");
    let all =
        "[...document.querySelectorAll('[role=status]')].every((s) => s.innerText !== 'Loading.')";
    tab.until(all);
}

/// Fills fields of the open dialog.
pub(crate) fn fill(tab: &mut Tab<'_>, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        let field = format!("document.querySelector('#field-{name}')");
        let value = Value::from(*value);
        tab.until(&field);
        tab.eval(&format!(
            "{field}.value = {value}; \
             {field}.dispatchEvent(new Event('input', {{ bubbles: true }}))"
        ));
    }
}

/// Presses a button of the page or of the dialog by its accessible name. After `Preview` it waits
/// until a press can do what is shown.
pub(crate) fn press(tab: &mut Tab<'_>, name: &str) {
    let name = Value::from(name);
    let button = format!(
        "[...document.querySelectorAll('button')].find((b) => \
         (b.ariaLabel ?? b.textContent).trim() === {name} && !b.disabled)"
    );
    tab.until(&button);
    tab.eval(&format!("{button}.click()"));
    if name == "Preview" {
        seen(tab);
    }
}

/// Waits until the answer to a preview is there, and as long as a person needs to see it.
pub(crate) fn seen(tab: &mut Tab<'_>) {
    tab.until(&format!("!{DIALOG}.querySelector('.primary').disabled"));
    tab.eval("new Promise((done) => setTimeout(done, 600))");
}

/// Puts a name and labels on an account.
pub(crate) async fn name(stack: &Stack, account: &str, plan: &str, name: &str, labels: &[&str]) {
    let body = json!({ "plan": plan, "name": name, "labels": labels }).to_string();
    let key = format!("name-{account}");
    let named = stack.send(request("PUT", &of(account, ""), Some(&key), &body)).await;
    assert!([200, 201].contains(&named.status), "{named:?}");
}

/// The accounts that are listed, in their order.
fn listed(tab: &mut Tab<'_>) -> Value {
    tab.eval("[...document.querySelectorAll('#results strong')].map((s) => s.textContent)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_found_while_it_is_typed_by_keyboard_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    for (account, plan, title, labels) in [
        ("acme", "pro", "Acme Corporation", &["enterprise", "eu"][..]),
        ("org_2", "free", "Acme Studios", &[]),
        ("org_3", "standard", "<img src=x onerror=document.title='run'> דפוס", &["<b>eu</b>"]),
    ] {
        name(&stack, account, plan, title, labels).await;
    }
    let frozen = stack.post(&of("org_2", "/freeze"), "f", r#"{"reason":"test"}"#).await;
    assert_eq!(frozen.status, 201, "{frozen:?}");
    // The list learns of the freeze from the stream.
    stack.relay().await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    tab.until("document.querySelectorAll('#results li').length === 3");
    assert_eq!(listed(&mut tab), json!(["acme", "org_2", "org_3"]));
    assert_accessible(&mut tab, "console-find");
    // A text of a caller is a text.
    let text = tab.text("document.querySelector('#results').innerText");
    assert!(text.contains("<img src=x onerror=document.title='run'> דפוס"), "{text}");
    assert_eq!(tab.eval("document.querySelectorAll('#results img, #results b').length"), json!(0));

    tab.eval("document.activeElement.blur()");
    tab.press("/");
    assert_eq!(tab.text("document.activeElement.id"), "search");
    // Pressed again it means the same, and is no text.
    tab.press("/");
    assert_eq!(tab.text("document.querySelector('#search').value"), "");
    tab.insert("acme");
    tab.until("document.querySelectorAll('#results li').length === 2");
    tab.until("document.querySelector('#view [role=status]').innerText === '2 accounts'");
    let row = "document.querySelector('#results li:nth-child(2)').innerText";
    assert!(tab.text(row).contains("Frozen"), "{}", tab.text(row));
    tab.press("ArrowDown");
    tab.press("ArrowDown");
    tab.press("ArrowUp");
    tab.press("ArrowUp");
    assert_eq!(tab.text("document.activeElement.id"), "search", "above the first result");
    tab.press("ArrowDown");
    tab.press("ArrowDown");
    tab.press("Enter");
    tab.until("location.hash === '#/account/org_2'");
    wait_for_account(&mut tab);
    assert_eq!(tab.text("document.activeElement.innerText"), "org_2 Acme Studios");
    // Enter takes the first result of what is typed, even before it is shown.
    tab.press("/");
    tab.press("Escape");
    tab.insert("acme st");
    tab.until("document.querySelector('#view [role=status]').innerText === '1 account'");
    assert_eq!(listed(&mut tab), json!(["org_2"]), "a space is a space");
    tab.press("Escape");
    tab.insert("eu");
    tab.press("Enter");
    tab.until("location.hash === '#/account/acme'");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_searches_only_the_newest_answer_is_shown() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    name(&stack, "first", "pro", "", &[]).await;
    name(&stack, "second", "pro", "", &[]).await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    tab.until("document.querySelectorAll('#results li').length === 2");
    // The answer to the first search arrives after that of the second.
    tab.eval(
        "const plain = fetch; window.late = 0; window.fetch = async (path, options) => { \
           const reply = await plain(path, { ...options, signal: undefined }); \
           if (path.includes('q=fi')) { await new Promise((r) => setTimeout(r, 600)); late += 1; } \
           return reply; }",
    );
    tab.insert("fi");
    tab.eval("new Promise((done) => setTimeout(done, 250))");
    tab.eval("document.querySelector('#search').value = ''");
    tab.insert("se");
    tab.until("document.querySelectorAll('#results li').length === 1");
    tab.until("late === 1");
    assert_eq!(listed(&mut tab), json!(["second"]));
    tab.eval("document.querySelector('#search').value = ''");
    tab.insert("nobody");
    tab.until("document.querySelector('#view [role=status]').innerText === 'No account matches.'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enter_opens_no_result_of_an_older_text() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    name(&stack, "first", "pro", "", &[]).await;
    name(&stack, "second", "pro", "", &[]).await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    tab.until("document.querySelectorAll('#results li').length === 2");
    tab.eval(
        "const plain = fetch; window.fetch = async (...asked) => { \
           await new Promise((r) => setTimeout(r, 200)); return plain(...asked); }",
    );
    // What is typed on after Enter is another search.
    tab.insert("se");
    tab.press("Enter");
    tab.insert("x");
    tab.until("document.querySelector('#view [role=status]').innerText === 'No account matches.'");
    assert_eq!(tab.text("location.hash"), "");
    tab.press("Escape");
    tab.until("document.querySelectorAll('#results li').length === 2");
    tab.insert("se");
    tab.press("Enter");
    tab.press("Enter");
    tab.until("location.hash");
    assert_eq!(tab.text("location.hash"), "#/account/second");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

/// The cells of a table, row by row.
fn cells(tab: &mut Tab<'_>, rows: &str) -> Vec<String> {
    let cells = format!(
        "[...document.querySelectorAll('{rows}')]\
         .map((r) => r.innerText.replace(/\\s+/g, ' ').trim())"
    );
    let cells = tab.eval(&cells);
    cells.as_array().expect("rows").iter().map(|c| c.as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_shown_on_one_screen() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[crate::support::PRODUCT]).await;
    let stack = &shop.stack;
    name(stack, "acme", "pro", "Acme Corporation", &["enterprise"]).await;
    let grant = r#"{"credits":"200","reason":"Ticket <i>4711</i>","message":"Sorry"}"#;
    assert_eq!(stack.post(&of("acme", "/grants"), "g", grant).await.status, 201);
    shop.buy("acme", "pack", "starter").await;
    for n in 0..30 {
        let body = format!(r#"{{"action":"custom_image","quantity":{},"user":"ada"}}"#, n + 1);
        assert_eq!(stack.post(&of("acme", "/debits"), &format!("d{n}"), &body).await.status, 201);
    }
    let hold = r#"{"action":"dynamic_video","quantity":12,"user":"mia"}"#;
    let held = stack.post(&of("acme", "/holds"), "h", hold).await;
    let capture = format!("/holds/{}/capture", held.text("/id"));
    let part = r#"{"quantity":2,"final":false}"#;
    assert_eq!(stack.post(&of("acme", &capture), "c", part).await.status, 201);
    let ended = stack.post(&of("acme", "/holds"), "h2", hold).await;
    let release = format!("/holds/{}/release", ended.text("/id"));
    assert_eq!(stack.post(&of("acme", &release), "r", "{}").await.status, 201);

    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    let balance = stack.balance("acme").await;
    let number = "document.querySelector('#summary .number data').value";
    assert_eq!(tab.text(number), balance.text("/available"));
    let head = tab.text("document.querySelector('.account').innerText");
    assert!(head.starts_with("acme Acme Corporation\n\nPro\nenterprise"), "{head:.80}");
    // Only a grant of an operator can be revoked.
    let grants = cells(&mut tab, "#grants tbody tr");
    assert_eq!(grants.len(), 3, "{grants:?}");
    for grant in &grants {
        assert_eq!(grant.contains("Revoke"), grant.starts_with("Manual"), "{grant}");
    }
    // One hold is open, with what is left of it.
    let holds = cells(&mut tab, "#holds tbody tr");
    assert_eq!(holds.len(), 1, "{holds:?}");
    assert!(holds[0].starts_with("Dynamic video mia") && holds[0].ends_with(" 10"), "{holds:?}");
    let usage = cells(&mut tab, "#usage tbody tr");
    let sums = ["Custom image 30 232.5", "Dynamic video 1 2", "ada 30 232.5", "No user named 1 2"];
    assert_eq!(usage, sums);
    let payments = tab.text("document.querySelector('#payments').innerText");
    assert!(payments.contains("500 credits US$49.00\n\nCredited"), "{payments}");
    let receipt = tab.text("document.querySelector('#payments a').href");
    assert!(receipt.starts_with(&format!("{base}/_local/stripe/receipts/")), "{receipt}");
    // The ledger, page by page, and by its filters.
    let rows = "document.querySelectorAll('#entries tbody tr').length";
    assert_eq!(tab.eval(rows), json!(25));
    // Pressed twice it reads on once, by the filter of what is shown.
    tab.eval("document.querySelector('#filter-action').value = 'dynamic_video'");
    tab.eval(
        "const older = document.querySelector('#entries > p:last-child button'); \
         older.click(); older.click()",
    );
    tab.until(&format!("{rows} > 30"));
    let all = stack.send(request("GET", &of("acme", "/ledger?limit=200"), None, "")).await;
    let all = all.body["entries"].as_array().expect("entries").len();
    assert_eq!(tab.eval(rows), json!(all));
    press(&mut tab, "Show");
    tab.until(&format!("{rows} < 25"));
    let entries = cells(&mut tab, "#entries tbody tr");
    assert!(entries.iter().all(|entry| entry.contains("Dynamic video")), "{entries:?}");
    fill_filter(&mut tab, &[("action", "")]);
    tab.until(&format!("{rows} === 25"));
    tab.eval("document.querySelector('#filter-kind').value = 'granted'");
    press(&mut tab, "Show");
    tab.until(&format!("{rows} === 1"));
    let entry = cells(&mut tab, "#entries tbody tr").remove(0);
    assert!(
        entry.contains("Granted Manual Ticket <i>4711</i> The customer reads: Sorry"),
        "{entry}"
    );
    tab.eval("document.querySelector('#filter-kind').value = ''");
    fill_filter(&mut tab, &[("user", "mia")]);
    tab.until(&format!("{rows} === 2"));
    fill_filter(&mut tab, &[("user", ""), ("from", "2026-11-19")]);
    tab.until("document.querySelector('#entries').innerText.includes('No entries match.')");
    fill_filter(&mut tab, &[("from", "2026-11-18"), ("to", "2026-11-18")]);
    tab.until(&format!("{rows} === 25"));
    fill_filter(&mut tab, &[("to", ""), ("from", "")]);
    tab.eval("document.querySelector('#entries summary').click()");
    assert_accessible(&mut tab, "console-account");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
    let asked = tab.take_requests();
    let ours = |url: &String| url.starts_with(&base) || url.starts_with("data:image/svg+xml");
    assert!(asked.iter().all(ours), "{asked:?}");
}

fn fill_filter(tab: &mut Tab<'_>, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        tab.eval(&format!("document.querySelector('#filter-{name}').value = '{value}'"));
    }
    press(tab, "Show");
}
