//! Rows of the ledger that time and money cause: one row with its cause, in JSON, in CSV and on the
//! page, and no empty row.

use local::stripe::Effect;
use regex::Regex;
use serde_json::{Value, json};
use shared::domain::viewer::Viewer;
use shared::query::ledger::KINDS;

use crate::page::browser::{assert_accessible, keep_picture, session};
use crate::page::html::page;
use crate::support::browser::Browser;
use crate::support::shop::Shop;
use crate::support::{Answer, PRODUCT};

/// The answer that the account's customer gets.
async fn mine(shop: &Shop, query: &str) -> Answer {
    let token = shop.token("acme", r#""view""#).await;
    let listing = shop.ask(&token, "GET", &format!("/v1/me/ledger?{query}"), None, "").await;
    assert_eq!(listing.status, 200, "{listing:?}");
    listing
}

/// The rows of the page's ledger, the latest first: the
/// text without the details, the change, the balance.
async fn rows(shop: &Shop, query: &str) -> Vec<[String; 3]> {
    let (_, html) = page(&shop.stack, "acme", query).await;
    let regex = |pattern: &str| Regex::new(pattern).expect("a regex");
    let (_, ledger) = html.split_once("id=\"ledger\"").expect("a ledger");
    let ledger = regex("(?s)<details>.*?</details>").replace_all(ledger, "");
    let (cell, tag) = (regex("(?s)<t[hd][^>]*>(.*?)</t[hd]>"), regex("(?s)<[^>]*>"));
    let words = |html: &str| {
        let text = tag.replace_all(html, " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let body = ledger.split("<tbody>").nth(1).unwrap_or_default();
    let rows = body.split("<tr>").skip(1).map(|row| {
        let cells: Vec<String> = cell.captures_iter(row).map(|cell| words(&cell[1])).collect();
        [1, 3, 4].map(|column| cells[column].clone())
    });
    rows.collect()
}

/// Checks that these are the latest rows.
async fn assert_told(shop: &Shop, expected: &[[&str; 3]]) {
    let told = rows(shop, "").await;
    assert_eq!(told[..expected.len()], *expected);
    for [kind, change, _] in &told {
        assert!(change != "0" && !kind.contains("pi_"), "{kind} {change}");
    }
}

#[tokio::test]
async fn a_won_dispute_is_shown_as_one() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    shop.stack.debit("acme", "spent", "300").await;
    shop.act(&session, Effect::Dispute).await;
    let removed = ["Payment disputed: removed You owe 275 more", "\u{2212}225", "0"];
    let spent = ["Spent", "\u{2212}300", "225"];
    // While it is pending, and once it is written.
    assert_told(&shop, &[removed, spent]).await;
    shop.stack.debit("acme", "in-debt", "1").await;
    assert_told(&shop, &[removed, spent, ["Topped up", "+500", "525"]]).await;
    shop.act(&session, Effect::Win).await;
    let back = ["Dispute won: given back You owe 275 less", "+225"];
    assert_told(&shop, &[[back[0], back[1], "225"], removed, spent]).await;
    let listing = mine(&shop, "limit=200").await;
    let causes: Vec<&Value> = listing.body["entries"].as_array().expect("entries")[..2]
        .iter()
        .map(|entry| entry.get("cause").unwrap_or(&entry["parts"]))
        .collect();
    let parts = json!([{ "cause": "payment_disputed", "credits": "-225", "debt": "275" }]);
    assert_eq!(causes, [&json!("dispute_won"), &parts]);
    let csv = mine(&shop, "format=csv").await;
    let column = csv.text("").trim_start_matches('\u{feff}').lines().next().expect("a head");
    let column = column.split(',').position(|name| name == "cause").expect("a column");
    let rows = csv.text("").lines().filter_map(|line| line.split(',').nth(column));
    let causes: Vec<&str> = rows.collect();
    assert_eq!(causes, ["cause", "dispute_won", "payment_disputed", "", "", ""]);
}

#[tokio::test]
async fn a_refund_and_the_pack_that_repays_it_are_shown_as_such() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    shop.stack.debit("acme", "spent", "425").await;
    shop.act(&session, Effect::Refund { minor: None }).await;
    shop.buy("acme", "again", "starter").await;
    let repaid = ["Debt repaid You owe 400 less", "\u{2212}400", "100"];
    let expected = [
        repaid,
        ["Topped up", "+500", "500"],
        ["Payment refunded: removed You owe 400 more", "\u{2212}100", "0"],
    ];
    assert_told(&shop, &expected).await;
    shop.act(&session, Effect::FailRefund).await;
    let told = rows(&shop, "").await;
    assert!(told[0][0].starts_with("Refund failed: given back"), "{told:?}");
}

#[tokio::test]
async fn each_change_by_time_is_a_row_with_its_name() {
    let shop = Shop::at("2026-11-18T12:00:00Z").await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.grant_until("acme", "gift", "30", "2026-11-19T13:05:00Z").await;
    stack.debit("acme", "spent", "10").await;
    let hold = r#"{"credits":"5","expires_in_s":3600}"#;
    stack.post("/v1/accounts/acme/holds", "hold", hold).await;
    stack.set_clock("2026-12-18T00:00:00Z");
    let told = rows(&shop, "").await;
    let kind: Vec<&str> = told.iter().map(|[kind, ..]| &**kind).collect();
    assert_eq!(told[0][0], "Monthly credits renewed", "{told:?}");
    assert!(kind.contains(&"Expired Plan credits"), "{told:?}");
    assert!(kind.contains(&"Set-aside credits returned: not used in time"), "{told:?}");
    // Each row's balance is that of the row before it and its change.
    let credits = |text: &str| -> f64 {
        let plain = text.replace(',', "").replace('\u{2212}', "-").replace('+', "");
        if plain.is_empty() { 0.0 } else { plain.parse().expect("credits") }
    };
    for pair in told.windows(2) {
        let [later, earlier] = pair else { unreachable!("two") };
        assert_eq!(credits(&later[2]), credits(&earlier[2]) + credits(&later[1]), "{told:?}");
    }
}

#[tokio::test]
async fn weekly_credits_expire_and_are_renewed_in_two_rows_that_add_up() {
    let shop = Shop::at("2026-11-20T12:00:00Z").await;
    shop.stack.open("acme", "free").await;
    shop.stack.debit("acme", "spent", "10").await;
    shop.stack.set_clock("2026-11-23T00:00:00Z");
    let expected = [
        ["Weekly credits renewed", "+25", "25"],
        ["Expired Weekly credits", "\u{2212}15", "0"],
        ["Spent", "\u{2212}10", "15"],
    ];
    assert_told(&shop, &expected).await;
    shop.stack.debit("acme", "next", "1").await;
    let listing = mine(&shop, "kind=time_passed").await;
    let parts = json!([
        { "cause": "expired", "kind": "weekly", "credits": "-15" },
        { "cause": "renewed", "kind": "weekly", "credits": "25" },
    ]);
    assert_eq!(listing.body["entries"][0]["parts"], parts);
}

/// Entries that mean nothing to a customer are in no listing and no filter, and the remaining ones
/// sum to the balance. Operators see all entries.
#[tokio::test]
async fn a_customers_rows_sum_to_the_balance() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    let hold = r#"{"credits":"5","expires_in_s":3600}"#;
    let hold = stack.post("/v1/accounts/acme/holds", "hold", hold).await.text("/id").to_owned();
    for n in 0..40 {
        let path = format!("/v1/accounts/acme/holds/{hold}/extend");
        let key = format!("extend-{n}");
        let extended = stack.post(&path, &key, r#"{"expires_in_s":7200}"#).await;
        assert_eq!(extended.status, 201, "{extended:?}");
    }
    stack.grant("acme", "gift", "3").await;
    stack.debit("acme", "spent", "4").await;
    shop.act(&session, Effect::Refund { minor: Some(1000) }).await;
    stack.debit("acme", "more", "1").await;
    let whole = stack.get("/v1/accounts/acme/ledger?limit=200").await;
    let told = mine(&shop, "limit=200").await;
    let list = |listing: &Answer| listing.body["entries"].as_array().expect("entries").clone();
    let kinds = |listing: &Answer| -> Vec<String> {
        let mut kinds: Vec<String> = list(listing).iter().map(|e| e["kind"].to_string()).collect();
        kinds.dedup();
        kinds
    };
    let seen = ["debit", "time_passed", "debit", "granted", "held", "topped_up", "opened"];
    assert_eq!(kinds(&told), seen.map(|kind| format!("{kind:?}")));
    assert!(list(&whole).len() > list(&told).len() + 41, "{whole:?}");
    // One entry at a time, by cursors.
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    for _ in 0..list(&told).len() {
        let part = mine(&shop, &format!("limit=1{cursor}")).await;
        entries.extend(list(&part));
        cursor = format!("&cursor={}", part.body["next_cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(entries, list(&told));
    let csv = mine(&shop, "format=csv&limit=200").await;
    assert_eq!(csv.text("").lines().count(), 1 + entries.len());
    // The changes of available and held sum to those of the whole ledger.
    for change in ["available", "held"] {
        let sum = |entries: &[Value]| -> f64 {
            let texts = entries.iter().map(|e| e[change].as_str().expect("credits"));
            texts.map(|text| text.parse::<f64>().expect("a number")).sum()
        };
        assert_eq!(sum(&entries), sum(&list(&whole)), "{change}");
    }
    let (_, html) = page(stack, "acme", "").await;
    for kind in KINDS {
        let unseen = Viewer::UNSEEN.contains(&kind);
        assert_eq!(html.contains(&format!("<option value=\"{kind}\"")), !unseen, "{kind}");
        let listed = list(&mine(&shop, &format!("kind={kind}")).await);
        assert!(!unseen || listed.is_empty(), "{kind}");
    }
}

/// "To" includes the day that is shown, and days are UTC days.
#[tokio::test]
async fn the_filter_by_days_includes_its_last_day() {
    let shop = Shop::at("2026-11-18T23:59:00Z").await;
    shop.stack.open("acme", "free").await;
    for (at, key) in [("2026-11-19T23:59:00Z", "late"), ("2026-11-20T00:00:00Z", "next")] {
        shop.stack.set_clock(at);
        shop.stack.debit("acme", key, "1").await;
    }
    let count = |query: &'static str| {
        let shop = &shop;
        async move { rows(shop, query).await.len() }
    };
    assert_eq!(count("?from=2026-11-19&to=2026-11-19").await, 1);
    assert_eq!(count("?to=2026-11-19").await, 2);
    assert_eq!(count("?from=2026-11-20").await, 1);
    let (_, html) = page(&shop.stack, "acme", "?from=2026-11-19&to=2026-11-19").await;
    assert!(html.contains("From (UTC)") && html.contains("To (UTC)"), "{html}");
    assert!(html.contains(r#"name="to" id="filter-to" value="2026-11-19""#), "{html}");
    let file = html.split("href=\"").find(|link| link.contains("format=csv")).expect("a file");
    assert!(file.contains("to=2026-11-20T00%3A00%3A00.000Z"), "{file:.300}");
}

#[tokio::test]
async fn a_pack_expires_at_the_end_of_the_utc_day_shown() {
    for now in ["2026-11-18T00:00:00Z", "2026-11-18T12:00:00Z", "2026-11-18T23:59:00Z"] {
        let shop = Shop::at(now).await;
        shop.stack.open("acme", "free").await;
        let token = shop.token("acme", r#""buy""#).await;
        let offers = shop.ask(&token, "GET", "/v1/me/packs", None, "").await;
        let end = "2027-11-19T00:00:00.000Z";
        assert_eq!(offers.text("/packs/0/expires_at"), end, "{now}");
        let (order, _) = shop.buy("acme", "buy", "starter").await;
        let order = format!("/v1/me/checkouts/{order}");
        assert_eq!(shop.ask(&token, "GET", &order, None, "").await.text("/expires_at"), end);
        let grants = shop.stack.balance("acme").await;
        assert_eq!(grants.text("/grants/1/expires_at"), end, "{now}");
        let (_, html) = page(&shop.stack, "acme", "").await;
        assert!(html.contains(">2027-11-18 UTC</time>"), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_row_details_stay_open_when_new_rows_arrive() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-20T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (_, first) = shop.buy("acme", "buy", "starter").await;
    shop.stack.debit("acme", "spent", "300").await;
    shop.act(&first, Effect::Dispute).await;
    shop.act(&first, Effect::Win).await;
    let (_, second) = shop.buy("acme", "again", "starter").await;
    shop.stack.debit("acme", "more", "700").await;
    shop.act(&second, Effect::Refund { minor: None }).await;
    shop.stack.set_clock("2026-11-23T00:00:00Z");
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(&shop.stack, "acme", &base).await.0);
    tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
    tab.eval("document.querySelector('#ledger').scrollIntoView()");
    assert_accessible(&mut tab, "told");
    // The payment's reference is only in its details.
    let ledger = "document.querySelector('#ledger').innerText";
    assert!(!tab.text(ledger).contains("pi_"));
    tab.eval("document.querySelector('#ledger tbody details summary').click()");
    assert!(tab.text(ledger).contains("Reference pi_"));
    keep_picture(&mut tab, "told-open");
    let open = "[...document.querySelectorAll('#ledger details[open] summary')].map((s) => s.id)";
    let before = tab.eval(open);
    shop.buy("acme", "third", "starter").await;
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until("document.querySelector('#ledger tbody').innerText.includes('Debt repaid')");
    assert_eq!(tab.eval(open), before);
    tab.eval("document.querySelector('#ledger').scrollIntoView()");
    keep_picture(&mut tab, "told-repaid");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
