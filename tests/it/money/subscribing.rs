//! Subscriptions that customers begin and manage: the routes, and what Stripe is asked for.

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::support::shop::Shop;
use crate::support::{Answer, request};

const PATH: &str = "/v1/me/subscriptions";
const BUY: &str = r#""view","buy""#;

async fn subscribe(shop: &Shop, key: &str, body: &str) -> Answer {
    let token = shop.token("acme", BUY).await;
    shop.ask(&token, "POST", PATH, Some(key), body).await
}

async fn portal(shop: &Shop) -> Answer {
    let token = shop.token("acme", BUY).await;
    shop.ask(&token, "POST", "/v1/me/portal", None, "{}").await
}

async fn seen(shop: &Shop) -> Value {
    let token = shop.token("acme", r#""view""#).await;
    let found = shop.ask(&token, "GET", PATH, None, "").await;
    assert_eq!(found.status, 200, "{found:?}");
    found.body
}

async fn shop() -> Shop {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop
}

#[tokio::test]
async fn a_customer_subscribes_and_the_plan_follows() {
    let shop = shop().await;
    let before = seen(&shop).await;
    assert_eq!((&before["plan"], &before["portal"]), (&json!("free"), &json!(false)));
    assert_eq!(before["subscription"], Value::Null);
    let offered = before["plans"].as_array().expect("plans").iter();
    let offered: Vec<_> = offered.map(|plan| (&plan["plan"], &plan["monthly"])).collect();
    assert_eq!(offered, [(&json!("pro"), &json!("2500")), (&json!("team"), &json!("1000"))]);
    assert_eq!(portal(&shop).await.code(), "not_subscribed");

    let begun = subscribe(&shop, "k", r#"{"plan":"pro"}"#).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = shop.stripe.session_of("acme").expect("a session");
    assert!(begun.text("/url").ends_with(&session), "{begun:?}");
    assert_eq!(seen(&shop).await, before, "nothing happens until it is paid");
    shop.act(&session, Effect::Pay).await;

    let after = seen(&shop).await;
    assert_eq!((&after["plan"], &after["status"]), (&json!("pro"), &json!("active")));
    assert_eq!(after["subscription"]["status"], "active");
    assert_eq!(after["subscription"]["parked"], false);
    assert!(after["subscription"]["renews_at"].as_str().is_some_and(|at| at > "2026-12-18"));
    assert_eq!(after["portal"], true);
    assert!(portal(&shop).await.text("/url").contains("bps_"));
    let again = subscribe(&shop, "k2", r#"{"plan":"team"}"#).await;
    assert_eq!((again.status, again.code()), (409, "already_subscribed"));
}

#[tokio::test]
async fn a_subscription_that_ends_shows_when_and_frees_the_account_for_another() {
    let shop = shop().await;
    assert_eq!(subscribe(&shop, "k", r#"{"plan":"team","seats":3}"#).await.status, 200);
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    assert_eq!(seen(&shop).await["seats"], 3);
    assert_eq!(shop.stack.balance("acme").await.text("/available"), "3025");
    let id = shop.stripe.subscription_of("acme").expect("a subscription");
    shop.act(&id, Effect::CancelAtPeriodEnd).await;
    let ends = seen(&shop).await;
    assert_eq!(ends["next"]["status"], "canceled");
    assert_eq!(ends["next"]["at"], "2026-12-18T00:00:00.000Z");
    assert_eq!(ends["subscription"]["renews_at"], Value::Null);
    shop.act(&id, Effect::Cancel).await;
    let over = seen(&shop).await;
    assert_eq!((&over["status"], &over["subscription"]), (&json!("canceled"), &Value::Null));
    assert_eq!(over["portal"], true, "invoices and card are still there");
    assert_eq!(subscribe(&shop, "anew", r#"{"plan":"pro"}"#).await.status, 200);
}

#[tokio::test]
async fn one_key_begins_one_session_and_other_content_another() {
    let shop = shop().await;
    let first = subscribe(&shop, "k", r#"{"plan":"pro"}"#).await;
    assert_eq!(subscribe(&shop, "k", r#"{"plan":"pro"}"#).await.body, first.body);
    let yearly = r#"{"plan":"pro","price":"price_local_pro_year"}"#;
    let other = subscribe(&shop, "k", yearly).await;
    assert_eq!(other.status, 200, "{other:?}");
    assert_ne!(other.body, first.body);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_unknown_and_sent_again_gets_the_same_session() {
    let shop = shop().await;
    shop.stripe.lose_next_reply();
    let lost = subscribe(&shop, "k", r#"{"plan":"pro"}"#).await;
    let body = r#"{"plan":"pro"}"#;
    let found = match lost.status {
        // The client library asks again by itself.
        200 => lost,
        _ => {
            assert_eq!(lost.code(), "outcome_unknown");
            subscribe(&shop, "k", body).await
        }
    };
    assert_eq!(subscribe(&shop, "k", body).await.body, found.body);
    assert_eq!(shop.stripe.objects("checkout/sessions").len(), 1);
}

#[tokio::test]
async fn a_customer_who_was_deleted_at_stripe_subscribes_as_a_new_one() {
    let shop = shop().await;
    assert_eq!(subscribe(&shop, "k", r#"{"plan":"pro"}"#).await.status, 200);
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    let id = shop.stripe.subscription_of("acme").expect("a subscription");
    shop.act(&id, Effect::Cancel).await;
    shop.stripe.forget_customers();
    assert_eq!(portal(&shop).await.code(), "not_subscribed");
    let begun = subscribe(&shop, "anew", r#"{"plan":"pro"}"#).await;
    assert_eq!(begun.status, 200, "{begun:?}");
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_begins() {
    let shop = shop().await;
    for (body, fields) in [
        ("{}", &["plan"][..]),
        (r#"{"plan":"free"}"#, &["plan"]),
        (r#"{"plan":"pro","price":"price_other","seats":2}"#, &["price", "seats"]),
        (r#"{"plan":"team","seats":0,"color":"red"}"#, &["color", "seats"]),
    ] {
        let refused = subscribe(&shop, "k", body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        let named = refused.body["fields"].as_array().expect("fields").iter();
        let mut named: Vec<_> = named.filter_map(|field| field["field"].as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, fields, "{body}");
    }
    let unknown = subscribe(&shop, "k", r#"{"plan":"por"}"#).await;
    assert_eq!((unknown.code(), unknown.text("/did_you_mean")), ("unknown_plan", "pro"));
    let view = shop.token("acme", r#""view""#).await;
    let refused = shop.ask(&view, "POST", PATH, Some("k"), r#"{"plan":"pro"}"#).await;
    assert_eq!(refused.code(), "scope_required");
    let refused = shop.ask(&view, "POST", "/v1/me/portal", None, "{}").await;
    assert_eq!(refused.code(), "scope_required");
    let freeze = request("POST", "/v1/accounts/acme/freeze", Some("f"), r#"{"reason":"abuse"}"#);
    assert_eq!(shop.stack.send(freeze).await.status, 201);
    assert_eq!(subscribe(&shop, "k", r#"{"plan":"pro"}"#).await.code(), "account_frozen");
    assert_eq!(shop.stripe.session_of("acme"), None);
}
