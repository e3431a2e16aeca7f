//! `scrip payments`, `debt` and `session` on a running stack: from a payment to its account and
//! back, and what an operator decides.

use local::stripe::Effect;
use serde_json::Value;

use super::cli::{at, listening, on, scrip};
use crate::support::PRODUCT;
use crate::support::catalogs::{beginning_with, publish};
use crate::support::door::cookie;
use crate::support::shop::Shop;

/// Orders a pack of acme, and pays another amount for it.
async fn park(shop: &Shop, key: &str) {
    let (_, session) = shop.begin("acme", key, "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
    for event in shop.stripe.take_events() {
        shop.take_notice(&event.replace("4900", "4800")).await;
    }
}

async fn payments(base: &str, words: &[&str]) -> Vec<Value> {
    let listed = on(base, &[&["payments", "list", "--json"], words].concat()).await;
    let mut listed: Value = serde_json::from_str(&listed).expect("one document");
    let Value::Array(payments) = listed["payments"].take() else { panic!("{listed}") };
    payments
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_leads_to_its_account_and_a_parked_one_is_decided_once() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    let base = &listening(&shop, |_| ()).await;
    for key in ["first", "second"] {
        park(&shop, key).await;
    }
    let parked = payments(base, &["--state", "parked"]).await;
    assert_eq!(parked.len(), 2, "{parked:?}");
    let ids: Vec<&str> =
        parked.iter().map(|payment| payment["id"].as_str().expect("an id")).collect();
    let shown = on(base, &["payments", "show", ids[0]]).await;
    assert!(shown.contains("account                 acme\n"), "{shown}");
    let reason = ["--reason", "the rest came by bank", "--yes"];
    let release = [&["payments", "release", ids[0]], &reason[..]].concat();
    let released = on(base, &release).await;
    assert!(released.starts_with(&format!("released {}: ", ids[0])), "{released}");
    assert!(released.ends_with(" credited to acme\n"), "{released}");
    let dismissed = on(base, &[&["payments", "dismiss", ids[1]], &reason[..]].concat()).await;
    assert!(dismissed.starts_with(&format!("dismissed {}", ids[1])), "{dismissed}");
    assert_eq!(payments(base, &["--state", "parked"]).await, Vec::<Value>::new());
    // The same decision is answered again, and another one is refused.
    assert_eq!(on(base, &release).await, released);
    let other = [&["payments", "dismiss", ids[0]], &reason[..]].concat();
    let other = scrip(&[&[&*at(base)], &other[..]].concat(), &[]).await;
    assert!(other.code == Some(1) && other.complains.contains("(payment_not_parked"), "{other:?}");
    let of_acme = payments(base, &["--account", "acme", "--state", "dismissed"]).await;
    assert!(of_acme.len() == 1 && of_acme[0]["id"] == ids[1], "{of_acme:?}");
    shop.stack.relay().await;
    let found = on(base, &["account", "find", ids[1]]).await;
    assert!(found.contains("\nacme  ") && found.ends_with("\n1 accounts\n"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debt_is_shown_and_waived() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "first", "starter").await;
    shop.stack.debit("acme", "job", "400").await;
    shop.act(&session, Effect::Refund { minor: None }).await;
    let base = &listening(&shop, |_| ()).await;
    let waive = ["debt", "waive", "acme", "--reason", "goodwill", "--yes"];
    let waived = on(base, &waive).await;
    assert!(waived.starts_with("waived ") && waived.contains(" of acme: available "), "{waived}");
    assert_eq!(shop.balance("acme").await.1, "0");
    let none = scrip(&[&[&*at(base)], &waive[..]].concat(), &[]).await;
    assert!(none.code == Some(1) && none.complains.contains("(no_debt"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_alone_is_printed_and_leads_back_to_an_allowed_page_only() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    let base = &listening(&shop, |_| ()).await;
    let back = format!("{PRODUCT}/credits");
    let link = on(base, &["session", "acme", "--buy", "--return-url", &back]).await;
    let (_, token) = link.split_once("/enter?t=").expect("a link");
    assert!(token.starts_with("scrip_session_") && link.lines().count() == 1, "{link}");
    let one = "price_minor = 4900\ncurrency = \"usd\"";
    let two = "prices = { usd = 4900, eur = 4500 }";
    publish(&shop.stack, &beginning_with("").replacen(one, two, 1)).await;
    let link =
        on(base, &["session", "acme", "--buy", "--return-url", &back, "--currency", "eur"]).await;
    let (_, token) = link.trim().split_once("/enter?t=").expect("a link");
    let cookie = cookie(&shop.stack.press(token).await);
    let page = shop.stack.ask("GET", "/", &[("cookie", &cookie)]).await;
    assert!(page.body.as_str().expect("a page").contains("EUR 45.00"), "{page:?}");
    let words = ["session", "acme", "--subject", "ada", "--return-url", "https://evil.example/"];
    let refused = scrip(&[&[&*at(base)], &words[..]].concat(), &[]).await;
    assert!(refused.code == Some(1) && refused.complains.contains("return_url"), "{refused:?}");
}
