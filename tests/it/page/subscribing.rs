//! The plan on the page: what it is, what comes after it, and the buttons of Stripe's pages.

use local::stripe::Effect;

use super::browser::session;
use super::html::{page, words};
use crate::support::browser::Browser;
use crate::support::request;
use crate::support::shop::Shop;

async fn shown(shop: &Shop) -> (String, String) {
    let (answer, html) = page(&shop.stack, "acme", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let begin = html.find("id=\"plan\"").expect("the section");
    let section = html[begin..].split("</section>").next().expect("its end").to_owned();
    (words(&format!("<section {section}")), section)
}

async fn put(shop: &Shop, key: &str, body: &str) {
    let put = request("PUT", "/v1/accounts/acme", Some(key), body);
    assert_eq!(shop.stack.send(put).await.status, 201, "{body}");
}

#[tokio::test]
async fn a_plan_shows_what_is_offered_and_what_comes_after_it() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (text, html) = shown(&shop).await;
    assert!(text.contains("Plan Free."), "{text}");
    assert!(text.contains("Pro 2,500 credits a month Subscribe"), "{text}");
    assert!(text.contains("Team 1,000 credits a month For each seat. Seats Subscribe"), "{text}");
    assert!(html.contains("data-plan=\"pro\"") && !html.contains("data-portal"), "{html}");
    put(&shop, "1", r#"{"plan":"team","seats":3}"#).await;
    put(&shop, "2", r#"{"plan":"pro","at":"period_end"}"#).await;
    let (text, _) = shown(&shop).await;
    assert!(text.contains("Team, 3 seats. Changes to Pro on 2026-12-18"), "{text}");
    put(&shop, "3", r#"{"plan":"team","seats":3,"status":"canceled","at":"period_end"}"#).await;
    assert!(shown(&shop).await.0.contains("Ends on 2026-12-18"));
}

#[tokio::test]
async fn a_subscription_shows_its_renewal_and_leads_to_the_portal() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let token = shop.token("acme", r#""view","buy""#).await;
    let path = "/v1/me/subscriptions";
    let begun = shop.ask(&token, "POST", path, Some("k"), r#"{"plan":"pro"}"#).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    let (text, html) = shown(&shop).await;
    assert!(text.contains("Plan Pro. Renews on 2026-12-18"), "{text}");
    assert!(text.contains("Manage subscription"), "{text}");
    assert!(html.contains("data-portal") && !html.contains("data-plan"), "{html}");
    let id = shop.stripe.subscription_of("acme").expect("a subscription");
    shop.act(&id, Effect::CancelAtPeriodEnd).await;
    let (text, _) = shown(&shop).await;
    assert!(text.contains("Ends on 2026-12-18") && !text.contains("Renews"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_subscribes_and_opens_the_portal_with_the_pages_buttons() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-22T23:30:00Z"), &[]).await;
    shop.stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    let (link, _) = session(&shop.stack, "acme", &base).await;
    tab.enter(&link);
    let at_stripe = "location.pathname.startsWith('/_local/stripe/')";
    tab.until("!document.querySelector('#subscribe-team').hidden");
    tab.eval("document.querySelector('#seats-team').value = '3'");
    tab.eval("document.querySelector('#subscribe-team').click()");
    tab.until(at_stripe);
    let checkout = tab.text("location.pathname.split('/').at(-1)");
    shop.act(&checkout, Effect::Pay).await;
    let (link, _) = session(&shop.stack, "acme", &base).await;
    tab.enter(&link);
    let plan = "document.querySelector('#plan').innerText";
    tab.until(&format!("{plan}.includes('Team, 3 seats')"));
    tab.until("!document.querySelector('#portal').hidden");
    tab.eval("document.querySelector('#portal').click()");
    tab.until(at_stripe);
    assert!(tab.text("location.pathname").contains("bps_"));
}
