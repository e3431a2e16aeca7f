//! Credits without a press on the page: top-up plans, and auto top-up with its consent.

use local::stripe::Effect;
use serde_json::{Value, json};

use super::browser::{assert_accessible, keep_picture, session_from};
use super::html::{page, words};
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;

const AT_STRIPE: &str = "location.pathname.startsWith('/_local/stripe/')";
const AUTO: &str = "document.querySelector('#auto-top-up').innerText";

/// A section of the page: its words, and its HTML.
async fn shown(shop: &Shop, section: &str) -> (String, String) {
    let (answer, html) = page(&shop.stack, "acme", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, html) = html.split_once(&format!("<section id=\"{section}\"")).expect("the section");
    let html = html.split("</section>").next().expect("its end").to_owned();
    (words(&format!("<section{html}")), html)
}

/// Presses the button with this label at Stripe.
pub(super) fn press_at_stripe(tab: &mut Tab<'_>, label: &str) {
    tab.until(AT_STRIPE);
    let button = format!(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === '{label}')"
    );
    tab.until(&button);
    tab.eval(&format!("{button}.click()"));
}

/// Types into an empty field.
fn fill(tab: &mut Tab<'_>, field: &str, text: &str) {
    tab.eval(&format!("document.querySelector('{field}').select()"));
    tab.insert(text);
}

/// The auto top-up of acme, as the route says.
async fn auto(shop: &Shop) -> Value {
    shop.stack.get("/v1/accounts/acme/auto-top-up").await.body
}

#[tokio::test]
async fn topup_plans_are_offered_and_those_that_run_say_when_they_are_paid_next() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (text, html) = shown(&shop, "topup-plans").await;
    assert!(text.contains("500 credits a month USD 45.00 Valid for 12 months Begin"), "{text}");
    assert!(html.contains("data-topup=\"monthly_500\""), "{html}");
    let token = shop.token("acme", r#""view","buy""#).await;
    let body = r#"{"topup":"monthly_500"}"#;
    let begun = shop.ask(&token, "POST", "/v1/me/topup-plans", Some("k"), body).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    // It is none to a plan: plans are still offered.
    let (text, html) = shown(&shop, "plan").await;
    assert!(text.contains("Plan Free.") && !text.contains("Renews"), "{text}");
    assert!(html.contains("data-plan=\"pro\"") && html.contains("data-portal"), "{html}");
    let (text, html) = shown(&shop, "topup-plans").await;
    assert!(text.contains("500 credits a month Next payment on 2026-12-18 12:00 UTC"), "{text}");
    assert!(text.contains("Manage subscription") && !html.contains("data-topup"), "{html}");
    let id = shop.stripe.subscription_of("acme").expect("a subscription");
    shop.act(&id, Effect::CancelAtPeriodEnd).await;
    let (text, _) = shown(&shop, "topup-plans").await;
    assert!(text.contains("Ends on 2026-12-18") && !text.contains("Next"), "{text}");
}

#[tokio::test]
async fn auto_top_up_is_offered_only_where_packs_are_sold() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (text, html) = shown(&shop, "auto-top-up").await;
    assert!(text.contains("It is off. Set up"), "{text}");
    assert!(html.contains("value=\"starter\" data-credits=\"500\""), "{html}");
    assert!(!html.contains("id=\"auto-off\""), "{html}");
    shop.stack.open("other", "standard").await;
    let (_, html) = page(&shop.stack, "other", "").await;
    assert!(!html.contains("id=\"auto\""), "nothing is sold to a plan without AI");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_begins_a_topup_plan_at_stripe_and_sees_it_run() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    shop.stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session_from(&shop.stack, "acme", &format!("{base}/")).await.0);
    tab.until("!document.querySelector('#topup-monthly_500').hidden");
    tab.reach("Begin Monthly top-up for 45.00 USD");
    tab.press("Enter");
    press_at_stripe(&mut tab, "Pay");
    let plans = "document.querySelector('#topup-plans').innerText";
    tab.until(&format!("{plans}.includes('500 credits a month') && {plans}.includes('Next')"));
    assert_eq!(shop.balance("acme").await.0, "525");
    tab.eval("document.querySelector('#topup-plans').scrollIntoView()");
    assert_accessible(&mut tab, "topup-plan");
    tab.eval("document.querySelector('#portal').click()");
    tab.until(AT_STRIPE);
    assert!(tab.text("document.body.innerText").contains("45.00 usd"));
    keep_picture(&mut tab, "stripe-portal");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_agrees_to_auto_top_up_saves_a_card_and_switches_it_off() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    shop.stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session_from(&shop.stack, "acme", &format!("{base}/")).await.0);
    tab.until("!document.querySelector('form#auto').hidden");
    tab.reach("Set up");
    tab.press("Enter");
    // The fields say what fits the pack, before anything is asked.
    fill(&mut tab, "#auto-below", "501");
    fill(&mut tab, "#auto-at-most", "48.99");
    let fits = |name: &str| format!("document.querySelector('#auto-{name}').checkValidity()");
    assert_eq!(tab.eval(&fits("below")), json!(false), "more than the pack has");
    assert_eq!(tab.eval(&fits("at-most")), json!(false), "less than the pack costs");
    fill(&mut tab, "#auto-below", "50");
    fill(&mut tab, "#auto-at-most", "200.5");
    tab.press("Enter");
    tab.until("document.activeElement.id === 'auto-agree'");
    let said = tab.text("document.querySelector('#auto-words').textContent");
    let query = "below=50&pack=starter&currency=usd&at_most_minor=20050";
    let token = session_from(&shop.stack, "acme", &base).await.1;
    let path = format!("/v1/me/auto-top-up?{query}");
    let asked = shop.ask(&token, "GET", &path, None, "").await;
    assert_eq!(said, asked.text("/consent_words"), "to the letter");
    assert_accessible(&mut tab, "consent");
    // Without the tick nothing is sent.
    tab.eval("document.querySelector('#auto-go').click()");
    assert_eq!(tab.eval(&fits("agree")), json!(false));
    assert_eq!(auto(&shop).await["state"], "off");
    // Another setting has other words.
    fill(&mut tab, "#auto-below", "60");
    assert_eq!(tab.eval("document.querySelector('#auto-agree').disabled"), json!(true));
    tab.press("Enter");
    tab.until("document.querySelector('#auto-words').textContent.includes('fewer than 60')");
    tab.until("document.activeElement.id === 'auto-agree'");
    tab.press(" ");
    tab.reach("Agree and switch on");
    tab.press("Enter");
    tab.until(AT_STRIPE);
    assert_eq!(auto(&shop).await["state"], "needs_card");

    // The customer comes back without a card: the page still leads there, by the same consent.
    tab.open(&format!("{base}/"));
    tab.until("!document.querySelector('#auto-card').hidden");
    tab.eval("document.querySelector('#auto-top-up').scrollIntoView()");
    assert_accessible(&mut tab, "needs-card");
    tab.eval("document.querySelector('#auto-card').click()");
    tab.until(AT_STRIPE);
    keep_picture(&mut tab, "stripe-setup");
    press_at_stripe(&mut tab, "Pay");
    tab.until(&format!("{AUTO}.includes('It is on.')"));
    let now = auto(&shop).await;
    assert_eq!((&now["state"], &now["setting"]["below"]), (&json!("on"), &json!("60")));
    assert!(tab.text(AUTO).contains("200.50"), "{}", tab.text(AUTO));
    tab.eval("document.querySelector('#auto-top-up').scrollIntoView()");
    assert_accessible(&mut tab, "auto-top-up");
    tab.reach("Switch off auto top-up");
    tab.press("Enter");
    tab.until(&format!("{AUTO}.includes('It is off.')"));
    assert_eq!(auto(&shop).await["off_reason"], "customer");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
