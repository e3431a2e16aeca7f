//! How often the page and the indicator send requests while hours pass, as the browser counts them.

use crate::page::browser::{NUMBER, session};
use crate::page::indicator::Product;
use crate::support::browser::{Browser, Tab};

/// The number of requests, preflights included, while this much of the page's time passes.
fn asks_in(tab: &mut Tab<'_>, ms: u64) -> usize {
    tab.take_requests();
    tab.pass(ms);
    tab.take_requests().len()
}

const HOUR_MS: u64 = 3_600_000;

/// Hides the page, or shows it.
fn hide(tab: &mut Tab<'_>, is: bool) {
    let hidden = if is { "hidden" } else { "visible" };
    tab.eval(&format!(
        "Object.defineProperty(document, 'visibilityState', {{ configurable: true, get: () => \
         '{hidden}' }}); document.dispatchEvent(new Event('visibilitychange'))"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_hour_takes_at_most_30_requests_and_a_hidden_one_none() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    let stack = &product.shop.stack;
    stack.open("acme", "free").await;
    let (link, _) = session(stack, "acme", &product.base).await;
    for screen in ["the indicator", "the page"] {
        let mut tab = browser.tab(1280, 900);
        if screen == "the page" {
            tab.enter(&link);
            tab.until(
                "document.querySelector('#hero [data-style=soon]').textContent.includes('(')",
            );
        } else {
            product.open(&mut tab, "acme").await;
        }
        let idle = asks_in(&mut tab, HOUR_MS);
        println!("{screen}: {idle} requests in an idle hour");
        assert!((10..=28).contains(&idle), "{screen}: {idle} in an hour, besides the first two");
        // Credits move: the next request shows it, and then requests go out every ten seconds.
        stack.debit("acme", &format!("{screen} 1"), "1").await;
        asks_in(&mut tab, 300_000);
        for n in 2..5 {
            stack.debit("acme", &format!("{screen} {n}"), "1").await;
            tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
            tab.pass(1000);
            assert!(asks_in(&mut tab, 10_000) > 0, "{screen}: credits moved ten seconds ago");
        }
        hide(&mut tab, true);
        assert_eq!(asks_in(&mut tab, HOUR_MS), 0, "{screen}: nobody looks");
        hide(&mut tab, false);
        tab.pass(1000);
        assert!(!tab.take_requests().is_empty(), "{screen}: somebody looks again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_opened_in_the_background_shows_todays_numbers_once_it_is_seen() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    let stack = &product.shop.stack;
    stack.open("acme", "free").await;
    let (link, _) = session(stack, "acme", &product.base).await;
    let mut tab = browser.tab(1280, 900);
    let hidden = "Object.defineProperty(document, 'visibilityState', { configurable: true, \
                  get: () => 'hidden' })";
    let before = serde_json::json!({ "source": hidden });
    tab.call("Page.addScriptToEvaluateOnNewDocument", before);
    tab.enter(&link);
    tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
    assert_eq!(tab.text(NUMBER), "25");
    stack.debit("acme", "a", "5").await;
    hide(&mut tab, false);
    tab.until(&format!("{NUMBER} === '20'"));
}
