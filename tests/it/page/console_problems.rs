//! What goes wrong in the console: a change happens once, and every problem is told in words.

use serde_json::{Value, json};

use crate::page::browser::assert_accessible;
use crate::page::console::{DIALOG, NEWS, fill, open, open_account, press, wait_for_account};
use crate::support::browser::{Browser, Tab};
use crate::support::{Stack, ledger};

/// From now on the reply to each change is lost on its way back, `times` times.
fn lose(tab: &mut Tab<'_>, times: &str) {
    tab.eval(&format!(
        "window.plain ??= fetch; window.left = {times}; window.fetch = async (path, options) => {{ \
           const reply = await plain(path, options); \
           const changes = options.body && !options.body.includes('dry_run'); \
           if (changes && left > 0) {{ left -= 1; throw new TypeError('lost'); }} \
           return reply; }}"
    ));
}

/// From now on every request gets this answer.
fn answered(tab: &mut Tab<'_>, status: u16, body: &Value) {
    let body = Value::from(body.to_string());
    tab.eval(&format!(
        "window.fetch = async () => new Response({body}, {{ status: {status}, headers: {{ \
           'content-type': 'application/json', 'x-scrip-request': 'a-request-id' }} }})"
    ));
}

/// How many grants an account has got.
async fn grants(stack: &Stack) -> usize {
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    entries.iter().filter(|entry| entry["kind"] == "granted").count()
}

/// Fills in a grant of 10 credits, and shows its preview.
fn prepare(tab: &mut Tab<'_>) {
    press(tab, "Grant credits");
    fill(tab, &[("credits", "10"), ("reason", "a test")]);
    press(tab, "Preview");
    tab.until(&format!("{DIALOG}.querySelector('.preview')"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_reply_is_lost_or_that_is_pressed_again_happens_once() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    // Three replies are lost: it is sent again by itself, with its key.
    prepare(&mut tab);
    lose(&mut tab, "3");
    press(&mut tab, "Grant 10 credits");
    tab.until(&format!("{DIALOG}.innerText.includes('The outcome is not known yet.')"));
    // Meanwhile it is neither pressed again nor closed.
    let held = format!("[...{DIALOG}.querySelectorAll('button, input')].every((e) => e.disabled)");
    assert_eq!(tab.eval(&held), json!(true));
    tab.press("Escape");
    assert_eq!(tab.eval(&format!("{DIALOG}.open")), json!(true));
    tab.until(&format!("!{DIALOG}.open && {NEWS} === '10 credits are granted to acme.'"));
    assert_eq!(grants(&stack).await, 1);
    wait_for_account(&mut tab);

    // A form that is sent twice at once is one change.
    prepare(&mut tab);
    let form = format!("{DIALOG}.querySelector('form')");
    tab.eval(&format!("{form}.requestSubmit(); {form}.requestSubmit()"));
    tab.until(&format!("!{DIALOG}.open"));
    wait_for_account(&mut tab);
    assert_eq!(grants(&stack).await, 2);

    // No reply arrives at all: the page is loaded again, and offers to send the same change.
    prepare(&mut tab);
    lose(&mut tab, "Infinity");
    press(&mut tab, "Grant 10 credits");
    tab.until(&format!("{DIALOG}.innerText.includes('Send again')"));
    let fields = format!("[...{DIALOG}.querySelectorAll('input')].every((e) => e.disabled)");
    assert_eq!(tab.eval(&fields), json!(true), "it is sent again as it is");
    tab.eval("location.reload()");
    tab.until("document.querySelector('#unknown .message')");
    let says = tab.text("document.querySelector('#unknown').innerText");
    assert!(says.contains("no answer yet: Grant credits to acme."), "{says}");
    wait_for_account(&mut tab);
    assert_accessible(&mut tab, "console-unknown");
    press(&mut tab, "Send again");
    tab.until(&format!("{NEWS} === 'Done: Grant credits to acme.'"));
    tab.until("!document.querySelector('#unknown .message')");
    assert_eq!(grants(&stack).await, 3);
    tab.until("document.querySelector('#summary .number data').value === '55'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_shown_in_the_dialog_and_nothing_is_lost() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    open_account(&mut tab, &base, "acme");
    press(&mut tab, "Grant credits");
    fill(&mut tab, &[("credits", "100001"), ("reason", "a test")]);
    press(&mut tab, "Preview");
    let problem = format!("{DIALOG}.querySelector('.message.warn').innerText");
    tab.until(&format!("{problem}.includes('100000')"));
    assert_accessible(&mut tab, "console-refused");
    // What was typed is there, to be corrected.
    assert_eq!(tab.text("document.querySelector('#field-reason').value"), "a test");
    fill(&mut tab, &[("credits", "10")]);
    press(&mut tab, "Preview");
    press(&mut tab, "Grant 10 credits");
    tab.until(&format!("!{DIALOG}.open && {NEWS} === '10 credits are granted to acme.'"));
    wait_for_account(&mut tab);
    // A name that is almost known is suggested.
    press(&mut tab, "Change plan");
    fill(&mut tab, &[("plan", "por")]);
    press(&mut tab, "Preview");
    tab.until(&format!("{problem}.includes('por')"));
    tab.press("Escape");
    open(&mut tab, &base, "#/account/nobody");
    tab.until("document.querySelector('#view .message').innerText.includes('nobody')");
    assert_accessible(&mut tab, "console-nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_problem_says_what_happened_and_what_to_do() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &base, "");
    let problem =
        |code: &str, detail: &str| json!({ "title": "Console", "detail": detail, "code": code });
    let fields = json!([{ "field": "q", "problem": "is too long", "did_you_mean": "acme" }]);
    let invalid = json!({ "title": "Invalid request", "detail": "See fields.", "fields": fields,
        "code": "invalid_request" });
    for (status, body, says) in [
        (403, json!({ "message": "Forbidden" }), &["may not do this", "OperatorAccess"][..]),
        (403, problem("console_token", "-"), &["Open the address that `scrip console` printed"]),
        (502, problem("console_unreachable", "no AWS credentials: log in"), &["log in"]),
        (404, json!({ "message": "Not Found" }), &["an earlier version"]),
        (429, json!({ "message": "Too Many Requests" }), &["Too many requests", "Wait"]),
        (500, json!({ "message": "Internal" }), &["The request failed", "HTTP 500"]),
        (400, invalid, &["Invalid request", "q is too long Did you mean acme?"]),
    ] {
        answered(&mut tab, status, &body);
        tab.eval("document.querySelector('#show').dispatchEvent(new Event('change'))");
        for part in says.iter().chain(&["a-request-id"]) {
            let part = Value::from(*part);
            tab.until(&format!(
                "document.querySelector('#view .message').innerText.includes({part})"
            ));
        }
        if status == 400 {
            assert_accessible(&mut tab, "console-problem");
        }
    }
    tab.eval("window.fetch = async () => { throw new TypeError('no network'); }");
    tab.eval("document.querySelector('#show').dispatchEvent(new Event('change'))");
    tab.until("document.querySelector('#view .message').innerText.includes('still running?')");
}
