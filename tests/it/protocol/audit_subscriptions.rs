//! What is stored of subscriptions is audited against Stripe and the entries of the account, and
//! repaired by asking Stripe again.

use ::audit::{account, subscriptions};
use cli::{publish, repair};
use local::stripe::{self, Effect, KEY};
use shared::decide::subscription::refollow;
use shared::domain::catalog::Catalog;
use shared::domain::subscription::{Billing, Followed};
use shared::domain::{AccountId, PlanTerms};

use crate::support::catalogs::in_folder;
use crate::support::shop::Shop;

/// A shop with the account acme, which is on a plan by its subscription.
async fn subscribed(name: &str) -> (Shop, String) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let text = Catalog::DEFAULT.replace("version = 1\n", "version = 2\n");
    let plan = "[plans.audited]\nai = true\nmonthly = \"700\"\n\
                stripe_prices = [\"price_local_starter_month\"]\n";
    let file = in_folder(name, format!("{text}\n{plan}"));
    publish::publish(shop.stack.context(), file.path()).await.expect("published");
    shop.stack.set_clock("2026-11-18T12:10:00Z");
    let form = "mode=subscription&line_items[0][price]=price_local_starter_month&\
                client_reference_id=acme&subscription_data[metadata][scrip_account]=acme";
    let request = http::Request::post("/_local/stripe/v1/checkout/sessions")
        .header("authorization", format!("Bearer {KEY}"))
        .body(lambda_http::Body::from(form));
    stripe::answer(&shop.stripe, &request.expect("a request"));
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    assert_eq!(plan_of(&shop).await, ("audited".to_owned(), "active".to_owned()));
    let id = shop.stripe.subscription_of("acme").expect("a subscription");
    (shop, id)
}

async fn plan_of(shop: &Shop) -> (String, String) {
    let balance = shop.stack.balance("acme").await;
    (balance.text("/plan").to_owned(), balance.text("/status").to_owned())
}

fn acme() -> AccountId {
    "acme".parse().expect("an account")
}

async fn billing(shop: &Shop) -> Billing {
    shop.stack.context().store.billing(&acme(), false).await.expect("read")
}

/// The codes of the differences of acme, and of those with Stripe.
async fn differences(shop: &Shop) -> Vec<&'static str> {
    let context = shop.stack.context();
    let mut found = account(context, &acme()).await.expect("audited");
    let stripe = shop.stack.functions.stripe();
    found.extend(subscriptions(context, stripe).await.expect("compared"));
    found.iter().map(|difference| difference.kind.name()).collect()
}

async fn repaired(shop: &Shop) {
    let functions = &shop.stack.functions;
    let run = repair::run(functions.context(), Some(functions.stripe()), None, false);
    let acts = run.await.expect("repaired");
    assert!(acts.iter().all(|act| act.done == repair::Done::Repaired), "{acts:?}");
    assert_eq!(differences(shop).await, [""; 0]);
}

/// Stores that the plan has followed something else.
async fn refollowed(shop: &Shop, followed: Option<Followed>) {
    let write = refollow(&billing(shop).await, followed);
    shop.stack.context().store.commit(&write).await.expect("written");
}

#[tokio::test]
async fn a_subscription_whose_events_were_lost_differs_from_stripe_until_it_is_repaired() {
    let (shop, id) = subscribed("audit-lost").await;
    assert_eq!(differences(&shop).await, [""; 0]);
    shop.stripe.act(&id, Effect::Cancel).expect("canceled");
    shop.stripe.take_events();
    assert_eq!(differences(&shop).await, ["subscription"]);
    repaired(&shop).await;
    assert_eq!(plan_of(&shop).await, ("audited".to_owned(), "canceled".to_owned()));
}

#[tokio::test]
async fn a_row_that_knows_more_than_its_account_lets_the_plan_follow_again() {
    let (shop, id) = subscribed("audit-newer").await;
    // The account was restored to a moment before the end of its subscription.
    let followed = billing(&shop).await.followed.expect("it is followed");
    let terms = PlanTerms { seats: 3, ..followed.terms.clone() };
    refollowed(&shop, Some(Followed { terms, ..followed })).await;
    shop.stripe.act(&id, Effect::Cancel).expect("canceled");
    shop.stripe.take_events();
    assert_eq!(differences(&shop).await, ["followed", "subscription"]);
    repaired(&shop).await;
    assert_eq!(plan_of(&shop).await, ("audited".to_owned(), "canceled".to_owned()));
}

#[tokio::test]
async fn a_row_that_knows_less_than_its_account_is_as_the_entries_say_and_grants_nothing_twice() {
    let (shop, _) = subscribed("audit-older").await;
    let before = shop.balance("acme").await;
    refollowed(&shop, None).await;
    assert_eq!(differences(&shop).await, ["followed"]);
    repaired(&shop).await;
    assert!(billing(&shop).await.followed.is_some());
    assert_eq!(shop.balance("acme").await, before);
}
