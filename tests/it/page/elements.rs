//! The elements beside an AI button, in a real Chromium: they disable it, price it, renew their own
//! session, and share one poll.

use serde_json::json;
use shared::domain::instant::Span;

use crate::page::browser::assert_accessible;
use crate::page::host::Host;
use crate::support::browser::{Browser, Tab};

const STATE: &str = "document.querySelector('scrip-credits').getAttribute('state')";
const REFRESH: &str = "document.querySelector('scrip-credits').refresh()";
const OPEN: &str = "document.querySelector('scrip-credits').shadowRoot.querySelector('.open')";

/// Opens the product's page and waits for the balance.
fn open(tab: &mut Tab<'_>, host: &Host) {
    tab.open(&host.origin);
    tab.until("document.querySelector('scrip-credits').balance");
}

/// What an element says.
fn said(tab: &mut Tab<'_>, element: &str) -> String {
    tab.text(&format!("document.querySelector('{element}').shadowRoot.textContent"))
}

/// How many of the requests since the last call were for this address.
fn asked(tab: &mut Tab<'_>, end: &str) -> usize {
    tab.take_requests().iter().filter(|url| url.contains(end)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_disables_its_button_without_credits_and_gives_it_back_as_it_was() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    host.page(
        "/",
        r#"<main><h1>Text</h1><scrip-credits session="/session/ada"></scrip-credits>
        <p id="hint">It writes for you.</p><button id="ai" aria-describedby="hint">Write</button>
        <scrip-notice for="ai"></scrip-notice>
        <a id="link" role="button" tabindex="0" aria-disabled="false">Draw</a>
        <scrip-notice for="link"></scrip-notice></main>"#,
    );
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &host);
    tab.eval("window.clicks = 0; link.addEventListener('click', () => clicks++)");
    let buttons = "ai.outerHTML + link.outerHTML";
    let before = tab.text(buttons);
    host.stack.debit("acme", "all", "25").await;
    tab.eval(REFRESH);
    assert_eq!(tab.eval("[ai.disabled, link.ariaDisabled]"), json!([true, "true"]));
    tab.eval("link.click()");
    assert_eq!(tab.eval("clicks"), 0, "a press on it does nothing");
    let why = "ai.getAttribute('aria-describedby').split(' ').map((id) => \
               document.getElementById(id)).map((by) => (by.shadowRoot ?? by).textContent).join()";
    let why = tab.text(why);
    assert!(why.starts_with("It writes for you.,You are out of credits"), "{why}");
    assert!(why.contains("25 credits come back"), "{why}");
    assert_accessible(&mut tab, "notice");
    // The product's own wishes wait until there are credits.
    tab.eval("ai.disabled = false; new Promise(requestAnimationFrame)");
    assert_eq!(tab.eval("ai.disabled"), true);
    tab.eval("ai.disabled = true; new Promise(requestAnimationFrame)");
    host.stack.grant("acme", "more", "10").await;
    tab.eval(REFRESH);
    assert_eq!(
        tab.eval("[ai.disabled, ai.getAttribute('aria-describedby')]"),
        json!([true, "hint"])
    );
    tab.eval("ai.disabled = false; link.click()");
    assert_eq!(tab.text(buttons), before);
    assert_eq!(tab.eval("clicks"), 1);
    assert_eq!(said(&mut tab, "scrip-notice"), "");
    // Another button under the same id is held as well, and only while there is a notice.
    host.stack.debit("acme", "again", "10").await;
    tab.eval(REFRESH);
    tab.eval("ai.outerHTML = '<button id=\"ai\">Again</button>'");
    tab.until("ai.disabled");
    // Two notices of one button stand beside each other.
    tab.eval(
        "{ const two = document.createElement('scrip-notice'); two.setAttribute('for', 'ai'); \
         document.querySelector('scrip-notice').after(two); }",
    );
    tab.until("ai.getAttribute('aria-describedby').split(' ').length === 2");
    tab.eval("document.querySelector('scrip-notice').remove()");
    assert_eq!(tab.eval("ai.disabled"), true);
    // A session that is refused knows nothing of the account, and holds no button.
    tab.eval(
        "{ const credits = document.querySelector('scrip-credits'); \
         credits.removeAttribute('session'); credits.token = 'refused'; }",
    );
    tab.until("!ai.disabled");
    assert_eq!(tab.text("ai.outerHTML"), r#"<button id="ai">Again</button>"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cost_is_the_price_of_a_debit_and_what_is_too_dear_is_not_offered() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    host.page(
        "/",
        r#"<main><h1>Text</h1><scrip-credits session="/session/ada"></scrip-credits>
        <p><button id="ai">Write</button> <scrip-cost action="dynamic_video"></scrip-cost></p>
        <scrip-notice for="ai" action="dynamic_video" quantity="3"></scrip-notice></main>"#,
    );
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &host);
    tab.eval("window.cost = document.querySelector('scrip-cost')");
    tab.until("cost.getAttribute('state') === 'open'");
    assert_eq!(said(&mut tab, "scrip-cost"), "1 credit");
    for (action, quantity) in
        [("dynamic_video", 25), ("custom_image", 3), ("feed_field", 7), ("rich_text", 2)]
    {
        tab.eval(&format!("cost.setAttribute('action', '{action}')"));
        tab.eval(&format!("cost.setAttribute('quantity', '{quantity}')"));
        let body = format!(r#"{{"action":"{action}","quantity":{quantity}}}"#);
        let quote = host.stack.post("/v1/accounts/acme/quotes", "quote", &body).await;
        let shown = said(&mut tab, "scrip-cost");
        assert_eq!(shown, format!("{} credits", quote.text("/credits")), "{quantity} {action}");
    }
    // One request for the rate card, and the preflight of one.
    assert_eq!(asked(&mut tab, "/v1/me/catalog"), 2);
    for (action, quantity, state, shown) in [
        ("dynamic_video", "26", "short", "26 credits You have 25."),
        ("dynamic_video", "10001", "unknown", "At most 10,000 at once"),
        ("dynamic_video", "2.5", "unknown", ""),
        ("chat", "1", "unknown", ""),
    ] {
        tab.eval(&format!("cost.setAttribute('action', '{action}')"));
        tab.eval(&format!("cost.setAttribute('quantity', '{quantity}')"));
        assert_eq!(said(&mut tab, "scrip-cost"), shown, "{quantity} {action}");
        assert_eq!(tab.text("cost.getAttribute('state')"), state, "{quantity} {action}");
    }
    // A notice with a price holds the button while there is less.
    assert_eq!(tab.eval("ai.disabled"), false);
    host.stack.debit("acme", "most", "23").await;
    tab.eval(REFRESH);
    assert_eq!(tab.eval("ai.disabled"), true);
    assert_eq!(said(&mut tab, "scrip-notice"), "This takes 3 creditsYou have 2.");
    assert_accessible(&mut tab, "notice, too dear");
    tab.eval("document.querySelector('scrip-notice').setAttribute('quantity', '2')");
    assert_eq!(tab.eval("ai.disabled"), false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_the_products_address_is_renewed_before_its_end_and_after_a_refusal() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    host.page(
        "/",
        r#"<scrip-credits session="/session/ada"></scrip-credits><scrip-credits></scrip-credits>
        <script>
          const heard = [];
          addEventListener('scrip-session', () => heard.push('session'));
        </script>"#,
    );
    let clock = |s: i64| {
        let clock = &host.stack.clock;
        clock.set(clock.now() + Span::from_s(s));
    };
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &host);
    // Two elements: one session, one preflight and one request.
    let asked_first = tab.take_requests();
    let ends = |end: &str| asked_first.iter().filter(|url| url.contains(end)).count();
    assert_eq!((ends("/session/"), ends("/v1/me/balance"), ends(".js")), (1, 2, 1));
    // The first answer tells how late it is, so the next request brings a token that lives longer.
    clock(3585);
    tab.eval(REFRESH);
    tab.eval(REFRESH);
    assert_eq!(asked(&mut tab, "/session/"), 1);
    assert_eq!(tab.take_errors(), Vec::<String>::new(), "no request was refused");
    clock(3700);
    tab.eval(REFRESH);
    assert_eq!(tab.text(STATE), "open");
    assert_eq!(asked(&mut tab, "/session/"), 1, "after a 401");
    // The product fails: the number stays, and the next try comes later and later.
    clock(3700);
    host.refuse(Some(500));
    tab.eval(REFRESH);
    assert_eq!(tab.text(STATE), "offline");
    tab.take_requests();
    tab.pass(600_000);
    let tries = asked(&mut tab, "/session/");
    assert!((3..=8).contains(&tries), "{tries} in ten minutes");
    host.refuse(None);
    tab.pass(300_000);
    assert_eq!(tab.text(STATE), "open");
    assert_eq!(tab.eval("heard"), json!([]), "the product has nothing to do");
    // The product refuses the customer: this is the end, until somebody asks again.
    clock(3700);
    host.refuse(Some(403));
    tab.eval(REFRESH);
    assert_eq!(tab.text(STATE), "ended");
    assert_eq!(tab.eval("heard"), json!(["session"]));
    host.refuse(None);
    tab.eval(REFRESH);
    assert_eq!(tab.text(STATE), "open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_of_one_customer_share_one_poll_and_another_customer_has_its_own() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    // Frames stand for tabs: documents of one origin, each with its own session.
    host.page("/", r#"<iframe src="/ada" id="a"></iframe>"#);
    for subject in ["ada", "bob"] {
        let element = format!(r#"<scrip-credits session="/session/{subject}"></scrip-credits>"#);
        host.page(&format!("/{subject}"), &element);
    }
    let limit = r#"{"at_most":"4","per":"day"}"#;
    let path = "/v1/accounts/acme/limits/user:bob";
    host.stack.send(crate::support::request("PUT", path, Some("limit"), limit)).await;
    let mut tab = browser.tab(1280, 900);
    tab.open(&host.origin);
    let locks = |tab: &mut Tab<'_>, are: &str| {
        let query = "navigator.locks.query().then(({ held, pending }) => \
                     (window.locks = `${held.length} ${pending.length}`))";
        tab.until(&format!("{query}, window.locks === '{are}'"));
    };
    locks(&mut tab, "1 0");
    for (id, subject) in [("b", "ada"), ("c", "bob")] {
        let frame = format!("Object.assign(document.createElement('iframe'), {{ id: '{id}' }})");
        tab.eval(&format!("document.body.append(Object.assign({frame}, {{ src: '/{subject}' }}))"));
    }
    let all = "['a', 'b', 'c'].map((id) => document.getElementById(id)).filter(Boolean)\
               .map((frame) => frame.contentDocument.querySelector('scrip-credits'))";
    tab.until(&format!("{all}.every((credits) => credits.balance)"));
    // One asks for ada, one for bob, and the second tab of ada waits for its turn.
    locks(&mut tab, "2 1");
    let faces = format!("{all}.map((c) => c.shadowRoot.querySelector('.words > *').textContent)");
    let expected = json!(["25 credits", "25 credits", "Your limit: 4 left"]);
    assert_eq!(tab.eval(&faces), expected, "nobody gets the limit of another");
    // Bob's tab closes. The two others ask no more often than one.
    tab.eval("c.remove()");
    tab.take_requests();
    tab.pass(3_600_000);
    let idle = asked(&mut tab, "/v1/me/balance");
    assert!((10..=28).contains(&idle), "{idle} in an idle hour");
    host.stack.debit("acme", "a", "1").await;
    tab.pass(300_000);
    assert_eq!(tab.eval(&faces), json!(["24 credits", "24 credits"]));
    // The tab that was there first asked. It goes, and the other goes on.
    tab.eval("a.remove()");
    host.stack.debit("acme", "b", "1").await;
    tab.pass(300_000);
    assert_eq!(tab.eval(&faces), json!(["23 credits"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_choose_size_colours_and_region_of_the_indicator() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    host.page(
        "/",
        r#"<main><h1>Text</h1>
        <scrip-credits session="/session/ada" compact></scrip-credits></main>"#,
    );
    let mut tab = browser.tab(1280, 900);
    tab.scheme("light");
    open(&mut tab, &host);
    tab.eval("window.credits = document.querySelector('scrip-credits')");
    // The number alone to the eye; all of it to a screen reader.
    let name =
        format!("[...{OPEN}.querySelectorAll('.heard')].map((n) => n.textContent).join(' ')");
    assert_eq!(tab.text(&name), "25 credits 0 used Details");
    assert_eq!(tab.text(&format!("{OPEN}.querySelector('[part=number]').textContent")), "25");
    let width = "credits.getBoundingClientRect().width";
    assert_eq!(tab.eval(width), 105);
    assert_accessible(&mut tab, "indicator, compact");
    tab.eval(&format!("{OPEN}.click()"));
    tab.until("credits.shadowRoot.querySelector('dialog:popover-open')");
    assert_accessible(&mut tab, "indicator, compact, open");
    host.stack.debit("acme", "most", "20").await;
    tab.eval(REFRESH);
    assert_eq!(tab.text(STATE), "low");
    assert_eq!(tab.text(&name), "5 credits left 20 used Few credits are left. Details");
    assert_eq!(tab.eval("credits.shadowRoot.querySelector('[part=mark]').hidden"), false);
    assert_accessible(&mut tab, "indicator, compact, low");
    tab.eval("credits.removeAttribute('compact')");
    assert_eq!(tab.eval(width), 270);
    let (light, dark) = ("rgb(255, 255, 255)", "rgb(28, 28, 31)");
    for (theme, page, system, expected) in [
        ("light", "dark", "dark", light),
        ("dark", "light", "light", dark),
        ("auto", "light", "dark", dark),
        ("auto", "dark", "light", light),
    ] {
        tab.scheme(system);
        tab.eval(&format!("document.documentElement.style.colorScheme = '{page}'"));
        tab.eval(&format!("credits.setAttribute('theme', '{theme}')"));
        let paper = tab.text(&format!("getComputedStyle({OPEN}).backgroundColor"));
        assert_eq!(paper, expected, "{theme} in a {page} page on a {system} system");
    }
    // A region of a language, and what is no language.
    for (locale, date) in [("en-US", "Mon, Nov 23"), ("no language", "Mon 23 Nov")] {
        tab.eval(&format!("credits.setAttribute('locale', '{locale}')"));
        let text = said(&mut tab, "scrip-credits");
        assert!(text.contains(date), "{locale}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_file_has_the_hash_that_is_named() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    let named = host.stack.get("/scrip.json").await;
    assert_eq!(named.headers["cache-control"], "public, max-age=300");
    assert_eq!(named.headers["access-control-allow-origin"], "*");
    let files = [named.body.clone(), named.body["previous"].clone()];
    for file in files.iter().filter(|file| !file.is_null()) {
        let url = file["url"].as_str().expect("an address");
        let kept = host.stack.get(url).await;
        assert_eq!(kept.headers["cache-control"], "public, max-age=31536000, immutable");
        // A browser computes the hash anew, and runs no file with another.
        let integrity = file["integrity"].as_str().expect("a hash");
        let script = format!(
            r#"<script type="module" src="BASE{url}" integrity="{integrity}" crossorigin></script>
            <scrip-credits session="/session/ada"></scrip-credits>"#
        );
        host.document("/", &format!("<!doctype html><html lang=\"en\"><title>P</title>{script}"));
        open(&mut browser.tab(1280, 900), &host);
    }
    let fixed = host.stack.get("/scrip.js").await;
    let url = files[0]["url"].as_str().expect("an address");
    assert_eq!(host.stack.get(url).await.body, fixed.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_example_makes_videos_until_there_are_too_few_credits() {
    let Some(mut browser) = Browser::start() else { return };
    let host = Host::start().await;
    let example = include_str!("../../../examples/elements/plain.html");
    let local = "http://127.0.0.1:3000";
    assert!(example.contains(local), "it names the local stack");
    host.document("/", &example.replace(local, "BASE"));
    let mut tab = browser.tab(1280, 900);
    open(&mut tab, &host);
    tab.until("document.querySelector('scrip-cost').getAttribute('state') === 'open'");
    tab.eval("quantity.value = 15; quantity.dispatchEvent(new Event('input'))");
    assert_eq!(said(&mut tab, "scrip-cost"), "15 credits");
    tab.eval("make.click()");
    tab.until("make.disabled");
    assert_eq!(said(&mut tab, "scrip-notice"), "This takes 15 creditsYou have 10.");
    assert_accessible(&mut tab, "example, too dear");
    tab.eval("quantity.value = 10; quantity.dispatchEvent(new Event('input')); make.click()");
    tab.until(&format!("{STATE} === 'empty' && make.disabled"));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
