//! Time in Chromium: days are UTC days and say so, instants are in the browser's zone and name it,
//! in every zone and language.

use crate::page::browser::{keep_picture, session};
use crate::support::Stack;
use crate::support::browser::Browser;

/// The same account in a German browser in Berlin, where it is Monday before UTC, in an English one
/// in Los Angeles, where it is still Sunday, and in one where the days begin.
const SHOWN: [(&str, &str, [&str; 9]); 3] = [
    (
        "Europe/Berlin",
        "de-DE",
        [
            "Mo., 23. Nov., 01:00 MEZ (in\u{a0}20\u{a0}Minuten)",
            "23. Nov. 2026, 00:35 MEZ",
            "29. Nov. 2026, 14:05 MEZ",
            "22. Nov. 2026, UTC",
            "23. Nov. 2026, 01:00 MEZ",
            "Mo., 30. Nov., 01:00 MEZ (in\u{a0}7\u{a0}Tagen)",
            "vom 16. Nov. 2026 bis 22. Nov. 2026. Die Tage gelten in UTC.",
            "erneuert",
            "Bis (UTC)",
        ],
    ),
    (
        "America/Los_Angeles",
        "en-US",
        [
            "Sun, Nov 22, 04:00 PM PST (in\u{a0}20\u{a0}minutes)",
            "Nov 22, 2026, 03:35 PM PST",
            "Nov 29, 2026, 05:05 AM PST",
            "Nov 22, 2026, UTC",
            "Nov 22, 2026, 04:00 PM PST",
            "Sun, Nov 29, 04:00 PM PST (in\u{a0}7\u{a0}days)",
            "from Nov 16, 2026 to Nov 22, 2026. Days are in UTC.",
            "renewed",
            "To (UTC)",
        ],
    ),
    (
        "Pacific/Kiritimati",
        "en-GB",
        [
            "Mon 23 Nov, 14:00 GMT+14 (in\u{a0}20\u{a0}minutes)",
            "23 Nov 2026, 13:35 GMT+14",
            "30 Nov 2026, 03:05 GMT+14",
            "22 Nov 2026, UTC",
            "23 Nov 2026, 14:00 GMT+14",
            "Mon 30 Nov, 14:00 GMT+14 (in\u{a0}7\u{a0}days)",
            "from 16 Nov 2026 to 22 Nov 2026. Days are in UTC.",
            "renewed",
            "To (UTC)",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_browser_shows_days_in_utc_and_instants_in_its_own_zone() {
    let Some(mut browser) = Browser::start() else { return };
    for (zone, language, shown) in SHOWN {
        let (stack, _, base) = Stack::served(Some("2026-11-22T23:35:00Z"), &[]).await;
        let [monday, spent, gift_until, last_day, renewed, next_monday, period, word, to] = shown;
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
        assert!(usage.contains(period), "{zone}: {usage}");
        // Monday comes, at its instant in UTC.
        stack.set_clock("2026-11-23T00:00:00Z");
        tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
        let latest = "document.querySelector('#ledger tbody th').textContent";
        tab.until(&format!("{latest}.includes('{word}')"));
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
        assert!(labels.contains(to), "{labels}");
        assert_eq!(tab.take_errors(), Vec::<String>::new());
    }
}
