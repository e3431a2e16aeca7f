//! The customer's page in a real Chromium, against the local stack on its own port.
//!
//! Without Chromium these tests print that they did not run; with `CI=true` they fail.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::browser::{Browser, Tab};
use crate::support::{Stack, request};

pub(crate) const NUMBER: &str = "document.querySelector('#hero .number').textContent";

/// The link and the token of a session that may buy; its return address is no page.
pub(crate) async fn session(stack: &Stack, account: &str, base: &str) -> (String, String) {
    session_from(stack, account, &format!("{base}/scrip.js")).await
}

/// The same, for a customer who came from `return_url`.
pub(crate) async fn session_from(
    stack: &Stack,
    account: &str,
    return_url: &str,
) -> (String, String) {
    let body = json!({ "subject": "ada", "scopes": ["buy"], "return_url": return_url });
    let path = format!("/v1/accounts/{account}/sessions");
    let made = stack.send(request("POST", &path, None, &body.to_string())).await;
    (made.text("/url").to_owned(), made.text("/token").to_owned())
}

/// The text of axe-core, from npm; installed once. None: it
/// could not be installed, which was printed.
fn axe() -> Option<&'static str> {
    static AXE: OnceLock<Option<String>> = OnceLock::new();
    let found = AXE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe");
        let file = folder.join("node_modules/axe-core/axe.min.js");
        if !file.is_file() {
            std::fs::create_dir_all(&folder).expect("a folder");
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"]);
            let done = npm.arg("--prefix").arg(&folder).output();
            if !done.is_ok_and(|done| done.status.success()) {
                assert_ne!(
                    std::env::var("CI").as_deref(),
                    Ok("true"),
                    "CI cannot install axe-core"
                );
                eprintln!("NOT RUN: axe-core could not be installed by npm");
                return None;
            }
        }
        Some(std::fs::read_to_string(file).expect("axe-core"))
    });
    found.as_deref()
}

/// The folder for pictures that a person looks at: `SCRIP_PICTURES`. None: none are kept.
pub(crate) fn keeps_pictures() -> Option<PathBuf> {
    std::env::var_os("SCRIP_PICTURES").map(PathBuf::from)
}

/// Takes a screenshot for a person to look at, if pictures are kept.
pub(crate) fn keep_picture(tab: &mut Tab<'_>, name: &str) {
    if let Some(folder) = keeps_pictures() {
        tab.picture(&folder.join(format!("{name}.png")));
    }
}

/// axe-core finds no problem on the page, light and dark, narrow and wide.
pub(crate) fn assert_accessible(tab: &mut Tab<'_>, state: &str) {
    for scheme in ["light", "dark"] {
        for width in [320, 1280] {
            tab.scheme(scheme);
            tab.size(width, 900);
            let look = format!("{state}-{scheme}-{width}");
            keep_picture(tab, &look);
            assert_eq!(violations(tab), Vec::<String>::new(), "{look}");
            let wide = tab.eval("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(width.into()), "{state}: {wide} px wide in {width}");
        }
    }
    tab.scheme("light");
    tab.size(1280, 900);
}

/// The problems that axe-core finds on the page as it looks now: a rule, and the elements.
pub(crate) fn violations(tab: &mut Tab<'_>) -> Vec<String> {
    let Some(axe) = axe() else { return Vec::new() };
    if tab.eval("typeof axe") == "undefined" {
        tab.eval(axe);
    }
    let found = tab.eval(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => \
         violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html + ' ' + n.failureSummary)}`))",
    );
    serde_json::from_value(found).expect("texts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_reads_the_page_and_sees_credits_go_and_come_back() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-22T23:40:00Z"), &[]).await;
    stack.open("open", "free").await;
    stack.action("open", "a", "dynamic_video", 7).await;
    stack.action("open", "b", "custom_image", 3).await;
    let (link, _) = session(&stack, "open", &base).await;
    let mut tab = browser.tab(1280, 900);
    tab.scheme("light");
    tab.enter(&link);
    assert_eq!(tab.text("location.href"), format!("{base}/"), "the link is not in the address");
    assert_eq!(tab.text("document.cookie"), "", "no script reads the session");
    assert_eq!(tab.text(NUMBER), "16.5");
    // The rows sum to the total that the table shows.
    let sum = "[...document.querySelectorAll('#usage tbody td:last-child data')].reduce((s, d) => \
               s + Number(d.value), 0) === \
               Number(document.querySelector('#usage tfoot data').value)";
    assert_eq!(tab.eval(sum), json!(true));
    // A local time, and the time until then.
    tab.until("/\\(.+\\)$/.test(document.querySelector('#hero [data-style=soon]').textContent)");
    assert_accessible(&mut tab, "page");
    tab.eval("document.querySelector('#rates thead th:last-child button').click()");
    assert_eq!(tab.text("document.querySelector('#rates [aria-sort]').ariaSort"), "descending");
    let first = "document.querySelector('#rates tbody tr th').textContent";
    assert_eq!(tab.text(first), "Feed field", "most for a hundred credits");
    // Decimals and refunds are sorted as the numbers that they are.
    let cells = "[...document.querySelectorAll('#rates table')].at(0)\
                 .querySelectorAll('tbody td:last-child data')";
    tab.eval(&format!(
        "[...{cells}].forEach((cell, n) => (cell.value = ['1.5', '-3', '1.25', '10'][n] ?? '0'))"
    ));
    tab.eval("document.querySelector('#rates thead th:last-child button').click()");
    let sorted = tab.text(&format!("[...{cells}].map((cell) => cell.value).join()"));
    assert_eq!(sorted, "-3,0,0,0,1.25,1.5,10");

    // A service spends; the page shows it without a reload and tells the customer.
    tab.eval("window.mark = 'the same page'");
    stack.debit("open", "all", "16.5").await;
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until("document.querySelector('#message-empty')");
    assert_eq!(tab.text(NUMBER), "0");
    tab.until("document.querySelector('#news').textContent.includes('0 credits available')");
    assert_accessible(&mut tab, "empty");
    // Monday comes.
    stack.set_clock("2026-11-23T00:00:01Z");
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until("document.querySelector('#hero .number').textContent === '25'");
    tab.until("!document.querySelector('#message-empty')");
    assert_eq!(tab.text("window.mark"), "the same page");
    // An hour has passed: the page says so, and what to do.
    stack.set_clock("2026-11-23T00:50:00Z");
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until("document.querySelector('#news').textContent.includes('has ended')");
    let back = tab.text("document.querySelector('#news a').href");
    assert_eq!(back, format!("{base}/scrip.js"), "back to where the customer came from");
    assert_accessible(&mut tab, "ended");
    let errors = tab.take_errors();
    let errors: Vec<_> = errors.iter().filter(|error| !error.contains("401")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let foreign: Vec<_> = tab.take_requests();
    // The icon inside a date field is Chromium's own, and is a data URL.
    let ours = |url: &String| url.starts_with(&base) || url.starts_with("data:image/svg+xml");
    assert!(foreign.iter().all(ours), "{foreign:?}");
    // The link does not work again, and its page has the return address.
    tab.open(&link);
    assert_eq!(tab.text("document.querySelector('h1').textContent"), "This session has ended");
    assert_eq!(tab.text("document.querySelector('main a').href"), back);
    assert_accessible(&mut tab, "no session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_works_by_keyboard_alone_and_without_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    for n in 0..30 {
        stack.action("acme", &format!("a{n}"), "custom_image", 1 + n % 4).await;
    }
    let (link, _) = session(&stack, "acme", &base).await;
    {
        let mut tab = browser.tab(1280, 900);
        tab.enter(&link);
        tab.until("document.querySelector('button[data-pack]:not([hidden])')");
        tab.press("Tab");
        assert_eq!(tab.text("document.activeElement.className"), "skip");
        // Tab reaches every control, in order, and each shows its focus.
        let mut reached = Vec::new();
        for _ in 0..80 {
            if tab.eval("document.activeElement === document.body") == json!(true) {
                break;
            }
            let place = tab.text("document.activeElement.textContent || document.activeElement.id");
            if reached.last() != Some(&place) {
                let ring = "getComputedStyle(document.activeElement).outlineStyle";
                assert_eq!(tab.text(ring), "solid", "{place}");
                reached.push(place);
            }
            tab.press("Tab");
        }
        let all = reached.join("|");
        for place in ["Back", "Buy", "Older", "Download as CSV", "Show"] {
            assert!(all.contains(place), "{place} is not reached: {all}");
        }
        tab.eval("document.querySelector('#filter-more').click()");
        tab.eval("document.querySelector('#filter-kind').value = 'opened'");
        tab.eval("document.querySelector('#filter-apply').focus()");
        tab.press("Enter");
        tab.until("location.search.includes('kind=opened')");
        tab.until("document.querySelectorAll('#ledger tbody tr').length === 1");
        assert_eq!(tab.take_errors(), Vec::<String>::new());
    }
    let (link, _) = session(&stack, "acme", &base).await;
    let mut tab = browser.tab(1280, 900);
    tab.without_scripts();
    tab.enter(&link);
    assert_eq!(tab.text(NUMBER), "2,463.5");
    let said = tab.text("document.body.innerText");
    for part in ["UTC", "Buying needs JavaScript", "36.5", "USD 49.00", "Older"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

/// The element among styles that reset everything, on a page of another origin.
const PRODUCT: &str = r#"<!doctype html><html lang="en"><title>Product</title><style>
* { all: unset !important; display: block !important; color: red !important;
    font-size: 3px !important; }
</style><main><h1>Text</h1><p>
<label>Text <textarea id="text"></textarea></label> <button id="ai">Write with AI</button></p>
<scrip-credits token="TOKEN" top-up="BASE/"></scrip-credits></main>
<script type="module" src="BASE/scrip.js"></script>
<script>
  const heard = [];
  for (const name of ['scrip-balance', 'scrip-exhausted', 'scrip-restored', 'scrip-session'])
    addEventListener(name, () => heard.push(name));
  addEventListener('scrip-exhausted', () => (ai.disabled = true));
  addEventListener('scrip-restored', () => (ai.disabled = false));
</script>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_element_works_on_a_product_page_and_from_nowhere_else() {
    let Some(mut browser) = Browser::start() else { return };
    // The list needs the product's address before the stack starts; the page comes later.
    let (html, page) = tokio::sync::watch::channel(String::new());
    let allowed = product_of(page.clone()).await;
    let foreign = product_of(page).await;
    let (stack, _, base) = Stack::served(None, &[&allowed]).await;
    stack.open("acme", "free").await;
    stack.action("acme", "a", "dynamic_video", 4).await;
    stack.action("acme", "b", "custom_image", 3).await;
    let (_, token) = session(&stack, "acme", &base).await;
    html.send_replace(PRODUCT.replace("TOKEN", &token).replace("BASE", &base));
    let root = "document.querySelector('scrip-credits').shadowRoot";
    {
        let mut tab = browser.tab(1280, 900);
        tab.open(&allowed);
        tab.until(&format!("{root}.textContent.includes('19.5 credits')"));
        let open = format!("{root}.querySelector('.open')");
        // The host's styles do not apply to the element.
        let size = tab.text(&format!("getComputedStyle({open}).fontSize"));
        assert_eq!(size, "15px");
        let name = tab.text(&format!("{open}.textContent"));
        assert_eq!(name, "19.5 credits 5.5 used Details");
        // By keyboard: focus, open, sum, close, back.
        tab.eval(&format!("{open}.focus()"));
        tab.press("Enter");
        tab.until(&format!("{root}.querySelector('dialog:popover-open')"));
        let lines = tab.eval(&format!(
            "[...{root}.querySelectorAll('dd')].map((dd) => Number(dd.textContent))"
        ));
        assert_eq!(lines, json!([4, 1.5, 5.5]), "each action, and their sum");
        let bar = tab.text(&format!("{root}.querySelector('dialog [role=meter]').ariaValueText"));
        assert_eq!(bar, "19.5 of 25 credits available");
        tab.press("Escape");
        tab.until(&format!("!{root}.querySelector('dialog:popover-open')"));
        tab.until(&format!("{root}.activeElement === {open}"));
        // Credits run out: the AI button is disabled, typing goes on.
        stack.debit("acme", "all", "19.5").await;
        tab.eval("document.querySelector('scrip-credits').refresh()");
        tab.until("heard.includes('scrip-exhausted')");
        let note = tab.text(&format!("{root}.querySelector('[role=status]').textContent"));
        assert!(note.starts_with("You are out of credits."), "{note}");
        assert!(note.contains("25 credits come back"), "{note}");
        let product = tab.eval("[ai.disabled, text.disabled]");
        assert_eq!(product, json!([true, false]));
        stack.grant("acme", "more", "10").await;
        tab.eval("document.querySelector('scrip-credits').refresh()");
        tab.until("heard.includes('scrip-restored') && !ai.disabled");
        // The session ends: the product gets an event and sets another token.
        stack.clock.set(stack.context().clock.now() + shared::domain::instant::Span::from_s(3700));
        tab.eval("document.querySelector('scrip-credits').refresh()");
        tab.until("heard.includes('scrip-session')");
        let (_, next) = session(&stack, "acme", &base).await;
        tab.eval(&format!(
            "document.querySelector('scrip-credits').setAttribute('token', '{next}')"
        ));
        tab.until("document.querySelector('scrip-credits').getAttribute('state') === 'open'");
        let errors = tab.take_errors();
        let errors: Vec<_> = errors.iter().filter(|error| !error.contains("401")).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    // The same page on an address that is not in the list gets nothing.
    let mut tab = browser.tab(1280, 900);
    tab.open(&foreign);
    tab.until("document.querySelector('scrip-credits').getAttribute('state') === 'offline'");
    let said = tab.text(&format!("{root}.textContent"));
    assert!(said.starts_with("Credits not available") && !said.contains("Top up"), "{said}");
    assert!(tab.take_errors().iter().any(|error| error.contains("CORS")));
}

/// Checks the element and its dialog on an ordinary page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_element_is_accessible() {
    let Some(mut browser) = Browser::start() else { return };
    let (html, page) = tokio::sync::watch::channel(String::new());
    let origin = product_of(page).await;
    let (stack, _, base) = Stack::served(None, &[&origin]).await;
    stack.open("acme", "free").await;
    stack.action("acme", "a", "dynamic_video", 4).await;
    let (_, token) = session(&stack, "acme", &base).await;
    html.send_replace(plain_product(&token, &base, &format!("{base}/")));
    let mut tab = browser.tab(1280, 900);
    tab.open(&origin);
    tab.until("document.querySelector('scrip-credits').getAttribute('state') === 'open'");
    assert_accessible(&mut tab, "element");
    tab.eval("document.querySelector('scrip-credits').shadowRoot.querySelector('.open').click()");
    assert_accessible(&mut tab, "element, open");
    stack.debit("acme", "all", "21").await;
    tab.eval("document.querySelector('scrip-credits').refresh()");
    tab.until("document.querySelector('scrip-credits').getAttribute('state') === 'empty'");
    assert_accessible(&mut tab, "element, empty");
}

/// The product's page with styles like any other's.
pub(crate) fn plain_product(token: &str, base: &str, top_up: &str) -> String {
    let plain = PRODUCT.split("<style>").next().expect("a head").to_owned()
        + "<style>body { background: light-dark(#fff, #111); color: light-dark(#000, #fff); \
           color-scheme: light dark }"
        + PRODUCT.split("!important; }").nth(1).expect("a rest");
    plain
        .replace("TOKEN", token)
        .replace("BASE/\"></scrip", &format!("{top_up}\"></scrip"))
        .replace("BASE", base)
}

/// A product whose page is set later.
pub(crate) async fn product_of(page: tokio::sync::watch::Receiver<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let html = page.borrow().clone();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
                        connection: close\r\n";
            let length = html.len();
            let reply = format!("{head}content-length: {length}\r\n\r\n{html}");
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    origin
}
