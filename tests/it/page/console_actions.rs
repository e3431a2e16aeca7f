//! What an account executive does in the console: each action with a preview, and once.

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::page::browser::assert_accessible;
use crate::page::console::{
    DIALOG, NEWS, at_acme, fill, name, open, open_account, press, seen, wait_for_account,
};
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;
use crate::support::{PRODUCT, Stack, ledger, of, request};

/// The preview of the open dialog, once it is there: a line for each of its rows.
fn preview(tab: &mut Tab<'_>) -> Vec<String> {
    tab.until(&format!("{DIALOG}.querySelector('.preview')"));
    let rows = tab.eval(
        "[...document.querySelectorAll('.preview tbody tr')]\
         .map((r) => [...r.cells].map((c) => c.innerText.trim()).filter(Boolean).join(' | '))",
    );
    rows.as_array().expect("rows").iter().map(|r| r.as_str().expect("text").to_owned()).collect()
}

/// Waits until the dialog is closed, and a text is told.
fn told(tab: &mut Tab<'_>, text: &str) {
    let text = Value::from(text);
    tab.until(&format!("!{DIALOG}.open && {NEWS} === {text}"));
    wait_for_account(tab);
}

/// The kinds of the latest two entries: of a change, and of the advance after it.
async fn latest(stack: &Stack) -> Vec<String> {
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let latest = entries.iter().rev().take(2);
    latest.map(|entry| entry["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credits_are_granted_by_keyboard_alone_after_a_preview() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, mut tab) = at_acme(&mut browser, Some("2026-11-18T12:00:00Z")).await;
    tab.reach("Grant credits");
    tab.press("Enter");
    tab.until(&format!("{DIALOG}.open && document.activeElement.id === 'field-credits'"));
    tab.insert("500");
    tab.reach("Reason, for your colleagues");
    tab.insert("Ticket 4711");
    tab.reach("Message to the customer (optional)");
    tab.insert("Sorry for the delay");
    // Enter in a field shows what will be, and changes nothing.
    tab.press("Enter");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Available | 25 | 525 | +500".to_owned()), "{rows:?}");
    assert!(rows.contains(&"Manual · no expiry | 0 | 500 | +500".to_owned()), "{rows:?}");
    assert_eq!(stack.balance("acme").await.text("/available"), "25");
    assert_accessible(&mut tab, "console-grant");
    // The focus is on the button that does it; another press of a field takes the preview back.
    tab.until("document.activeElement.textContent === 'Grant 500 credits'");
    tab.eval("document.querySelector('#field-credits').focus()");
    tab.eval("document.querySelector('#field-credits').select()");
    tab.insert("40");
    tab.until(&format!("{DIALOG}.querySelector('.primary').textContent === 'Preview'"));
    tab.press("Enter");
    tab.until("document.activeElement.textContent === 'Grant 40 credits'");
    seen(&mut tab);
    tab.press("Enter");
    told(&mut tab, "40 credits are granted to acme.");
    assert_eq!(stack.balance("acme").await.text("/available"), "65");
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let granted = entries.iter().find(|entry| entry["kind"] == "granted").expect("an entry");
    assert_eq!(granted["reason"], "Ticket 4711");
    assert_eq!(granted["message"], "Sorry for the delay");
    // The account is shown as it is now, and the focus is on it.
    assert_eq!(tab.text("document.querySelector('#summary .number data').value"), "65");
    assert_eq!(tab.text("document.activeElement.tagName"), "H1");
    // Escape closes a dialog, the focus returns, and nothing has happened.
    tab.reach("Freeze");
    tab.press("Enter");
    tab.until(&format!("{DIALOG}.open"));
    tab.press("Escape");
    tab.until(&format!("!{DIALOG}.open && document.activeElement.textContent === 'Freeze'"));
    assert_eq!(stack.balance("acme").await.text("/gate"), "open");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_are_revoked_and_debits_refunded() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    stack.open("acme", "free").await;
    stack.grant("acme", "g", "200").await;
    assert_eq!(stack.debit("acme", "d", "45").await.status, 201);
    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    press(&mut tab, "Refund 45 credits of entry 4");
    fill(&mut tab, &[("credits", "5.5"), ("reason", "half a video")]);
    press(&mut tab, "Preview");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Available | 180 | 185.5 | +5.5".to_owned()), "{rows:?}");
    press(&mut tab, "Refund 5.5 credits");
    told(&mut tab, "5.5 credits are refunded to acme.");
    assert!(latest(&stack).await.contains(&"refunded".to_owned()));

    press(&mut tab, "Revoke the grant of 185.5 credits");
    fill(&mut tab, &[("reason", "a mistake")]);
    press(&mut tab, "Preview");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Available | 185.5 | 0 | -185.5".to_owned()), "{rows:?}");
    press(&mut tab, "Revoke");
    told(&mut tab, "185.5 credits are taken back from acme.");
    assert_eq!(stack.balance("acme").await.text("/available"), "0");
    assert!(latest(&stack).await.contains(&"revoked".to_owned()));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_named_frozen_unfrozen_and_moved_to_another_plan() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    press(&mut tab, "Open an account");
    let fields = [("account", "auth0|64f0"), ("plan", "free"), ("name", "Acme")];
    fill(&mut tab, &fields);
    press(&mut tab, "Preview");
    tab.until(&format!("{DIALOG}.innerText.includes('The account does not exist yet.')"));
    assert!(preview(&mut tab).contains(&"Available | 25".to_owned()));
    press(&mut tab, "Open");
    tab.until("location.hash === '#/account/auth0%7C64f0'");
    wait_for_account(&mut tab);

    press(&mut tab, "Name and labels");
    fill(&mut tab, &[("name", "Acme Corporation"), ("labels", "enterprise, eu")]);
    press(&mut tab, "Preview");
    tab.until(&format!("{DIALOG}.innerText.includes('Nothing of the balance changes.')"));
    press(&mut tab, "Save");
    told(&mut tab, "Name and labels of auth0|64f0 are saved.");
    let head = tab.text("document.querySelector('.account').innerText");
    assert!(head.starts_with("auth0|64f0 Acme Corporation\n\nFree\nenterprise\neu"), "{head:.80}");

    for (button, does, says, gate) in [
        ("Freeze", "Spending | Open | Frozen", "auth0|64f0 is frozen.", "account_frozen"),
        ("Unfreeze", "Spending | Frozen | Open", "auth0|64f0 is unfrozen.", "open"),
    ] {
        press(&mut tab, button);
        fill(&mut tab, &[("reason", "a test")]);
        press(&mut tab, "Preview");
        let rows = preview(&mut tab);
        assert!(rows.contains(&does.to_owned()), "{rows:?}");
        // The button of the page behind the dialog has the same name.
        tab.eval(&format!("{DIALOG}.querySelector('.primary').click()"));
        told(&mut tab, says);
        assert_eq!(stack.balance("auth0|64f0").await.text("/gate"), gate);
    }
    press(&mut tab, "Change plan");
    fill(&mut tab, &[("plan", "pro")]);
    press(&mut tab, "Preview");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Plan | Free, Active | Pro, Active".to_owned()), "{rows:?}");
    tab.eval(&format!("{DIALOG}.querySelector('.primary').click()"));
    told(&mut tab, "The plan of auth0|64f0 is changed.");
    assert_eq!(stack.balance("auth0|64f0").await.text("/plan"), "pro");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_out_of_date_undoes_no_change() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, mut tab) = at_acme(&mut browser, Some("2026-11-18T12:00:00Z")).await;
    let body = r#"{"plan":"pro","status":"past_due","name":"Acme","labels":["eu"]}"#;
    let changed = stack.send(request("PUT", &of("acme", ""), Some("billing"), body)).await;
    assert_eq!(changed.status, 201, "{changed:?}");
    press(&mut tab, "Name and labels");
    tab.until(&format!("{DIALOG}.open"));
    assert_eq!(tab.text("document.querySelector('#field-labels').value"), "eu");
    fill(&mut tab, &[("name", "Acme Corporation")]);
    press(&mut tab, "Preview");
    press(&mut tab, "Save");
    told(&mut tab, "Name and labels of acme are saved.");
    let balance = stack.balance("acme").await;
    assert_eq!((balance.text("/plan"), balance.text("/status")), ("pro", "past_due"));

    let body = r#"{"plan":"standard","status":"active"}"#;
    let changed = stack.send(request("PUT", &of("acme", ""), Some("again"), body)).await;
    assert_eq!(changed.status, 201, "{changed:?}");
    press(&mut tab, "Change plan");
    tab.until(&format!("{DIALOG}.open"));
    assert_eq!(tab.text("document.querySelector('#field-plan').value"), "standard");
    assert_eq!(tab.text("document.querySelector('#field-status').value"), "active");
    tab.press("Escape");
    // Without that answer there is nothing to change.
    tab.eval("window.fetch = async () => { throw new TypeError('no network'); }");
    press(&mut tab, "Change plan");
    tab.until(&format!("{NEWS}.includes('The console does not answer')"));
    assert_eq!(tab.eval(&format!("{DIALOG}.open")), json!(false));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_debt_is_waived() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "pack", "starter").await;
    assert_eq!(shop.stack.debit("acme", "d", "525").await.status, 201);
    shop.act(&session, Effect::Dispute).await;
    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    assert_accessible(&mut tab, "console-debt");
    press(&mut tab, "Waive debt");
    fill(&mut tab, &[("reason", "goodwill")]);
    press(&mut tab, "Preview");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Debt | 500 | 0 | -500".to_owned()), "{rows:?}");
    press(&mut tab, "Waive the debt");
    told(&mut tab, "The debt of acme is waived.");
    assert_eq!(shop.balance("acme").await.1, "0");
    tab.until(
        "![...document.querySelectorAll('button')].some((b) => b.textContent === 'Waive debt')",
    );
}

/// Orders a pack whose payment is of another amount. Returns the payment's id.
async fn park(shop: &Shop, key: &str) -> String {
    let (_, stripe) = shop.begin("acme", key, "starter").await;
    shop.stripe.act(&stripe, Effect::Pay).expect("it can be paid");
    let events = shop.stripe.take_events().into_iter();
    for event in events.filter(|event| event.contains("checkout.session.completed")) {
        let less = event.replace("\"amount_total\":4900", "\"amount_total\":4800");
        assert_eq!(shop.take_notice(&less).await.text("/outcome"), "parked");
    }
    let session = shop.stripe.session(&stripe).expect("a session");
    session["payment_intent"].as_str().expect("a payment").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_payments_are_released_and_dismissed() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (first, second) = (park(&shop, "a").await, park(&shop, "b").await);
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    tab.until("document.querySelector('#nav-payments').innerText === 'Payments to decide (2)'");
    tab.reach("Payments to decide (2)");
    tab.press("Enter");
    tab.until("document.querySelectorAll('.payments li').length === 2");
    assert_accessible(&mut tab, "console-payments");
    press(&mut tab, &format!("Release {first}"));
    fill(&mut tab, &[("reason", "the bank's fee")]);
    press(&mut tab, "Preview");
    let rows = preview(&mut tab);
    assert!(rows.contains(&"Available | 25 | 525 | +500".to_owned()), "{rows:?}");
    press(&mut tab, "Release");
    tab.until(&format!("{NEWS} === '{first} is released.'"));
    tab.until("document.querySelector('#nav-payments').innerText === 'Payments to decide (1)'");
    assert_eq!(shop.balance("acme").await.0, "525");
    press(&mut tab, &format!("Dismiss {second}"));
    fill(&mut tab, &[("reason", "a test"), ("message", "Please pay again")]);
    press(&mut tab, "Preview");
    preview(&mut tab);
    press(&mut tab, "Dismiss");
    tab.until(&format!("{NEWS} === '{second} is dismissed.'"));
    tab.until("document.querySelector('#nav-payments').innerText === 'Payments to decide'");
    tab.until("document.querySelector('#view').innerText.includes('No payment waits')");
    // The payments of the account have both, and what was decided.
    open_account(&mut tab, &base, "acme");
    let payments = tab.text("document.querySelector('#payments').innerText");
    assert!(payments.contains("Dismissed") && payments.contains("Credited"), "{payments}");
    assert!(payments.contains("the bank's fee"), "{payments}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_payments_are_listed_once_however_often_they_are_asked_for() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    park(&shop, "a").await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    // Each page is the same, and only the second one is the last.
    tab.eval(
        "const plain = fetch; window.fetch = async (path, options) => { \
           const [first, cursor] = path.split('&cursor='); \
           const listing = await (await plain(first, options)).json(); \
           const next = cursor ? {} : { next_cursor: 'next' }; \
           return Response.json({ ...listing, ...next }); }",
    );
    tab.eval("location.hash = '#/payments'");
    let rows = "document.querySelectorAll('.payments li').length";
    tab.until(&format!("{rows} === 1"));
    let more = "document.querySelector('#view > div > p:last-child button')";
    tab.until(&format!("{more}.textContent === 'More' && !{more}.hidden"));
    tab.eval(&format!("const more = {more}; more.click(); more.click()"));
    tab.until(&format!("{rows} > 1 && more.hidden"));
    tab.eval("new Promise((done) => setTimeout(done, 300))");
    assert_eq!(tab.eval(rows), json!(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_link_is_copied_and_opens_the_customers_page() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    name(&stack, "acme", "pro", "Acme", &[]).await;
    let mut tab = browser.tab(1280, 900);
    let granted = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    tab.call("Browser.grantPermissions", granted);
    open_account(&mut tab, &base, "acme");
    press(&mut tab, "Session link");
    fill(&mut tab, &[("subject", "ada"), ("return_url", "https://elsewhere.example/")]);
    press(&mut tab, "Make the link");
    tab.until(&format!("{DIALOG}.querySelector('.message')?.innerText.includes('return_url')"));
    fill(&mut tab, &[("return_url", &format!("{base}/"))]);
    press(&mut tab, "Make the link");
    tab.until("document.querySelector('#session-link')");
    assert_accessible(&mut tab, "console-session");
    let link = tab.text("document.querySelector('#session-link').value");
    press(&mut tab, "Copy");
    tab.until(&format!("{DIALOG}.innerText.includes('The link is copied.')"));
    tab.enter(&link);
    assert_eq!(tab.text("document.querySelector('.top bdi').textContent"), "Acme");
    let opened = stack.send(request("GET", &of("acme", "/balance"), None, "")).await;
    assert_eq!(opened.status, 200);
}
