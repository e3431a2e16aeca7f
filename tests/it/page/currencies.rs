//! The currency in which the page offers packs: chosen on it, by the session, or by the browser.

use local::stripe::Effect;
use serde_json::json;

use super::browser::{assert_accessible, keep_picture, session, session_from};
use super::topping_up::press_at_stripe;
use crate::support::PRODUCT;
use crate::support::browser::Browser;
use crate::support::catalogs::{beginning_with, publish};
use crate::support::door::{cookie, value_of};
use crate::support::shop::Shop;

/// The first two packs in two currencies, and the third in one alone; tax is added.
fn catalog() -> String {
    let text = beginning_with("tax = { automatic = true, behavior = \"exclusive\" }");
    let text = text.replacen(
        "price_minor = 4900\ncurrency = \"usd\"",
        "prices = { usd = 4900, eur = 4500 }",
        1,
    );
    text.replacen(
        "price_minor = 19900\ncurrency = \"usd\"",
        "prices = { usd = 19900, jpy = 30000 }",
        1,
    )
}

/// The page of a session that prefers `currency`.
async fn page(shop: &Shop, currency: Option<&str>, query: &str, languages: &str) -> String {
    let mut body =
        json!({ "subject": "ada", "scopes": ["buy"], "return_url": format!("{PRODUCT}/") });
    if let Some(currency) = currency {
        body["currency"] = currency.into();
    }
    let made = shop.stack.session("acme", &body.to_string()).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link");
    let cookie = cookie(&shop.stack.press(link).await);
    let headers = [("cookie", &*cookie), ("accept-language", languages)];
    let page = shop.stack.ask("GET", &format!("/{query}"), &headers).await;
    page.body.as_str().expect("a page").replace("&#x2f;", "/")
}

/// The currency that the page has selected, and the prices of its packs in their order.
fn offered(html: &str) -> (String, Vec<String>) {
    let selected = value_of(html, r#"<option value="([a-z]{3})" selected>[A-Z]{3}</option>"#);
    let packs = html.split("id=\"top-up\"").nth(1).expect("the packs");
    let packs = packs.split("</section>").next().expect("its end");
    let priced =
        regex::Regex::new(r#"<p class="price"><data [^>]*>([^<]*)</data>"#).expect("a regex");
    (selected, priced.captures_iter(packs).map(|price| price[1].to_owned()).collect())
}

#[tokio::test]
async fn packs_are_shown_in_the_chosen_the_sessions_or_the_browsers_currency() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    publish(&shop.stack, &catalog()).await;
    let usd = ["USD 49.00", "USD 199.00", "USD 699.00"].as_slice();
    let eur = ["EUR 45.00", "USD 199.00", "USD 699.00"].as_slice();
    let jpy = ["USD 49.00", "JPY 30,000", "USD 699.00"].as_slice();
    for (session, query, languages, selected, prices) in [
        (None, "", "", "usd", usd),
        (None, "", "en-AT,en;q=0.9,en-US;q=0.8", "eur", eur),
        (None, "", "fr,en-US;q=0.8", "usd", usd),
        (None, "", "ja-JP", "jpy", jpy),
        (None, "", "zh-Hant-TW", "usd", usd),
        (Some("eur"), "", "ja-JP", "eur", eur),
        (Some("eur"), "?currency=jpy", "ja-JP", "jpy", jpy),
        // The session prefers a currency that no pack is sold in; so does the address.
        (Some("gbp"), "", "en-AT", "usd", usd),
        (None, "?currency=gbp", "en-AT", "usd", usd),
        (None, "?currency=%3Cb%3E", "en-AT", "eur", eur),
    ] {
        let html = page(&shop, session, query, languages).await;
        let expected = prices.iter().map(|price| (*price).to_owned()).collect();
        let place = format!("{session:?} {query} {languages}");
        assert_eq!(offered(&html), (selected.to_owned(), expected), "{place}");
        assert!(html.contains("Tax is added there."), "{place}");
    }
    // The choice and the filter keep each other.
    let html = page(&shop, None, "?currency=eur&kind=debit", "").await;
    assert!(html.contains(r#"<input type="hidden" name="currency" value="eur">"#), "{html}");
    assert!(html.contains(r#"<input type="hidden" name="kind" value="debit">"#), "{html}");
}

#[tokio::test]
async fn packs_in_one_currency_offer_no_choice() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let html = page(&shop, Some("eur"), "?currency=eur", "en-AT").await;
    assert!(!html.contains("<select name=\"currency\""), "{html}");
    assert!(html.contains("USD 49.00") && !html.contains("Tax is added"), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_chooses_a_currency_and_pays_in_it() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[PRODUCT]).await;
    shop.stack.open("acme", "free").await;
    let text = catalog().replace("tax = {", "# tax = {");
    publish(&shop.stack, &text).await;
    let link = session(&shop.stack, "acme", &base).await.0;
    let mut tab = browser.tab(1280, 900);
    tab.lives_in("Europe/Vienna", "en-AT");
    tab.enter(&link);
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    let card = "document.querySelector('#top-up li').innerText";
    assert!(tab.text(card).contains("45"), "{}", tab.text(card));
    assert_accessible(&mut tab, "currency");
    keep_picture(&mut tab, "currency");
    for currency in ["usd", "eur"] {
        tab.eval(&format!("document.querySelector('#currency').value = '{currency}'"));
        tab.eval("document.querySelector('#currency-show').click()");
        let button = format!("button[data-currency={currency}]:not([hidden])");
        let shown = format!("document.querySelector('{button}')");
        tab.until(&format!("location.search === '?currency={currency}' && {shown}"));
    }
    tab.reach("Buy 500 credits for 45.00 EUR");
    tab.press("Enter");
    tab.until("document.title === 'Local Stripe'");
    let session = tab.text("location.pathname.split('/').at(-1)");
    let at_stripe = shop.stripe.session(&session).expect("a session");
    assert_eq!(json!([at_stripe["currency"], at_stripe["amount_total"]]), json!(["eur", 4500]));
    shop.act(&session, Effect::Pay).await;
    assert_eq!(shop.balance("acme").await.0, "525");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_buys_at_a_price_in_euros_with_tax_and_reads_both() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    shop.stack.open("acme", "free").await;
    publish(&shop.stack, &catalog()).await;
    let mut tab = browser.tab(1280, 900);
    tab.lives_in("Europe/Berlin", "de-DE");
    tab.enter(&session_from(&shop.stack, "acme", &format!("{base}/")).await.0);
    tab.until("document.querySelector('button[data-pack]:not([hidden])')");
    let top_up = tab.text("document.querySelector('#top-up').innerText");
    assert!(
        top_up.contains("Die Steuer kommt dort hinzu.") && top_up.contains("45,00\u{a0}€"),
        "{top_up}"
    );
    tab.reach("500 Credits für 45,00 EUR kaufen");
    tab.press("Enter");
    press_at_stripe(&mut tab, "The customer lives in DE");
    tab.until("document.querySelector('#bought').innerText.includes('Tax: 8.55 eur')");
    keep_picture(&mut tab, "stripe-tax");
    press_at_stripe(&mut tab, "Pay");
    tab.until("document.querySelector('#news').innerText.includes('500 Credits gutgeschrieben')");
    let ledger = "document.querySelector('#ledger').innerText";
    tab.until(&format!("{ledger}.includes('45,00\u{a0}€ + 8,55\u{a0}€ Steuer')"));
    assert_eq!(shop.balance("acme").await.0, "525");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
