//! What goes wrong in the console: a change happens once, and every problem is told in words.

use serde_json::{Value, json};

use crate::page::browser::assert_accessible;
use crate::page::console::{DIALOG, NEWS, at_acme, fill, open, press, wait_for_account};
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
    let (stack, _, mut tab) = at_acme(&mut browser, None).await;
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
    // No other change begins before its end.
    press(&mut tab, "Freeze");
    assert_eq!(tab.eval(&format!("{DIALOG}.open")), json!(false));
    assert_eq!(tab.text("document.activeElement.textContent"), "Send again");
    press(&mut tab, "Send again");
    tab.until(&format!("{NEWS} === 'Done: Grant credits to acme.'"));
    tab.until("!document.querySelector('#unknown .message')");
    assert_eq!(grants(&stack).await, 3);
    tab.until("document.querySelector('#summary .number data').value === '55'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_click_or_a_held_key_changes_nothing_that_was_not_seen() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, mut tab) = at_acme(&mut browser, None).await;
    press(&mut tab, "Grant credits");
    fill(&mut tab, &[("credits", "10"), ("reason", "a test")]);
    // The second press arrives as soon as the button means the change.
    tab.eval(&format!(
        "new Promise((done) => {{ const button = {DIALOG}.querySelector('.primary'); \
           button.click(); const timer = setInterval(() => {{ \
             if (button.disabled || button.textContent !== 'Grant 10 credits') return; \
             clearInterval(timer); button.click(); setTimeout(done, 700); }}, 1); }})"
    ));
    assert_eq!(tab.eval(&format!("{DIALOG}.open")), json!(true));
    assert_eq!(grants(&stack).await, 0);
    // What is edited takes back what was shown.
    fill(&mut tab, &[("credits", "20")]);
    assert_eq!(tab.eval(&format!("{DIALOG}.querySelector('.preview')")), Value::Null);
    press(&mut tab, "Preview");
    tab.until("document.activeElement.textContent === 'Grant 20 credits'");
    let held = json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "text": "\r",
        "windowsVirtualKeyCode": 13, "autoRepeat": true });
    tab.call("Input.dispatchKeyEvent", held);
    tab.eval("new Promise((done) => setTimeout(done, 300))");
    assert_eq!(grants(&stack).await, 0);
    tab.press("Enter");
    tab.until(&format!("!{DIALOG}.open && {NEWS} === '20 credits are granted to acme.'"));
    assert_eq!(grants(&stack).await, 1);
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

/// From now on the page waits 50 ms at most.
const HURRY: &str = "const wait = setTimeout; window.setTimeout = (done, ms, ...more) => \
                     wait(done, Math.min(ms, 50), ...more)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_without_an_answer_is_offered_in_its_own_stack_until_it_ends() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, base, mut tab) = at_acme(&mut browser, None).await;
    let banner = "document.querySelector('#unknown .message')";
    // The browser closes the dialog before the answer arrives.
    prepare(&mut tab);
    lose(&mut tab, "2");
    press(&mut tab, "Grant 10 credits");
    tab.eval(&format!("{DIALOG}.close()"));
    tab.until(banner);
    tab.until(&format!("{NEWS} === '10 credits are granted to acme.' && !{banner}"));
    assert_eq!(grants(&stack).await, 1);

    // A link changes nothing, so nothing is offered.
    wait_for_account(&mut tab);
    press(&mut tab, "Session link");
    fill(&mut tab, &[("subject", "ada"), ("return_url", &format!("{base}/"))]);
    lose(&mut tab, "1");
    press(&mut tab, "Make the link");
    tab.until(&format!("{DIALOG}.querySelector('.message')"));
    tab.press("Escape");
    tab.until(&format!("!{DIALOG}.open"));
    assert_eq!(tab.eval(banner), Value::Null);

    // An account whose opening has no answer, twice, is opened at last.
    open(&mut tab, &base, "");
    tab.eval(HURRY);
    press(&mut tab, "Open an account");
    fill(&mut tab, &[("account", "late")]);
    press(&mut tab, "Preview");
    // The page hurries, so it did not wait long enough to be pressed.
    std::thread::sleep(std::time::Duration::from_millis(600));
    lose(&mut tab, "Infinity");
    press(&mut tab, "Open");
    tab.until(&format!("{DIALOG}.innerText.includes('Send again')"));
    press(&mut tab, "Cancel");
    tab.until(banner);
    press(&mut tab, "Send again");
    tab.until(&format!("{NEWS}.includes('The console does not answer')"));
    // The console of another stack on the same port does not send it.
    tab.eval(
        "sessionStorage.setItem('pending:other', sessionStorage.getItem('pending:')); \
         sessionStorage.removeItem('pending:')",
    );
    tab.eval("location.reload()");
    tab.until("document.querySelector('#show')");
    assert_eq!(tab.eval(banner), Value::Null);
    tab.eval(
        "sessionStorage.setItem('pending:', sessionStorage.getItem('pending:other')); \
         location.reload()",
    );
    tab.until(banner);
    press(&mut tab, "Send again");
    tab.until(&format!("{NEWS} === 'Done: Open an account.' && !{banner}"));
    assert_eq!(stack.balance("late").await.text("/plan"), "free");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_in_the_same_tab_is_taken() {
    let Some(mut browser) = Browser::start() else { return };
    let (_stack, _, mut tab) = at_acme(&mut browser, None).await;
    for token in ["a1", "b2"] {
        tab.eval(&format!("window.old = true; location.hash = '#token={token}'"));
        tab.until("!window.old && document.querySelector('#show')");
        assert_eq!(tab.text("sessionStorage.getItem('token')"), token);
        assert_eq!(tab.text("location.hash"), "#/");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_shown_in_the_dialog_and_nothing_is_lost() {
    let Some(mut browser) = Browser::start() else { return };
    let (_stack, base, mut tab) = at_acme(&mut browser, None).await;
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
