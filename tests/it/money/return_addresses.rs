//! The way to Stripe and back: Stripe's page names the account and the purchase, and returns the
//! customer.

use lambda_http::Body;
use local::stripe::{Effect, page};
use serde_json::json;

use crate::support::shop::Shop;
use crate::support::{PRODUCT, request};

/// Orders a pack in a session with this return address. Returns the order's id and the session's.
async fn begin(shop: &Shop, key: &str, return_url: &str) -> (String, String) {
    let body = json!({ "subject": "ada", "scopes": ["buy"], "return_url": return_url });
    let path = "/v1/accounts/acme/sessions";
    let made = shop.stack.send(request("POST", path, None, &body.to_string())).await;
    let pack = r#"{"pack":"starter"}"#;
    let token = made.text("/token").to_owned();
    let order = shop.ask(&token, "POST", "/v1/me/checkouts", Some(key), pack).await;
    assert_eq!(order.status, 201, "{order:?}");
    let id = order.text("/id").to_owned();
    let session = shop.stripe.session_of(&id).expect("a session");
    (id, session)
}

#[tokio::test]
async fn a_return_address_names_its_checkout_and_its_cancellation_only() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    for (place, (sent, before, after)) in [
        ("/", "/?", ""),
        ("/credits", "/credits?", ""),
        ("/credits?", "/credits?", ""),
        ("/credits?tab=2&q=a%20b+c&flag", "/credits?tab=2&q=a%20b+c&flag&", ""),
        ("/?checkout=01a2&tab=2", "/?tab=2&", ""),
        ("/?tab=2&checkout=01a2&canceled=1&checkout=", "/?tab=2&", ""),
        ("/?check%6Fut=01a2&checkouts=3&xcheckout=4", "/?checkouts=3&xcheckout=4&", ""),
        ("/#/credits?checkout=5", "/?", "#/credits?checkout=5"),
        ("/a?tab=2&checkout=1#top", "/a?tab=2&", "#top"),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, session) = begin(&shop, &place.to_string(), &format!("{PRODUCT}{sent}")).await;
        let at_stripe = shop.stripe.session(&session).expect("a session");
        let paid = format!("{PRODUCT}{before}checkout={id}{after}");
        assert_eq!(at_stripe["success_url"], paid);
        let canceled = format!("{PRODUCT}{before}checkout={id}&canceled=1{after}");
        assert_eq!(at_stripe["cancel_url"], canceled);
        shop.act(&session, Effect::Pay).await;
    }
}

#[tokio::test]
async fn stripes_page_names_the_account_and_returns_canceled_if_unpaid() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (id, session) = begin(&shop, "buy", &format!("{PRODUCT}/credits")).await;
    let shown = |session: &str| match page::show(&shop.stripe, session).map(|r| r.into_body()) {
        Some(Body::Text(html)) => html.replace("&amp;", "&"),
        other => panic!("{other:?}"),
    };
    let html = shown(&session);
    assert!(html.contains("500 credits for acme"), "{html}");
    assert!(html.contains("<h1>49.00 usd</h1>"), "{html}");
    let back = format!("href='{PRODUCT}/credits?checkout={id}");
    assert!(html.contains(&format!("{back}&canceled=1'")), "{html}");
    shop.act(&session, Effect::Decline).await;
    assert!(shown(&session).contains(&format!("{back}&canceled=1'")));
    shop.act(&session, Effect::Pay).await;
    assert!(shown(&session).contains(&format!("{back}'")) && !shown(&session).contains("canceled"));
}
