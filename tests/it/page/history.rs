//! The page's history and purchases: groups, search, older ones in place; and what a session that
//! only views is shown.

use local::stripe::Effect;
use serde_json::json;

use super::html::{page, words};
use crate::page::browser::{assert_accessible, keep_picture, session};
use crate::support::browser::Browser;
use crate::support::door;
use crate::support::shop::Shop;
use crate::support::{PRODUCT, Stack};

/// A section of a page.
fn section<'a>(html: &'a str, id: &str) -> &'a str {
    let (_, section) = html.split_once(&format!("<section id=\"{id}\"")).expect("the section");
    section.split("</section>").next().expect("its end")
}

/// The address of the link with this attribute.
fn link(html: &str, attribute: &str) -> Option<String> {
    let before = html.split(attribute).next().filter(|before| before.len() < html.len())?;
    let (_, link) = before.rsplit_once("href=\"")?;
    Some(link.split('"').next()?.replace("&#x2f;", "/").replace("&amp;", "&"))
}

/// How many rows the tables of a section have.
fn rows(section: &str) -> usize {
    section.split("<tbody>").skip(1).map(|body| body.matches("<tr>").count()).sum()
}

/// The page of a session that may only view.
async fn viewed(stack: &Stack, account: &str) -> String {
    let body = r#"{"subject":"ada","return_url":"https://app.example.com/"}"#;
    let made = stack.session(account, body).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link");
    let cookie = door::cookie(&stack.press(link).await);
    let shown = stack.ask("GET", "/", &[("cookie", &cookie)]).await;
    let html = shown.body.as_str().expect("a page");
    html.split("</style>").nth(1).expect("a style").to_owned()
}

#[tokio::test]
async fn all_purchases_are_listed_and_those_without_their_credits_come_first() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, html) = page(&shop.stack, "acme", "").await;
    assert!(section(&html, "payments").split('>').next().expect("a tag").ends_with("hidden"));
    let (_, disputed) = shop.buy("acme", "first", "starter").await;
    for n in 1..12 {
        shop.buy("acme", &format!("pack {n}"), "starter").await;
    }
    let (_, late) = shop.begin("acme", "late", "team").await;
    shop.act(&late, Effect::PayLater).await;
    let (_, html) = page(&shop.stack, "acme", "").await;
    let shown = section(&html, "payments");
    let said = words(shown);
    // One of the ten that are read waits, and is shown above.
    assert_eq!(rows(shown), 9, "{said}");
    for part in ["On its way", "500 credits Starter USD 49.00 Credits added."] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(said.find("On its way") < said.find("Credits added."), "{said}");
    let older = link(shown, " rel=\"next\" id=\"payments-older\"").expect("older ones");
    let older = older.trim_start_matches('/').split('#').next().expect("a query").to_owned();
    let (_, html) = page(&shop.stack, "acme", &older).await;
    let shown = section(&html, "payments");
    assert_eq!(rows(shown), 3);
    assert!(words(shown).contains("On its way") && words(shown).contains("Back to the latest"));
    assert_eq!(link(shown, " rel=\"next\""), None);
    // A changed cursor shows the latest. The other sections' parameters stay in every link.
    let (_, html) = page(&shop.stack, "acme", "?payments=00&group=usage").await;
    let shown = section(&html, "payments");
    assert_eq!(rows(shown), 9);
    assert!(link(shown, " rel=\"next\"").is_some_and(|older| older.contains("group=usage")));
    shop.act(&disputed, Effect::Dispute).await;
    let (_, html) = page(&shop.stack, "acme", &older).await;
    assert!(words(section(&html, "payments")).contains("500 of them were taken back since."));
}

#[tokio::test]
async fn a_session_that_only_views_sees_no_prices_and_no_buttons_that_buy() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.debit("acme", "all", "25").await;
    let (_, html) = page(&shop.stack, "acme", "").await;
    assert!(html.contains("data-pack") && html.contains("data-topup"));
    assert!(words(section(&html, "top-up")).contains("USD 49.00"));
    let lead = html.split("id=\"messages\"").nth(1).expect("a panel");
    assert!(words(lead).contains("Top up from USD 49.00"), "{lead:.2000}");
    let html = viewed(&shop.stack, "acme").await;
    for sold in ["data-pack", "data-topup", "data-plan", "data-auto", "class=\"price\"", "USD"] {
        assert!(!html.contains(sold), "{sold}");
    }
    assert!(words(section(&html, "top-up")).contains("This session cannot buy credits."));
    let lead = html.split("id=\"messages\"").nth(1).expect("a panel");
    let lead = lead.split("id=\"hero\"").next().expect("its end");
    assert!(!lead.contains("#top-up") && lead.contains("contact"), "{lead}");
    assert_eq!(lead.matches("class=\"go\"").count(), 1, "{lead}");
}

#[tokio::test]
async fn groups_and_a_reference_narrow_the_history_and_keep_each_others_sections() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.buy("acme", "buy", "starter").await;
    let body = r#"{"credits":"4","reference":"order-1042"}"#;
    shop.stack.post("/v1/accounts/acme/debits", "job", body).await;
    shop.stack.grant("acme", "gift", "3").await;
    let titles = |html: &str| words(section(html, "ledger").split("<tbody>").nth(1).expect("rows"));
    for (group, title) in [
        ("usage", "Spent"),
        ("purchases", "Topped up"),
        ("renewals", "Account opened"),
        ("adjustments", "Credits added"),
    ] {
        let (_, html) = page(&shop.stack, "acme", &format!("?group={group}")).await;
        let ledger = section(&html, "ledger");
        assert_eq!(rows(ledger), 1, "{group}: {}", words(ledger));
        assert!(titles(&html).contains(title), "{group}");
        let current = format!("id=\"group-{group}\" aria-current=\"true\"");
        assert!(ledger.contains(&current) && ledger.matches("aria-current").count() == 1);
        assert!(ledger.contains(&format!("group={group}&amp;session=")), "the file too");
    }
    let (_, html) = page(&shop.stack, "acme", "?reference=+order-1042+&currency=eur").await;
    assert_eq!(rows(section(&html, "ledger")), 1);
    let all = link(&html, " id=\"group-all\"").expect("a link");
    assert_eq!(all, "/?currency=eur#ledger");
    let (_, html) = page(&shop.stack, "acme", "?reference=nothing").await;
    assert!(words(section(&html, "ledger")).contains("No changes match."));
    // The form with more fields is open while one of them is set.
    assert!(section(&html, "ledger").contains("<details><summary id=\"filter-more\">"));
    let (_, html) = page(&shop.stack, "acme", "?kind=debit").await;
    assert!(section(&html, "ledger").contains("<details open><summary id=\"filter-more\">"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_entries_are_loaded_in_place_and_stay_when_newer_ones_arrive() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    for n in 1..=49 {
        stack.debit("acme", &format!("a{n}"), &format!("{n}")).await;
    }
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(stack, "acme", &base).await.0);
    tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
    tab.eval("window.mark = 'the same page'");
    let count = "document.querySelectorAll('#ledger tbody tr').length";
    let changes = "[...document.querySelectorAll('#ledger tbody td:nth-child(4) data')]\
                   .map((d) => Number(d.value))";
    tab.eval("document.documentElement.style.scrollBehavior = 'auto'");
    tab.eval("document.querySelector('#older').focus()");
    let place = tab.eval("scrollY");
    tab.press("Enter");
    tab.until(&format!("{count} === 40"));
    assert_eq!(tab.eval("scrollY"), place, "the page does not jump");
    let focused = "document.activeElement.querySelector('td:nth-child(4) data').value";
    assert_eq!(tab.text(focused), "-29", "the first new row");
    assert_accessible(&mut tab, "history");
    // Newer entries arrive: the loaded ones stay, and so does the focus.
    stack.debit("acme", "new", "100").await;
    stack.debit("acme", "newer", "101").await;
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until(&format!("{count} === 42"));
    assert_eq!(tab.text(focused), "-29");
    tab.eval("document.querySelector('#older').focus()");
    tab.press("Enter");
    tab.until(&format!("{count} === 52"));
    assert_eq!(tab.eval("document.querySelector('#older')"), json!(null), "there are no more");
    let expected: Vec<i32> = [-101, -100].into_iter().chain((1..=49).rev().map(|n| -n)).collect();
    let shown = tab.eval(changes);
    let shown = shown.as_array().expect("numbers");
    assert_eq!(shown[..51], *json!(expected).as_array().expect("numbers"));
    assert_eq!(tab.text("window.mark"), "the same page");
    keep_picture(&mut tab, "history-loaded");
    // More are new than one page shows: what was loaded does not follow it.
    for n in 0..25 {
        stack.debit("acme", &format!("more {n}"), "0.5").await;
    }
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until(&format!("{count} === 20"));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
