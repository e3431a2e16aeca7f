//! Time in Chromium: days are UTC days and say so, instants are in the browser's zone and name it,
//! in every zone and language.

use crate::page::browser::{keep_picture, session};
use crate::support::Stack;
use crate::support::browser::Browser;

/// The same account in a German browser in Berlin, where it is Monday before UTC, and in an English
/// one in Los Angeles, where it is still Sunday.
const SHOWN: [(&str, &str, [&str; 6]); 2] = [
    (
        "Europe/Berlin",
        "de-DE",
        [
            "Monday, November 23 at 01:00 AM GMT+1 (in\u{a0}20\u{a0}minutes)",
            "Nov 23, 2026, 12:35 AM GMT+1",
            "Nov 29, 2026, 02:05 PM GMT+1",
            "Nov 22, 2026, UTC",
            "Nov 23, 2026, 01:00 AM GMT+1",
            "Monday, November 30 at 01:00 AM GMT+1 (in\u{a0}7\u{a0}days)",
        ],
    ),
    (
        "America/Los_Angeles",
        "en-US",
        [
            "Sunday, November 22 at 04:00 PM PST (in\u{a0}20\u{a0}minutes)",
            "Nov 22, 2026, 03:35 PM PST",
            "Nov 29, 2026, 05:05 AM PST",
            "Nov 22, 2026, UTC",
            "Nov 22, 2026, 04:00 PM PST",
            "Sunday, November 29 at 04:00 PM PST (in\u{a0}7\u{a0}days)",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_browser_shows_days_in_utc_and_instants_in_its_own_zone() {
    let Some(mut browser) = Browser::start() else { return };
    for (zone, language, shown) in SHOWN {
        let (stack, _, base) = Stack::served(Some("2026-11-22T23:35:00Z"), &[]).await;
        let [monday, spent, gift_until, last_day, renewed, next_monday] = shown;
        stack.open("acme", "free").await;
        stack.action("acme", "a", "custom_image", 4).await;
        stack.grant_until("acme", "gift", "30", "2026-11-29T13:05:00Z").await;
        stack.set_clock("2026-11-22T23:40:00Z");
        let (link, _) = session(&stack, "acme", &base).await;
        let mut tab = browser.tab(1280, 1800);
        tab.lives_in(zone, language);
        tab.enter(&link);
        let squeeze = |of: &str| format!("{of}.textContent.replaceAll('\\u202f', ' ')");
        let hero = squeeze("document.querySelector('#hero [data-style=soon]')");
        tab.until(&format!("{hero}.includes('(')"));
        assert_eq!(tab.text(&hero), monday, "{zone}");
        let at = squeeze("document.querySelector('#ledger tbody tr:nth-child(2) time')");
        assert_eq!(tab.text(&at), spent, "{zone}");
        // A grant that ends with a day in UTC shows that day, and any other shows its time.
        let pools = "document.querySelector('#pools')";
        let said = tab.text(&squeeze(pools));
        assert!(said.contains(gift_until), "{zone}: {said}");
        let ends = squeeze("document.querySelector('#pools tbody tr:nth-child(2) time')");
        assert_eq!(tab.text(&ends), last_day, "{zone}");
        let usage = tab.text(&squeeze("document.querySelector('#usage')"));
        assert!(
            usage.contains("from Nov 16, 2026 to Nov 22, 2026. Days are in UTC."),
            "{zone}: {usage}"
        );
        // Monday comes, at its instant in UTC.
        stack.set_clock("2026-11-23T00:00:00Z");
        tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
        tab.until("document.querySelector('#ledger tbody th').textContent.includes('renewed')");
        let at = squeeze("document.querySelector('#ledger tbody time')");
        assert_eq!(tab.text(&at), renewed, "{zone}");
        assert_eq!(tab.text(&hero), next_monday, "{zone}");
        keep_picture(&mut tab, &format!("zone-{language}"));
        // The filter uses UTC days: Sunday has all entries before Monday began in UTC.
        tab.eval("document.querySelector('#filter-from').value = '2026-11-22'");
        tab.eval("document.querySelector('#filter-to').value = '2026-11-22'");
        tab.eval("document.querySelector('#filter-apply').click()");
        tab.until(
            "location.search.includes('to=2026-11-22') && document.readyState === 'complete'",
        );
        tab.until("document.querySelectorAll('#ledger tbody tr').length === 3");
        let labels = tab.text("document.querySelector('#filter-from').form.textContent");
        assert!(labels.contains("From (UTC)") && labels.contains("To (UTC)"), "{labels}");
        assert_eq!(tab.take_errors(), Vec::<String>::new());
    }
}
