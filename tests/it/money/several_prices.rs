//! Packs with a price in each of several currencies: the order is placed in one of them.

use local::stripe::Effect;
use serde_json::{Value, json};
use shared::domain::Catalog;

use crate::support::catalogs::{beginning_with, files, publish};
use crate::support::shop::Shop;
use crate::support::{Answer, PRODUCT, of, request};

/// The prices of the first pack in place of its one price.
fn priced(prices: &str) -> String {
    beginning_with("").replacen("price_minor = 4900\ncurrency = \"usd\"", prices, 1)
}

const PRICES: &str = "prices = { usd = 4900, eur = 4500, jpy = 7500 }";

async fn shop() -> Shop {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    publish(&shop.stack, &priced(PRICES)).await;
    shop
}

/// A token of a session that prefers this currency.
async fn token(shop: &Shop, currency: Option<&str>) -> String {
    let mut body = json!({
        "subject": "ada", "scopes": ["buy"], "return_url": format!("{PRODUCT}/credits"),
    });
    if let Some(currency) = currency {
        body["currency"] = currency.into();
    }
    let made = shop.stack.send(request("POST", &of("acme", "/sessions"), None, &body.to_string()));
    made.await.text("/token").to_owned()
}

async fn order(shop: &Shop, token: &str, key: &str, body: Value) -> Answer {
    shop.ask(token, "POST", "/v1/me/checkouts", Some(key), &body.to_string()).await
}

fn price(of: &Value) -> Value {
    json!([of["currency"], of["price_minor"], of["price"]])
}

#[tokio::test]
async fn packs_are_listed_in_the_currency_of_the_session_with_all_their_prices() {
    let shop = shop().await;
    for (prefers, first) in [
        (None, json!(["usd", 4900, "49.00"])),
        (Some("eur"), json!(["eur", 4500, "45.00"])),
        (Some("jpy"), json!(["jpy", 7500, "7500"])),
        // The pack is not sold in it.
        (Some("gbp"), json!(["usd", 4900, "49.00"])),
    ] {
        let packs = shop.ask(&token(&shop, prefers).await, "GET", "/v1/me/packs", None, "").await;
        let starter = &packs.body["packs"][0];
        assert_eq!(price(starter), first, "{prefers:?}");
        let each: Vec<Value> =
            starter["prices"].as_array().expect("prices").iter().map(price).collect();
        let all = json!([["usd", 4900, "49.00"], ["eur", 4500, "45.00"], ["jpy", 7500, "7500"]]);
        assert_eq!(json!(each), all, "in the written order");
        // A pack with one price is listed alike.
        let team = &packs.body["packs"][1];
        assert_eq!(json!([price(team)]), json!([price(&team["prices"][0])]));
    }
}

#[tokio::test]
async fn an_order_is_placed_in_the_asked_currency_or_else_in_that_of_the_session() {
    let shop = shop().await;
    for (n, prefers, asked, placed) in [
        (1, None, None, "usd"),
        (2, Some("eur"), None, "eur"),
        (3, Some("gbp"), None, "usd"),
        (4, Some("eur"), Some("jpy"), "jpy"),
        (5, None, Some("eur"), "eur"),
    ] {
        let token = token(&shop, prefers).await;
        let mut body = json!({ "pack": "starter" });
        if let Some(asked) = asked {
            body["currency"] = asked.into();
        }
        let ordered = order(&shop, &token, &format!("buy {n}"), body).await;
        assert_eq!(ordered.text("/currency"), placed, "{ordered:?}");
        let session = shop.stripe.session_of(ordered.text("/id")).expect("a session");
        let at_stripe = shop.stripe.session(&session).expect("a session");
        assert_eq!(
            json!([at_stripe["currency"], at_stripe["amount_total"]]),
            json!([placed, ordered.body["price_minor"]])
        );
        shop.act(&session, Effect::Pay).await;
        assert_eq!(shop.state("acme", ordered.text("/id")).await.0, "credited");
    }
    assert_eq!(shop.balance("acme").await.0, "2525");
}

#[tokio::test]
async fn a_currency_that_the_pack_is_not_sold_in_is_refused_with_those_that_it_is() {
    let shop = shop().await;
    let token = token(&shop, Some("eur")).await;
    for (currency, problem) in [
        (json!("gbp"), "must be one of usd, eur, jpy"),
        (
            json!("xyz"),
            "must be the code in lower case of a currency that Stripe accepts, such as \"usd\"",
        ),
        (
            json!("EUR"),
            "must be the code in lower case of a currency that Stripe accepts, such as \"usd\"",
        ),
        (
            json!(1),
            "must be the code in lower case of a currency that Stripe accepts, such as \"usd\"",
        ),
    ] {
        let refused =
            order(&shop, &token, "buy", json!({ "pack": "starter", "currency": currency })).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{refused:?}");
        assert_eq!(refused.body["fields"], json!([{ "field": "currency", "problem": problem }]));
    }
    let body = r#"{"subject":"ada","return_url":"https://app.example.com/","currency":"xyz"}"#;
    let refused = shop.stack.send(request("POST", &of("acme", "/sessions"), None, body)).await;
    assert_eq!(refused.body["fields"][0]["field"], "currency", "{refused:?}");
}

#[tokio::test]
async fn a_key_with_another_currency_is_another_order() {
    let shop = shop().await;
    let token = token(&shop, None).await;
    let first = order(&shop, &token, "buy", json!({ "pack": "starter", "currency": "eur" })).await;
    let again = order(&shop, &token, "buy", json!({ "pack": "starter", "currency": "eur" })).await;
    assert_eq!((again.text("/id"), again.replayed), (first.text("/id"), true));
    for other in [json!({ "pack": "starter", "currency": "usd" }), json!({ "pack": "starter" })] {
        let refused = order(&shop, &token, "buy", other).await;
        assert_eq!(refused.code(), "operation_reused", "{refused:?}");
    }
}

/// The order says what is paid, even if the catalog has other prices by then.
#[tokio::test]
async fn an_order_keeps_the_price_that_it_was_placed_with() {
    let shop = shop().await;
    let token = token(&shop, Some("eur")).await;
    let ordered = order(&shop, &token, "buy", json!({ "pack": "starter" })).await;
    let next = priced("prices = { jpy = 9000 }").replace("version = 2", "version = 3");
    publish(&shop.stack, &next).await;
    let again = order(&shop, &token, "buy", json!({ "pack": "starter" })).await;
    assert_eq!((price(&again.body), again.replayed), (price(&ordered.body), true));
    let session = shop.stripe.session_of(ordered.text("/id")).expect("a session");
    shop.act(&session, Effect::Pay).await;
    assert_eq!(shop.state("acme", ordered.text("/id")).await.0, "credited");
    let later = order(&shop, &token, "later", json!({ "pack": "starter" })).await;
    assert_eq!(price(&later.body), json!(["jpy", 9000, "9000"]));
}

#[test]
fn wrong_prices_and_tax_are_refused_with_the_key_that_is_wrong() {
    let starter = "packs.starter";
    for (prices, said) in [
        ("prices = {}", format!("{starter}.prices: must have at least one price")),
        ("prices = { USD = 1 }", format!("{starter}.prices.USD: must be three lower-case letters")),
        ("prices = { usd = 0 }", format!("{starter}.prices.usd: must be from 1 to 999999999999")),
        ("", format!("{starter}.price_minor: is required, unless the pack has prices")),
        ("price_minor = 1", format!("{starter}.currency: is required, unless the pack has prices")),
        (
            "price_minor = 1\nprices = { usd = 1 }",
            format!("{starter}.price_minor: must be omitted"),
        ),
        (
            "currency = \"usd\"\nprices = { usd = 1 }",
            format!("{starter}.currency: must be omitted"),
        ),
        ("prices = { usd = \"1\" }", "line ".to_owned()),
        ("prices = { usd = 1, usd = 2 }", "line ".to_owned()),
    ] {
        let error = Catalog::parse(&files(priced(prices))).expect_err(prices).to_string();
        assert!(error.contains(&said), "{prices}: {error}");
    }
    // Stripe does not charge these; a catalog that has them can still be read.
    for (prices, said) in [
        ("prices = { usd = 4900, xyz = 1 }", "packs.starter.prices.xyz: xyz is not a currency"),
        ("prices = { eur = 49, usd = 4900 }", "packs.starter.prices.eur: must be from 50 to"),
        ("prices = { usd = 4900, ugx = 550 }", "packs.starter.prices.ugx: must be a multiple of"),
    ] {
        let catalog = Catalog::parse(&files(priced(prices))).expect(prices);
        let error = catalog.chargeable().expect_err(prices).to_string();
        assert!(error.contains(said), "{prices}: {error}");
    }
    for (tax, said) in [
        ("tax = { automatic = true }", "tax.behavior: is required with automatic = true"),
        (
            "tax = { automatic = true, behavior = \"net\" }",
            "tax.behavior: must be one of exclusive, inclusive",
        ),
        (
            "tax = { behavior = \"exclusive\" }",
            "tax.behavior: must be omitted without automatic = true",
        ),
        ("tax = true", "line 5: invalid type: boolean `true`, expected a table"),
        (
            "tax = { automatic = true, behaviour = \"exclusive\" }",
            "line 5: unknown field `behaviour`",
        ),
    ] {
        let error = Catalog::parse(&files(beginning_with(tax))).expect_err(tax).to_string();
        assert!(error.contains(said), "{tax}: {error}");
    }
    let none = Catalog::parse(&files(beginning_with("tax = { ids = true }"))).expect("ids alone");
    assert!(none.tax.behavior.is_none() && none.tax.ids);
}
