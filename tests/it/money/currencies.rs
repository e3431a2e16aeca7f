//! Currencies: the page, the order and Stripe show the same price, and a price that Stripe would
//! not charge is not published.

use crate::support::catalogs::files;
use serde_json::json;
use shared::decide::catalog_version;
use shared::domain::instant::Span;
use shared::domain::{Catalog, CatalogFiles, Currency, Instant, Money};

use crate::page::html::page;
use crate::support::shop::Shop;

/// Version 2 of the default catalog, with the first pack at this price.
fn priced(currency: &str, minor: u64) -> String {
    let catalog = Catalog::DEFAULT.replace("version = 1\n", "version = 2\n");
    let starter = format!("price_minor = {minor}\ncurrency = \"{currency}\"");
    catalog.replacen("price_minor = 4900\ncurrency = \"usd\"", &starter, 1)
}

/// The error of a catalog that sells the first pack at this price.
fn refused(currency: &str, minor: u64) -> Option<String> {
    let current = Catalog::parse(&CatalogFiles::built_in()).expect("the default");
    let published =
        catalog_version::publish(&current, &files(priced(currency, minor)), Instant::EPOCH);
    published.err().map(|error| error.to_string())
}

/// One of each kind: with hundredths, whole, hundredths that must be whole, with thousandths; and
/// rupiah, in which a pack costs more than eight digits.
const PRICES: [(&str, u64, &str, &str); 7] = [
    ("usd", 4_900, "49.00", "USD 49.00"),
    ("jpy", 7_500, "7500", "JPY 7,500"),
    ("ugx", 18_000_000, "180000", "UGX 180,000"),
    ("isk", 690_000, "6900", "ISK 6,900"),
    ("kwd", 15_120, "15.120", "KWD 15.120"),
    ("idr", 75_000_000, "750000.00", "IDR 750,000.00"),
    ("idr", 1_075_000_000, "10750000.00", "IDR 10,750,000.00"),
];

#[tokio::test]
async fn page_order_and_stripe_show_one_price_in_each_kind_of_currency() {
    for (currency, minor, price, shown) in PRICES {
        let shop = Shop::noon().await;
        shop.stack.open("acme", "free").await;
        let context = shop.stack.context();
        let current = context.catalog().await;
        let change =
            catalog_version::publish(&current, &files(priced(currency, minor)), Instant::EPOCH);
        context.store.commit(&change.expect("a catalog")).await.expect("published");
        shop.stack.clock.set(context.clock.now() + Span::from_s(61));

        let token = shop.token("acme", r#""view""#).await;
        let packs = shop.ask(&token, "GET", "/v1/me/packs", None, "").await;
        let packs = packs.body["packs"].as_array().expect("packs").iter();
        let starter = packs.clone().find(|pack| pack["pack"] == "starter").expect("it is sold");
        let said = |of: &serde_json::Value| json!([of["price"], of["price_minor"], of["currency"]]);
        assert_eq!(said(starter), json!([price, minor, currency]));
        let (_, html) = page(&shop.stack, "acme", "").await;
        let html = html.replace("&#x2f;", "/");
        let priced = format!(
            "<data value=\"{price}\" data-currency=\"{}\">{shown}</data>",
            currency.to_uppercase()
        );
        assert!(html.contains(&priced), "{priced} is not in {html}");

        let order = shop.order("acme", "buy", "starter").await;
        assert_eq!(said(&order.body), json!([price, minor, currency]), "{order:?}");
        let id = order.text("/id");
        let session = shop.stripe.session_of(id).expect("a session");
        let at_stripe = shop.stripe.session(&session).expect("a session");
        assert_eq!(
            json!([at_stripe["amount_total"], at_stripe["currency"]]),
            json!([minor, currency])
        );
        shop.act(&session, local::stripe::Effect::Pay).await;
        assert_eq!(shop.state("acme", id).await, ("credited".to_owned(), "500".to_owned()));
    }
}

#[test]
fn a_price_that_stripe_would_not_charge_is_not_published() {
    for (currency, minor, said) in [
        (
            "usd",
            49,
            "packs.starter.price_minor: must be from 50 to 99999999: 0.50 usd to 999999.99 usd",
        ),
        ("usd", 100_000_000, "packs.starter.price_minor: must be from 50 to 99999999"),
        (
            "jpy",
            49,
            "packs.starter.price_minor: must be from 50 to 99999999: 50 jpy to 99999999 jpy",
        ),
        ("idr", 999_999_999_999 + 1, "packs.starter.price_minor: must be from 1 to 999999999999"),
        ("cop", 10_000_000_000, "packs.starter.price_minor: must be from 50 to 9999999999"),
        ("ugx", 550, "packs.starter.price_minor: must be a multiple of 100"),
        ("isk", 101, "packs.starter.price_minor: must be a multiple of 100"),
        ("kwd", 5_124, "packs.starter.price_minor: must be a multiple of 10"),
        ("xyz", 4_900, "packs.starter.currency: xyz is not a currency that Stripe accepts"),
        ("dem", 4_900, "packs.starter.currency: dem is not a currency that Stripe accepts"),
    ] {
        let problem = refused(currency, minor).unwrap_or_else(|| panic!("{minor} {currency}"));
        assert!(problem.contains(said), "{minor} {currency}: {problem}");
    }
    for (currency, minor, ..) in PRICES {
        assert_eq!(refused(currency, minor), None);
    }
    for (currency, minor) in [("idr", 999_999_999_999), ("inr", 999_999_999), ("huf", 17_550)] {
        assert_eq!(refused(currency, minor), None);
    }
    // A catalog published before Stripe refused such a price can still be read.
    assert!(Catalog::parse(&files(priced("xyz", 1))).is_ok());
}

#[test]
fn every_bound_of_a_currency_is_an_amount_that_stripe_charges() {
    let mut known = 0;
    let letters = || 'a'..='z';
    for code in
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])))
    {
        let currency: Currency = String::from_iter(code).parse().expect("three letters");
        if currency.known().is_none() {
            continue;
        }
        known += 1;
        let of = |minor| Money { currency, minor };
        for bound in [currency.least(), currency.most()] {
            assert_eq!(of(bound).chargeable(), Ok(()), "{currency}");
        }
        assert!(of(currency.least() - 1).chargeable().is_err(), "{currency}");
        assert!(of(currency.most() + 1).chargeable().is_err(), "{currency}");
    }
    assert!(known >= 135, "Stripe takes payments in more than 135 currencies: {known}");
}
