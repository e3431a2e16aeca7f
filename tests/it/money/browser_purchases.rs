//! Purchases in Chromium that take a detour: cancelled, started twice, paid late, owed, taken back
//! and returned. The page always matches the balance.

use local::stripe::Effect;

use crate::page::browser::{NUMBER, assert_accessible, keep_picture, session};
use crate::page::journey::{news, order, shows};
use crate::support::PRODUCT;
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;

const WEDNESDAY: &str = "2026-11-18T12:00:00Z";

fn payments(says: &str) -> String {
    format!("document.querySelector('#payments').innerText.includes('{says}')")
}

/// The page of a new session, in a tab without stored state.
async fn fresh<'a>(browser: &'a mut Browser, shop: &Shop, base: &str) -> Tab<'a> {
    let link = session(&shop.stack, "acme", base).await.0;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&link);
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    tab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_turned_back_is_asked_before_a_second_payment() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some(WEDNESDAY), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    {
        let link = session_home(&shop, &base).await;
        let mut tab = browser.tab(1280, 900);
        tab.enter(&link);
        tab.until("document.querySelector('button[data-pack]:not([hidden])')");
        order(&mut tab);
        tab.reach("Go back without paying");
        tab.press("Enter");
        tab.until(&news("You have not paid"));
        assert!(tab.eval(&news("You can still pay for 500 credits until")) == true);
        assert_accessible(&mut tab, "canceled");
        keep_picture(&mut tab, "canceled");
        // The link back to the same payment.
        tab.eval("document.querySelector('#news-message a').click()");
        tab.until("document.title === 'Local Stripe'");
    }
    // A new session: the order is listed, and buying asks for confirmation.
    let mut tab = fresh(&mut browser, &shop, &base).await;
    tab.until(&payments("No payment has arrived yet."));
    assert_eq!(tab.text("document.querySelector('#news').innerText"), "");
    tab.reach("Buy 500 credits for 49.00 USD");
    tab.press("Enter");
    tab.until(&news("You have already ordered credits"));
    assert_accessible(&mut tab, "waiting");
    keep_picture(&mut tab, "waiting");
    assert_eq!(tab.text("document.activeElement.textContent"), "Continue to payment");
    tab.reach("Buy again anyway");
    tab.press("Enter");
    tab.until("document.title === 'Local Stripe'");
    assert_eq!(shop.stripe.payments().len(), 2, "two orders, by two presses");
}

/// At most ten checkouts may be open, and a debt can use up a whole top-up. The page explains both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impossible_or_fully_owed_order_is_explained_on_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some(WEDNESDAY), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (_, team) = shop.buy("acme", "team", "team").await;
    shop.stack.debit("acme", "most", "2000").await;
    shop.act(&team, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, ("0".to_owned(), "1975".to_owned()));
    for n in 0..9 {
        shop.begin("acme", &format!("open {n}"), "starter").await;
    }
    let (paid, last) = shop.begin("acme", "last", "starter").await;
    let mut tab = fresh(&mut browser, &shop, &base).await;
    tab.reach("Buy 500 credits for 49.00 USD");
    tab.press("Enter");
    tab.until(&news("You have already ordered credits"));
    tab.reach("Buy again anyway");
    tab.press("Enter");
    tab.until(&news("Ten orders are unpaid"));
    assert_eq!(tab.eval("document.querySelector('button[data-pack]').disabled"), false);
    shop.act(&last, Effect::Pay).await;
    tab.open(&format!("{base}/?checkout={paid}"));
    tab.until(&news("All of the 500 credits repaid what you owed"));
    assert_eq!(tab.text(NUMBER), "0");
    let said = tab.text("document.querySelector('#news').innerText");
    assert!(!said.contains("added"), "{said}");
}

/// A link whose return address is the page itself.
async fn session_home(shop: &Shop, base: &str) -> String {
    crate::page::browser::session_from(&shop.stack, "acme", &format!("{base}/")).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_payment_shows_in_every_session_until_it_arrives() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some(WEDNESDAY), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (_, late) = shop.begin("acme", "late", "starter").await;
    shop.act(&late, Effect::PayLater).await;
    let (_, failing) = shop.begin("acme", "failing", "team").await;
    shop.act(&failing, Effect::PayLater).await;
    shop.act(&failing, Effect::Fail).await;
    {
        let mut tab = fresh(&mut browser, &shop, &base).await;
        tab.until(&payments("On its way. That can take days."));
        tab.until(&payments("The payment failed. Nothing was charged."));
        assert_accessible(&mut tab, "payments");
        keep_picture(&mut tab, "payments");
        let body = tab.text("document.body.innerText");
        assert!(!body.contains("received") && !body.contains("credits added"), "{body}");
        shop.act(&late, Effect::Arrive).await;
        tab.until(&shows("525"));
        tab.until("!document.querySelector('#payments').innerText.includes('On its way')");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repaying_top_up_says_what_it_adds_and_a_won_dispute_returns_it() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some(WEDNESDAY), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let (_, disputed) = shop.buy("acme", "disputed", "starter").await;
    shop.stack.debit("acme", "most", "300").await;
    shop.act(&disputed, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, ("0".to_owned(), "275".to_owned()));
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session_home(&shop, &base).await);
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    let card = "document.querySelector('#top-up li').innerText";
    assert!(tab.text(card).contains("275 repay what you owe, 225 to use"), "{}", tab.text(card));
    keep_picture(&mut tab, "repays");
    order(&mut tab);
    tab.reach("Pay");
    tab.press("Enter");
    tab.until(&news("225 credits added"));
    assert_eq!(tab.eval(&news("275 of the 500 credits repaid what you owed")), true);
    assert_eq!(tab.text(NUMBER), "225", "what was added is the change of the balance");
    assert_accessible(&mut tab, "repaid");
    keep_picture(&mut tab, "repaid");
    tab.until("!document.querySelector('#message-debt')");
    // Won: the credits taken back return.
    shop.act(&disputed, Effect::Win).await;
    let back = shop.balance("acme").await.0;
    tab.until(&shows(&back));
    assert!(back.parse::<f64>().expect("a number") > 225.0, "{back}");
}
