//! The other parts of a payment: its receipt and its Stripe customer.

use crate::support::catalogs::files;
use local::stripe::{Effect, WEBHOOK_SECRET};
use shared::decide::catalog_version;
use shared::domain::Catalog;
use shared::domain::Instant;
use shared::domain::instant::Span;
use shared::secrets::Secret;
use shared::stripe::Stripe;

use crate::page::html::page;
use crate::support::secrets_manager::Vault;
use crate::support::shop::Shop;
use crate::support::{PRODUCT, Stack, request};

/// The receipt that the customer sees: with the checkout, and on the page.
async fn receipt(shop: &Shop, order: &str) -> Option<String> {
    let token = shop.token("acme", r#""view""#).await;
    let path = format!("/v1/me/checkouts/{order}");
    let checkout = shop.ask(&token, "GET", &path, None, "").await;
    let url = checkout.body["receipt_url"].as_str().map(str::to_owned);
    let (_, html) = page(&shop.stack, "acme", "").await;
    assert_eq!(html.contains(">Receipt</a>"), url.is_some(), "{html}");
    let link = url.as_ref().is_none_or(|url| html.replace("&#x2f;", "/").contains(url.as_str()));
    assert!(link, "{html}");
    url
}

/// A new shop with one bought pack, whose charge has this receipt URL.
async fn bought(says: &str) -> (Shop, String) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
    let local = format!("\"receipt_url\":\"{}", shop.stripe.base());
    for event in shop.stripe.take_events() {
        let event = match event.split_once(&local) {
            Some((before, rest)) => {
                let (_, after) = rest.split_once('"').expect("the address ends");
                format!("{before}\"receipt_url\":{says}{after}")
            }
            None => event,
        };
        assert_eq!(shop.take_notice(&event).await.status, 200, "{event}");
    }
    (shop, order)
}

#[tokio::test]
async fn a_top_up_has_the_receipt_that_stripe_offers() {
    let stripes = "https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8x";
    let (shop, order) = bought(&format!("\"{stripes}\"")).await;
    assert_eq!(receipt(&shop, &order).await.as_deref(), Some(stripes));
    assert_eq!(shop.balance("acme").await.0, "525");
}

#[tokio::test]
async fn a_link_that_is_not_stripes_is_not_shown() {
    for says in [
        "null",
        r#""http://pay.stripe.com/receipts/1""#,
        r#""https://pay.stripe.com.example.com/receipts/1""#,
        r#""https://notstripe.com/receipts/1""#,
        r#""https://example.com/#.stripe.com""#,
        r#""https://pay.stripe.com@example.com/receipts/1""#,
        r#""https://pay.stripe.com:8443/receipts/1""#,
        r#""javascript:alert(1)//.stripe.com""#,
        r#""receipts""#,
        &format!("\"https://pay.stripe.com/{}\"", "x".repeat(2000)),
    ] {
        let (shop, order) = bought(says).await;
        assert_eq!(receipt(&shop, &order).await, None, "{says}");
        assert_eq!(shop.balance("acme").await.0, "525", "{says}");
    }
}

#[tokio::test]
async fn a_second_checkout_reuses_the_stripe_customer() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.open("other", "free").await;
    let session = |id: &str| shop.stripe.session(id).expect("a session");
    let (_, first) = shop.begin("acme", "first", "starter").await;
    assert_eq!(session(&first)["customer"], serde_json::Value::Null);
    shop.act(&first, Effect::Pay).await;
    let customer = session(&first)["customer"].clone();
    assert!(customer.is_string(), "Stripe makes one of whoever pays");
    let (_, second) = shop.begin("acme", "second", "starter").await;
    assert_eq!(session(&second)["customer"], customer);
    shop.act(&second, Effect::Pay).await;
    let (_, others) = shop.buy("other", "first", "starter").await;
    assert_ne!(session(&others)["customer"], customer);
    // Deleted at Stripe: the customer can still buy, also with a retry.
    shop.stripe.forget_customers();
    let (order, third) = shop.begin("acme", "third", "starter").await;
    assert_eq!(session(&third)["customer"], serde_json::Value::Null);
    assert_eq!(shop.begin("acme", "third", "starter").await, (order, third.clone()));
    shop.act(&third, Effect::Pay).await;
    assert_eq!(shop.balance("acme").await.0, "1525");
}

/// The service chooses its subjects. Characters that separate keys elsewhere have no meaning in
/// them.
#[tokio::test]
async fn each_buyer_of_an_account_is_a_separate_stripe_customer() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.open("other", "free").await;
    let long = "ä".repeat(32);
    let buyers = ["ada", "bob", "ADA", "ada#", "live#ada", "S#test#ada", "a|b:c", "…", &long];
    let customer = async |account: &str, buyer: &str, key: &str, pays: bool| {
        let order = shop
            .order_of(buyer, account, &format!("{key} of {}", buyer.escape_unicode()), "starter")
            .await;
        let session = shop.stripe.session_of(order.text("/id")).expect("a session");
        let known = shop.stripe.session(&session).expect("a session")["customer"].clone();
        if pays {
            shop.act(&session, Effect::Pay).await;
        }
        (known, shop.stripe.session(&session).expect("a session")["customer"].clone())
    };
    let mut customers = Vec::new();
    for buyer in buyers {
        let (known, made) = customer("acme", buyer, "first", true).await;
        assert_eq!(known, serde_json::Value::Null, "{buyer:?} is sent to Stripe as another");
        assert!(made.is_string() && !customers.contains(&made), "{buyer:?}: {made}");
        customers.push(made);
    }
    for (buyer, made) in buyers.into_iter().zip(&customers) {
        assert_eq!(customer("acme", buyer, "second", false).await.0, *made, "{buyer:?}");
    }
    assert_eq!(customer("other", "ada", "first", false).await.0, serde_json::Value::Null);
}

#[tokio::test]
async fn invoices_are_made_where_the_catalog_says_so() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, without) = shop.buy("acme", "without", "starter").await;
    let session = |id: &str| shop.stripe.session(id).expect("a session");
    assert_eq!(session(&without)["invoice"], serde_json::Value::Null);
    let next = Catalog::DEFAULT.replace("version = 1", "version = 2");
    let next = next.replace("invoices = false", "invoices = true");
    let change = catalog_version::publish(
        &*shop.stack.context().catalog().await,
        &files(&*next),
        Instant::EPOCH,
    );
    let context = shop.stack.context();
    context.store.commit(&change.expect("a catalog")).await.expect("published");
    shop.stack.clock.set(context.clock.now() + Span::from_s(61));
    let (_, with) = shop.buy("acme", "with", "starter").await;
    assert!(session(&with)["invoice"].is_string(), "{}", session(&with));
}

/// The ARN of Stripe's key.
const KEY: &str = "StripeKeyArn";

/// A shop whose Stripe key is in Secrets Manager, and was revoked.
async fn by_secret(vault: &Vault) -> Shop {
    let shop = Shop::noon().await;
    vault.put(KEY, "sk_test_revoked");
    let url = format!("{}/_local/stripe/", shop.stripe.base());
    let (secret, now) = (vault.secret(KEY, &shop.stack.roles), shop.stack.context().clock.now());
    let stripe = Stripe::by_secret(secret, Some(&url), now).await.expect("a key");
    let functions = shop.stack.functions.with_stripe(stripe, Secret::fixed(WEBHOOK_SECRET));
    let stack = Stack { functions, ..shop.stack };
    stack.open("acme", "free").await;
    assert_eq!(vault.take_reads(), 1);
    Shop { stack, stripe: shop.stripe }
}

fn later(shop: &Shop) {
    shop.stack.clock.set(shop.stack.context().clock.now() + Span::from_s(11));
}

#[tokio::test]
async fn a_replaced_stripe_key_is_read_again() {
    let vault = Vault::default();
    let shop = by_secret(&vault).await;
    later(&shop);
    // Revoked, and not replaced yet: the key is read once more, not with each request.
    for _ in 0..3 {
        let refused = shop.order("acme", "buy", "starter").await;
        assert_eq!((refused.status, refused.code()), (500, "internal_error"), "{refused:?}");
    }
    assert_eq!(vault.take_reads(), 1);
    vault.put(KEY, local::stripe::KEY);
    later(&shop);
    // The same key for the same order: nothing was lost.
    shop.buy("acme", "buy", "starter").await;
    assert_eq!((shop.balance("acme").await.0.as_str(), vault.take_reads()), ("525", 1));
    shop.buy("acme", "another", "starter").await;
    assert_eq!(vault.take_reads(), 0, "the new one is kept");
}

#[tokio::test]
async fn reconcile_reads_a_replaced_key_too_but_none_of_the_other_mode() {
    for (next, asks) in [(local::stripe::KEY, true), ("sk_live_key", false)] {
        let vault = Vault::default();
        let shop = by_secret(&vault).await;
        vault.put(KEY, next);
        later(&shop);
        let functions = &shop.stack.functions;
        let report = reconcile::compare(functions.context(), functions.stripe()).await;
        assert_eq!(report.is_ok(), asks, "{report:?}");
        assert!(!functions.stripe().is_live());
        assert_eq!(vault.take_reads(), 1);
    }
}

/// The process crashed after it asked Stripe. The customer returns by another link and tries again.
#[tokio::test]
async fn a_checkout_retried_elsewhere_is_the_same_at_stripe() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let first = shop.order("acme", "buy", "starter").await;
    let id = first.text("/id").to_owned();
    let tables = shop.stack.tables();
    let written = tables.scan().table_name("scrip-ledger").send().await.expect("items");
    let mut noted = written.items().iter().filter(|item| {
        item.get("ur").and_then(|url| url.as_s().ok()).is_some_and(|url| url.starts_with("http"))
    });
    let order = noted.next().expect("the order says where it is paid");
    let forget = tables.update_item().table_name("scrip-ledger");
    let forget =
        ["a", "s"].into_iter().fold(forget, |forget, name| forget.key(name, order[name].clone()));
    forget.update_expression("REMOVE u").send().await.expect("forgotten");

    let body =
        format!(r#"{{"subject":"ada","scopes":["buy"],"return_url":"{PRODUCT}/elsewhere"}}"#);
    let session = request("POST", "/v1/accounts/acme/sessions", None, &body);
    let token = shop.stack.send(session).await.text("/token").to_owned();
    let pack = r#"{"pack":"starter"}"#;
    let again = shop.ask(&token, "POST", "/v1/me/checkouts", Some("buy"), pack).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!((again.text("/id"), again.text("/url")), (&*id, first.text("/url")));
    let session = shop.stripe.session_of(&id).expect("a session");
    shop.act(&session, Effect::Pay).await;
    assert_eq!(shop.balance("acme").await.0, "525");
}
