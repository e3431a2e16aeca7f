//! Obstacles on the page: each has its own words, readable by everyone, in every colour scheme, at
//! every width and on paper.

use local::states;

use crate::page::browser::{NUMBER, assert_accessible, keep_picture, session};
use crate::support::PRODUCT;
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;

/// Each message of the page, by its id: its title, and a part of its text.
const MESSAGES: [(&str, &str, &str); 6] = [
    ("debt", "A payment was reversed", "500 of its credits were already spent"),
    ("past_due", "A payment for your plan failed", "New plan credits arrive when"),
    ("frozen", "This account is frozen", "You keep your credits"),
    ("plan", "You have no plan that includes AI", "can spend them when you have a plan"),
    ("empty", "You are out of credits", "Everything else keeps working"),
    ("new", "Your credits are ready", "You have not used any yet"),
];

/// An account in each such state, and the ids of its page's messages.
const SHOWN: [(&str, &[&str]); 8] = [
    ("debt", &["debt"]),
    ("owing", &["debt"]),
    ("past-due", &["past_due"]),
    ("frozen", &["frozen"]),
    ("standard", &["plan"]),
    ("canceled", &["plan"]),
    ("empty", &["empty"]),
    ("grants", &[]),
];

/// The page shows exactly these messages, each with its own words.
fn assert_messages(tab: &mut Tab<'_>, account: &str, expected: &[&str]) {
    let ids = "[...document.querySelectorAll('#messages .message')].map((m) => m.id).join(' ')";
    let ids = tab.text(ids);
    let expected_ids: Vec<String> = expected.iter().map(|id| format!("message-{id}")).collect();
    assert_eq!(ids, expected_ids.join(" "), "{account}");
    for id in expected {
        let (_, title, text) = MESSAGES.iter().find(|(known, ..)| known == id).expect("known");
        let said = tab.text(&format!("document.querySelector('#message-{id}').innerText"));
        assert!(said.starts_with(title) && said.contains(text), "{account}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_obstacle_is_explained_in_its_own_words() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    let seeded = states::seed(&shop.stack.functions, Some(&shop.stripe)).await;
    seeded.expect("every state can be reached");
    for (account, expected) in SHOWN {
        let mut tab = browser.tab(1280, 900);
        tab.enter(&session(&shop.stack, account, &base).await.0);
        tab.until("document.querySelector('#hero time, #hero dd') && document.title");
        assert_messages(&mut tab, account, expected);
        let called = tab.text("document.querySelector('#hero h1').textContent");
        // If nothing can be bought, the page offers no pack, but a contact.
        let sells = tab.eval("!!document.querySelector('button[data-pack]')");
        let closed = ["frozen", "standard", "canceled"].contains(&account);
        assert_eq!(sells, !closed, "{account}");
        let word = if closed { "kept for you" } else { "available" };
        assert!(called.ends_with(word), "{account}: {called}");
        // If nothing can be spent, the page calls nothing
        // available; it never says received or added.
        let meter = "(document.querySelector('[role=meter]')?.ariaValueText ?? '')";
        let said = format!("document.querySelector('main').innerText + {meter}");
        let said = tab.text(&said);
        assert!(!closed || !said.contains("available"), "{account}: {said}");
        assert!(!said.contains("received") && !said.contains("credits added"), "{account}: {said}");
        let talk = "[...document.links].some((a) => a.href === 'https://example.com/contact')";
        assert_eq!(tab.eval(talk), true, "{account}");
        assert_accessible(&mut tab, account);
        assert_eq!(tab.take_errors(), Vec::<String>::new(), "{account}");
    }
}

/// The print shows consumption and every change, dark on white, without buttons.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_can_be_printed() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "pro").await;
    for n in 0..12 {
        shop.stack.action("acme", &format!("a{n}"), "dynamic_video", 1 + n).await;
    }
    let mut tab = browser.tab(794, 1123);
    tab.media("print", "dark");
    tab.enter(&session(&shop.stack, "acme", &base).await.0);
    tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
    let (paper, ink) = ("rgb(255, 255, 255)", "rgb(27, 27, 31)");
    assert_eq!(tab.text("getComputedStyle(document.body).backgroundColor"), paper);
    assert_eq!(tab.text("getComputedStyle(document.body).color"), ink);
    assert_eq!(tab.text(NUMBER), "2,422");
    keep_picture(&mut tab, "print");
    let seen = "(s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility()).length";
    let mut count = |kind: &str| tab.eval(&format!("({seen})('{kind}')")).as_u64();
    assert_eq!(count("#ledger tbody tr"), Some(13));
    assert_eq!(count("#usage tfoot, #rates table, #pools table"), Some(4));
    for pressed in ["button:not(th *)", "select", "input", ".skip", "#csv", "#top-up", "summary"] {
        assert_eq!(count(pressed), Some(0), "{pressed} is printed");
    }
    // Everything fits the width of the paper, on a few sheets.
    let wide = tab.eval("document.documentElement.scrollWidth");
    assert!(wide.as_u64() <= Some(794), "{wide} px wide");
    let printed = tab.call("Page.printToPDF", serde_json::json!({ "printBackground": false }));
    let bytes = printed["data"].as_str().map(aws_smithy_types::base64::decode);
    let bytes = bytes.expect("a file").expect("base64");
    let text = String::from_utf8_lossy(&bytes);
    let sheets = text.matches("/Type /Page\n").count();
    assert!((1..=5).contains(&sheets), "{sheets} sheets");
}
