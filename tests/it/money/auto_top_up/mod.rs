//! Auto top-up: a pack is bought once when few credits are left, and never beyond what the customer
//! allows in a month.

mod charges;
mod lives;
mod settings;

use local::stripe::{Card, Effect};
use serde_json::{Value, json};

use crate::api::announcements::check;
use crate::support::Answer;
use crate::support::shop::Shop;

const PATH: &str = "/v1/me/auto-top-up";

/// A setting of the pack `starter`: 500 credits for 49.00 usd.
fn setting(below: &str, at_most_minor: u64) -> Value {
    json!({ "below": below, "pack": "starter", "currency": "usd", "at_most_minor": at_most_minor })
}

/// A shop with the account acme, which has 100 credits, and its streams.
async fn shop() -> Shop {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    assert_eq!(shop.stack.grant("acme", "grant", "75").await.status, 201);
    shop.stack.relay().await;
    shop
}

async fn token(shop: &Shop) -> String {
    shop.token("acme", r#""view","buy""#).await
}

/// The words to consent to for a setting.
async fn words(shop: &Shop, setting: &Value) -> String {
    let field = |name: &str| setting[name].to_string().replace('"', "");
    let query = ["below", "pack", "currency", "at_most_minor"]
        .map(|name| format!("{name}={}", field(name)))
        .join("&");
    let asked = shop.ask(&token(shop).await, "GET", &format!("{PATH}?{query}"), None, "").await;
    assert_eq!(asked.status, 200, "{asked:?}");
    asked.text("/consent_words").to_owned()
}

/// Consents to a setting.
async fn set(shop: &Shop, setting: &Value) -> Answer {
    let mut body = setting.clone();
    body["consent"] = words(shop, setting).await.into();
    shop.ask(&token(shop).await, "PUT", PATH, None, &body.to_string()).await
}

/// The state of it.
async fn state(shop: &Shop) -> Answer {
    shop.ask(&token(shop).await, "GET", PATH, None, "").await
}

/// Stripe's id of the latest page that saves a card.
fn card_page(shop: &Shop) -> String {
    let sessions = shop.stripe.objects("checkout/sessions");
    let page = sessions.iter().rev().find(|session| session["mode"] == "setup");
    page.expect("a page").get("id").and_then(Value::as_str).expect("an id").to_owned()
}

/// A shop whose account buys a pack below 50 credits, for at most this much in a month.
async fn on(at_most_minor: u64) -> Shop {
    let shop = shop().await;
    switch_on(&shop, at_most_minor).await;
    shop
}

/// Consents, and saves a card.
async fn switch_on(shop: &Shop, at_most_minor: u64) {
    let answer = set(shop, &setting("50", at_most_minor)).await;
    assert_eq!(answer.text("/state"), "needs_card", "{answer:?}");
    shop.act(&card_page(shop), Effect::Pay).await;
    assert_eq!(state(shop).await.text("/state"), "on");
    shop.stack.relay().await;
}

/// Sets how the saved card answers from now on.
fn card(shop: &Shop, card: Card) {
    let customer = shop.stripe.objects("customers").last().expect("a customer")["id"].clone();
    let customer = customer.as_str().expect("an id");
    shop.stripe.act(customer, Effect::Card { card }).expect("a card");
}

async fn debit(shop: &Shop, key: &str, credits: &str) {
    let debit = shop.stack.debit("acme", key, credits).await;
    assert_eq!(debit.status, 201, "{debit:?}");
}

async fn available(shop: &Shop) -> String {
    shop.balance("acme").await.0
}

/// How often the card was charged, in all that Stripe knows.
fn charged(shop: &Shop) -> usize {
    shop.stripe.objects("charges").len()
}

/// How many orders the account has.
async fn orders(shop: &Shop) -> usize {
    let listed = shop.stack.get("/v1/accounts/acme/payments").await;
    listed.body["payments"].as_array().expect("payments").len()
}

/// What was announced of it: the name of each event, and its reason or its price.
fn told(shop: &Shop) -> Vec<(String, String)> {
    let events = shop.stack.announced();
    let ours = events.iter().filter(|event| {
        event["detail-type"].as_str().is_some_and(|name| name.starts_with("AutoTopUp"))
    });
    let told = ours.map(|event| {
        check(event);
        let detail = &event["detail"];
        let what = detail.get("reason").or(detail.get("price_minor")).expect("a field");
        let name = event["detail-type"].as_str().expect("a name").to_owned();
        (name, what.to_string().replace('"', ""))
    });
    told.collect()
}

fn event(name: &str, what: &str) -> (String, String) {
    (name.to_owned(), what.to_owned())
}
