//! How much a first view transfers, and how soon a slow network shows it.

use ::page::FILES;

use super::checks;
use super::views::{VIEWS, Visited};
use crate::support::browser::{Browser, Tab};

const MAX_BYTES: u64 = 25_000;
const MAX_REQUESTS: usize = 7;
/// The time until a customer sees something, over 400 kbit/s and 400 ms.
const MAX_PAINT_MS: f64 = 1_200.0;
const SLOW_BYTES_PER_S: u32 = 400_000 / 8;
const SLOW_LATENCY_MS: u32 = 400;
/// The elements are part of another product's page.
const MAX_ELEMENTS_BYTES: usize = 15_000;

/// Waits until the page has also asked for its balance.
fn until_quiet(tab: &mut Tab<'_>) {
    tab.until("checks.ready()");
    tab.until(
        "performance.getEntriesByType('resource')\
         .some(({ name, responseEnd }) => name.endsWith('/v1/me/balance') && responseEnd > 0)",
    );
}

/// The bytes on the wire, heads of answers too, as the browser counts them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_view_of_any_state_asks_for_little() {
    let Some(mut browser) = Browser::start() else { return };
    let visited = Visited::new().await;
    let mut tab = checks::tab(&mut browser, 375);
    // German texts are the longest.
    tab.lives_in("Europe/Berlin", "de-DE");
    tab.caches(false);
    let icon = FILES.iter().find(|file| file.name == "icon.svg").expect("an icon").gzip.len();
    let (mut most, mut requests) = (0, 0);
    for view in &VIEWS {
        checks::enter(&mut tab, &visited.link(view).await);
        until_quiet(&mut tab);
        tab.take_events("Network.requestWillBeSent");
        tab.take_events("Network.loadingFinished");
        tab.open(&format!("{}/", visited.base(view)));
        until_quiet(&mut tab);
        let sent = tab.take_events("Network.requestWillBeSent");
        let of = |url: &serde_json::Value| url.as_str().is_some_and(|url| url.starts_with("http"));
        let sent = sent.iter().filter(|sent| of(&sent["request"]["url"])).count();
        let finished = tab.take_events("Network.loadingFinished");
        let bytes = finished.iter().filter_map(|event| event["encodedDataLength"].as_f64());
        // A headless browser does not ask for the icon.
        let (bytes, sent) = (bytes.sum::<f64>() as u64 + icon as u64, sent + 1);
        assert!(bytes <= MAX_BYTES, "{}: {bytes} bytes", view.name);
        assert!(sent <= MAX_REQUESTS, "{}: {sent} requests", view.name);
        (most, requests) = (most.max(bytes), requests.max(sent));
    }
    println!("a first view: at most {most} bytes, {requests} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_shows_the_page_within_a_second_or_so() {
    let Some(mut browser) = Browser::start() else { return };
    let visited = Visited::new().await;
    let view = VIEWS.iter().find(|view| view.name == "busy").expect("a state");
    let mut tab = checks::tab(&mut browser, 375);
    checks::enter(&mut tab, &visited.link(view).await);
    tab.caches(false);
    tab.slow(SLOW_BYTES_PER_S, SLOW_LATENCY_MS);
    let painted = "performance.getEntriesByName('first-contentful-paint')[0]";
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..3 {
        tab.open(&format!("{}/", visited.base(view)));
        tab.until(painted);
        times.push(tab.eval(&format!("{painted}.startTime")).as_f64().expect("a time"));
        until_quiet(&mut tab);
    }
    times.sort_by(f64::total_cmp);
    println!("first paints: {times:.0?} ms");
    assert!(times[1] < MAX_PAINT_MS, "{times:.0?} ms");
}

#[test]
fn the_elements_are_small() {
    let elements = FILES.iter().find(|file| file.name == "scrip.js").expect("the elements");
    let bytes = elements.gzip.len();
    println!("the elements: {bytes} bytes");
    assert!(bytes < MAX_ELEMENTS_BYTES, "{bytes} bytes");
}
