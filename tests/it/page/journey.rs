//! A customer's whole journey in a real Chromium, by keyboard alone: from the indicator in a
//! product to the page, to Stripe's page and back, and to the ledger as a file.

use std::path::Path;
use std::time::{Duration, Instant};

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::page::browser::{
    NUMBER, assert_accessible, plain_product, product_of, session, session_from,
};
use crate::support::browser::{Browser, Tab};
use crate::support::ledger;
use crate::support::shop::Shop;

/// Whether the news of the page include this text.
pub(crate) fn news(says: &str) -> String {
    format!("document.querySelector('#news').innerText.includes('{says}')")
}

pub(crate) fn shows(credits: &str) -> String {
    format!("{NUMBER} === '{credits}'")
}

/// Goes from the page to Stripe's with the pack's button. Returns Stripe's session id.
pub(crate) fn order(tab: &mut Tab<'_>) -> String {
    tab.reach("Buy 500 credits for 49.00 USD");
    tab.press("Enter");
    tab.until(
        "location.pathname.startsWith('/_local/stripe/') && document.title === 'Local Stripe'",
    );
    tab.text("location.pathname.split('/').at(-1)")
}

/// The text of a file, once it has been downloaded.
fn downloaded(file: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    while !file.is_file() {
        assert!(Instant::now() < until, "{} is not downloaded", file.display());
        std::thread::sleep(Duration::from_millis(25));
    }
    std::fs::read_to_string(file).expect("a text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sees_buys_spends_and_checks_by_keyboard_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let (html, page) = tokio::sync::watch::channel(String::new());
    let product = product_of(page).await;
    let (shop, base) = Shop::served(Some("2026-11-22T23:30:00Z"), &[&product]).await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    for n in 0..240 {
        assert_eq!(stack.debit("acme", &format!("small {n}"), "0.00625").await.status, 201);
    }
    stack.action("acme", "a", "dynamic_video", 5).await;
    stack.action("acme", "b", "custom_image", 3).await;
    let (link, token) = session_from(stack, "acme", &format!("{base}/")).await;
    html.send_replace(plain_product(&token, &base, &link));
    let folder = tempfile();
    let mut tab = browser.tab(1280, 900);
    tab.scheme("light");
    tab.downloads(&folder);

    // The indicator on the product's screen, and its details: each action, and their sum.
    let element = "document.querySelector('scrip-credits')";
    let root = &format!("{element}.shadowRoot");
    tab.open(&product);
    tab.until(&format!("{element}.getAttribute('state') === 'open'"));
    tab.reach("17 credits 8 used Details");
    tab.press("Enter");
    tab.until(&format!("{root}.querySelector('dialog:popover-open')"));
    let lines = format!("[...{root}.querySelectorAll('dd')].map((dd) => Number(dd.textContent))");
    assert_eq!(tab.eval(&lines), json!([1.5, 5, 1.5, 8]), "each action, and their sum");
    tab.press("Escape");
    tab.until(&format!("!{root}.querySelector('dialog:popover-open')"));
    // The focus is back on the button: the same key opens the details again.
    tab.press(" ");
    tab.until(&format!("{root}.querySelector('dialog:popover-open')"));
    tab.reach("Top up");
    tab.press("Enter");
    tab.until("document.querySelector('main button') && document.readyState === 'complete'");
    assert_accessible(&mut tab, "door");
    tab.reach("Open credits");
    tab.press("Enter");
    tab.until(&format!("location.href === '{base}/' && document.readyState === 'complete'"));
    assert_eq!(tab.text(NUMBER), "17");

    // Paid by a method that takes days: the page says so, and credits arrive only with the money.
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    let first = order(&mut tab);
    tab.reach("Pay by a method that takes days");
    tab.press("Enter");
    tab.until("location.pathname === '/' && location.search.startsWith('?checkout=')");
    tab.until(&news("500 credits are added when the money arrives"));
    assert_eq!(tab.text(NUMBER), "17");
    tab.eval("window.mark = 'the same page'");
    shop.act(&first, Effect::Arrive).await;
    tab.until(&news("500 credits added"));
    tab.until(&shows("517"));
    assert_eq!(tab.text("window.mark"), "the same page");
    tab.until("location.search === ''");
    // The ledger links its receipt.
    tab.reach("Receipt");
    tab.press("Enter");
    tab.until("document.querySelector('h1').textContent === 'Receipt'");
    assert!(tab.text("document.body.innerText").contains("49.00 usd"));

    // Paid at once, with each event sent twice: credited once.
    tab.open(&base);
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    let second = order(&mut tab);
    tab.reach("send every event twice");
    tab.press(" ");
    tab.reach("Pay");
    tab.press("Enter");
    tab.until("location.pathname === '/' && location.search.startsWith('?checkout=')");
    tab.until(&news("500 credits added"));
    assert_eq!(tab.text(NUMBER), "1,017");
    let customer = |id| shop.stripe.session(id).expect("a session")["customer"].clone();
    assert!(customer(&first).is_string() && customer(&first) == customer(&second));

    // A service spends everything: the page shows it without a reload. Then Monday comes.
    tab.eval("window.mark = 'still the same page'");
    assert_eq!(stack.debit("acme", "all", "1017").await.status, 201);
    tab.until("document.querySelector('#message-empty')");
    tab.until(&shows("0"));
    tab.reach("Top up from US$49.00");
    stack.set_clock("2026-11-23T00:00:01Z");
    tab.until(&shows("25"));
    tab.until("!document.querySelector('#message-empty')");
    assert_eq!(tab.text("window.mark"), "still the same page");
    // The focused link is gone; the focus stays at its place, not at the beginning.
    assert_eq!(tab.text("document.activeElement.id"), "messages");

    // The whole ledger as a file, with later advances: each line matches the API.
    assert_eq!(stack.debit("acme", "tuesday", "1").await.status, 201);
    tab.reach("Download as CSV");
    tab.press("Enter");
    let csv = downloaded(&folder.join("credits.csv"));
    std::fs::remove_dir_all(&folder).expect("the folder was ours");
    let mut entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    // Entries that mean nothing to a customer are not in the file.
    entries.retain(|entry| entry["parts"] != json!([]));
    entries.reverse();
    let columns = ["seq", "at", "kind", "id"];
    let expected: Vec<String> = entries
        .iter()
        .map(|entry| {
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            columns.map(|name| text(&entry[name])).join(",")
        })
        .collect();
    // It has one byte order mark, however many answers it consists of.
    assert!(csv.starts_with("\u{FEFF}seq,at,kind,id,"), "{csv:.40}");
    assert_eq!(csv.matches('\u{FEFF}').count(), 1);
    let lines: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(lines.len(), expected.len());
    assert!(lines.len() > 240, "{} lines: more than one page of them", lines.len());
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(&format!("{expected},")), "{line} is not {expected}");
    }
    assert_eq!(tab.take_errors(), Vec::<String>::new());
    let ours = |url: &String| {
        [&base, &product, "data:image/svg+xml", "data:,", "blob:"]
            .iter()
            .any(|ours| url.starts_with(*ours))
    };
    let asked = tab.take_requests();
    assert!(asked.iter().all(ours), "{asked:?}");
}

/// Covers each state of a checkout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_reports_each_state_of_a_payment() {
    use crate::support::PRODUCT;
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(None, &[PRODUCT]).await;
    shop.stack.open("acme", "pro").await;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(&shop.stack, "acme", &base).await.0);
    let states: [(&str, &[Effect], &str, bool); 5] = [
        ("open", &[], "No payment has arrived yet", false),
        ("declined", &[Effect::Decline], "No payment has arrived yet", false),
        ("processing", &[Effect::PayLater], "500 credits are added when the money arrives", false),
        ("failed", &[Effect::PayLater, Effect::Fail], "The payment failed", true),
        ("expired", &[Effect::Expire], "The payment page expired", true),
    ];
    for (state, effects, says, ends) in states {
        let (order, stripe) = shop.begin("acme", state, "starter").await;
        for effect in effects {
            shop.act(&stripe, *effect).await;
        }
        tab.open(&format!("{base}/?checkout={order}"));
        tab.until(&news(says));
        // A reload does not show a final state again.
        tab.until(&format!("location.search.includes('checkout') !== {ends}"));
        assert_accessible(&mut tab, state);
    }
    // The paid amount differs from the order: an operator checks it, and the page says so.
    let (order, stripe) = shop.begin("acme", "parked", "starter").await;
    shop.stripe.act(&stripe, Effect::Pay).expect("it can be paid");
    let events = shop.stripe.take_events().into_iter();
    for event in events.filter(|event| event.contains("checkout.session.completed")) {
        let less = event.replace("\"amount_total\":4900", "\"amount_total\":4800");
        assert_eq!(shop.take_notice(&less).await.text("/outcome"), "parked");
    }
    tab.open(&format!("{base}/?checkout={order}"));
    tab.until(&news("Your payment is under review"));
    tab.until("!location.search.includes('checkout')");
    assert_eq!(tab.text(NUMBER), "2,500", "no credits until then");
    assert_accessible(&mut tab, "parked");
    // Another account's checkout looks like one that does not exist.
    shop.stack.open("other", "pro").await;
    let (order, _) = shop.begin("other", "theirs", "starter").await;
    tab.open(&format!("{base}/?checkout={order}"));
    tab.until("!location.search.includes('checkout')");
    assert_eq!(tab.text("document.querySelector('#news').innerText"), "");
    let errors = tab.take_errors();
    let errors: Vec<_> = errors.iter().filter(|error| !error.contains(&order)).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A new folder for this process.
fn tempfile() -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
