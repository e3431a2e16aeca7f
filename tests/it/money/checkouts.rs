//! Checkouts of an account: the list matches each single checkout, a repeat returns the current
//! state, and at most ten are open.

use std::collections::BTreeSet;

use local::stripe::Effect;
use serde_json::Value;
use shared::clock::Entropy;
use shared::domain::instant::Span;
use shared::domain::orders::{MAX_LISTED, MAX_OPEN};
use shared::domain::payment::State;
use shared::domain::{Instant, Orders};

use crate::support::shop::Shop;
use crate::support::{Answer, at_once, request};

const HOUR_S: i64 = 3600;

async fn ask(shop: &Shop, account: &str, path: &str) -> Answer {
    let token = shop.token(account, r#""view""#).await;
    shop.ask(&token, "GET", &format!("/v1/me/checkouts{path}"), None, "").await
}

/// The checkouts that the account lists with this query.
async fn listed(shop: &Shop, account: &str, query: &str) -> Vec<Value> {
    let answer = ask(shop, account, query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["checkouts"].as_array().expect("a list").clone()
}

fn pass(shop: &Shop, seconds: i64) {
    shop.stack.clock.set(shop.stack.context().clock.now() + Span::from_s(seconds));
}

/// Brings a new order of acme into a state. Returns its id.
async fn reach(shop: &Shop, state: State) -> String {
    let (order, session) = shop.begin("acme", state.name(), "starter").await;
    match state {
        State::Open => shop.act(&session, Effect::Decline).await,
        State::Processing => shop.act(&session, Effect::PayLater).await,
        State::Credited => shop.act(&session, Effect::Pay).await,
        State::Failed => {
            shop.act(&session, Effect::PayLater).await;
            shop.act(&session, Effect::Fail).await;
        }
        State::Expired => shop.act(&session, Effect::Expire).await,
        State::Parked | State::Dismissed => {
            shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
            for event in shop.stripe.take_events() {
                shop.take_notice(&event.replace("4900", "4800")).await;
            }
            if state == State::Dismissed {
                let parked = shop.stack.get("/v1/payments?state=parked").await;
                let waiting = parked.body["payments"].as_array().expect("payments").last();
                let id = waiting.expect("one")["id"].as_str().expect("an id").to_owned();
                let (path, body) = (format!("/v1/payments/{id}/dismiss"), r#"{"reason":"no"}"#);
                let dismissed = shop.stack.send(request("POST", &path, None, body)).await;
                assert_eq!(dismissed.status, 200, "{dismissed:?}");
            }
        }
    }
    order
}

#[tokio::test]
async fn a_listed_or_repeated_checkout_matches_its_own_current_state() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.open("other", "free").await;
    let mut latest_first = Vec::new();
    for state in State::ALL {
        let order = reach(&shop, state).await;
        let own = ask(&shop, "acme", &format!("/{order}")).await;
        assert_eq!(own.text("/state"), state.name(), "{own:?}");
        assert_eq!(own.body["url"].is_string(), state == State::Open, "{own:?}");
        let again = shop.order("acme", state.name(), "starter").await;
        assert_eq!((again.status, again.replayed, &again.body), (201, true, &own.body));
        let in_state = listed(&shop, "acme", &format!("?state={}", state.name())).await;
        assert_eq!(in_state, std::slice::from_ref(&own.body));
        latest_first.insert(0, own.body);
        pass(&shop, 60);
    }
    assert_eq!(listed(&shop, "acme", "").await, latest_first);
    // Another buyer of the account sees them; another account does not.
    let token = shop.token_of("bob", "acme", r#""view""#).await;
    let bobs = shop.ask(&token, "GET", "/v1/me/checkouts", None, "").await;
    assert_eq!(bobs.body["checkouts"], Value::from(latest_first.clone()));
    assert!(listed(&shop, "other", "").await.is_empty());
    for query in ["?state=paid", "?state=", "?state=open&state=open", "?limit=1", "?state=Open"] {
        let refused = ask(&shop, "acme", query).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
    }
    // Without an event from Stripe a session still expires.
    // Checkouts older than a month are not listed.
    pass(&shop, 24 * HOUR_S);
    assert!(listed(&shop, "acme", "?state=open").await.is_empty());
    assert_eq!(listed(&shop, "acme", "?state=expired").await.len(), 2);
    pass(&shop, 29 * 24 * HOUR_S);
    assert!(listed(&shop, "acme", "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_checkouts_of_an_account_stop_at_ten_open() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.open("other", "free").await;
    let ordered = at_once(40, |n| {
        let shop = shop.clone();
        async move { shop.order("acme", &format!("order {n}"), "starter").await }
    });
    let mut answers = ordered.await;
    // Requests with an unknown outcome may have placed no order: these fill the list up.
    for n in 0..MAX_OPEN {
        answers.push(shop.order("acme", &format!("more {n}"), "starter").await);
    }
    let mut posted = BTreeSet::new();
    for answer in answers {
        let known = match answer.status {
            409 => answer.code() == "too_many_checkouts",
            503 => answer.code() == "outcome_unknown",
            status => status == 201 && posted.insert(answer.text("/id").to_owned()),
        };
        assert!(known, "{answer:?}");
    }
    let open = listed(&shop, "acme", "?state=open").await;
    assert_eq!(open.len(), MAX_OPEN);
    assert!(open.iter().all(|open| posted.contains(open["id"].as_str().expect("an id"))));
    assert_eq!(posted.len(), MAX_OPEN, "none is posted beside the list");

    let refused = shop.order("acme", "one more", "starter").await;
    assert_eq!((refused.status, refused.code()), (409, "too_many_checkouts"), "{refused:?}");
    let ids: Vec<_> = open.iter().map(|checkout| checkout["id"].clone()).collect();
    assert_eq!(refused.body["checkouts"], Value::from(ids.clone()));
    let first = Instant::parse(open[MAX_OPEN - 1]["at"].as_str().expect("an instant"));
    let frees_at = first.expect("an instant") + Span::from_s(24 * HOUR_S);
    assert_eq!(refused.text("/frees_at"), frees_at.to_string());
    assert_eq!(shop.order("other", "first", "starter").await.status, 201);

    // A paid checkout makes room for another at once, with the same key.
    let paid = shop.stripe.session_of(ids[3].as_str().expect("an id")).expect("a session");
    shop.act(&paid, Effect::Pay).await;
    assert_eq!(shop.order("acme", "one more", "starter").await.status, 201);
    assert_eq!(shop.order("acme", "two more", "starter").await.status, 409);
    // So does one that expires, with or without an event.
    let ended = shop.stripe.session_of(ids[5].as_str().expect("an id")).expect("a session");
    shop.act(&ended, Effect::Expire).await;
    assert_eq!(shop.order("acme", "two more", "starter").await.status, 201);
    assert_eq!(shop.order("acme", "three more", "starter").await.status, 409);
    shop.stack.clock.set(frees_at);
    assert_eq!(shop.order("acme", "three more", "starter").await.status, 201);
}

#[test]
fn the_latest_hundred_orders_of_thirty_days_are_listed() {
    let (entropy, began) = (Entropy::system(), Instant::parse("2026-11-18T12:00:00Z"));
    let (began, mut orders) = (began.expect("an instant"), Orders::default());
    let mut posted = Vec::new();
    for hour in 0..150 {
        let now = began + Span::from_s(hour * HOUR_S);
        posted.push(entropy.own(now));
        orders = orders.with(posted[posted.len() - 1], now);
    }
    assert_eq!(orders.ids, posted[50..]);
    let (days, last) = (Span::from_s(30 * 24 * HOUR_S), posted[149].time());
    assert_eq!(orders.listed(last).count(), MAX_LISTED);
    let after = posted[140].time() + days;
    assert!(orders.listed(after).eq(posted[141..].iter().rev().copied()));
    assert_eq!(orders.with(posted[0], after).ids.len(), 10);
    assert_eq!(orders.may_be_open(last).count(), 24);
}
