//! Unusual payments: decided after months, in another currency, made twice, or free.

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::support::request;
use crate::support::shop::Shop;

fn pair(available: &str, debt: &str) -> (String, String) {
    (available.to_owned(), debt.to_owned())
}

/// A shop in which acme has bought a pack, and the session it paid in.
async fn bought() -> (Shop, String, String) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.buy("acme", "buy", "starter").await;
    (shop, order, session)
}

/// The undelivered events of a payment of acme, the session's first.
async fn paid(key: &str) -> (Shop, String, Vec<Value>) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", key, "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    let events = shop.stripe.take_events();
    let mut events: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    events.sort_by_key(|event| event["type"] != "checkout.session.completed");
    (shop, order, events)
}

/// The parked payments: id and problem.
async fn waiting(shop: &Shop) -> Vec<(String, String)> {
    let listed = shop.stack.get("/v1/payments?state=parked").await;
    let payments = listed.body["payments"].as_array().expect("payments").clone();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    payments.iter().map(|one| (text(one, "id"), text(one, "problem"))).collect()
}

async fn decide(shop: &Shop, id: &str, verb: &str) -> crate::support::Answer {
    let path = format!("/v1/payments/{id}/{verb}");
    shop.stack.send(request("POST", &path, None, r#"{"reason":"looked at"}"#)).await
}

#[tokio::test]
async fn a_dispute_decided_after_months_is_found_without_its_webhook() {
    for (effect, balance) in [(Effect::Win, pair("525", "0")), (Effect::Lose, pair("25", "0"))] {
        let (shop, _, session) = bought().await;
        shop.act(&session, Effect::Dispute).await;
        assert_eq!(shop.balance("acme").await, pair("25", "0"));
        // 75 days later, and no event is delivered.
        shop.stack.set_clock("2027-02-01T12:00:00Z");
        shop.stripe.act(&session, effect).expect("decided");
        shop.stripe.take_events();
        let functions = &shop.stack.functions;
        let audited = audit::of_stripe(functions.context(), functions.stripe()).await;
        let differs = usize::from(balance.0 == "525");
        assert_eq!(audited.expect("audited").len(), differs);
        let report = reconcile::compare(functions.context(), functions.stripe()).await;
        assert_eq!(report.expect("reconciled").found.len(), differs);
        assert_eq!(shop.balance("acme").await, balance);
    }
}

/// A won dispute stays won here. An operator checks the difference from Stripe.
#[tokio::test]
async fn an_audit_names_a_payment_that_went_backwards_at_stripe() {
    let (shop, _, session) = bought().await;
    shop.stripe.act(&session, Effect::Dispute).expect("disputed");
    for event in shop.stripe.take_events() {
        // Delivered as won, while Stripe lists it as open.
        let event = event.replace("needs_response", "won");
        assert_eq!(shop.take_notice(&event).await.status, 200);
    }
    let functions = &shop.stack.functions;
    let found = audit::of_stripe(functions.context(), functions.stripe()).await.expect("audited");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&*found[0].found, found[0].kind.name()), ("won", "stripe"));
}

#[tokio::test]
async fn a_reversal_in_another_currency_is_parked_and_takes_nothing() {
    for object in ["refund", "dispute"] {
        let (shop, _, session) = bought().await;
        let effect = match object {
            "refund" => Effect::Refund { minor: Some(735) },
            _ => Effect::Dispute,
        };
        shop.stripe.act(&session, effect).expect("done");
        let created = match object {
            "refund" => "refund.created",
            _ => "charge.dispute.created",
        };
        let events = shop.stripe.take_events();
        let event = events.iter().find(|event| event.contains(created)).expect("an event");
        let mut event: Value = serde_json::from_str(event).expect("JSON");
        event["data"]["object"]["currency"] = json!("jpy");
        assert_eq!(
            shop.take_notice(&event.to_string()).await.text("/outcome"),
            "parked",
            "{object}"
        );
        let [(id, problem)] = &waiting(&shop).await[..] else { panic!("one waits") };
        assert!(problem.starts_with("currency"), "{problem}");
        assert_eq!(decide(&shop, id, "release").await.text("/credited"), "500", "{object}");
        assert_eq!(shop.balance("acme").await, pair("525", "0"), "{object}");
    }
}

#[tokio::test]
async fn two_amounts_for_one_payment_are_parked_in_either_order() {
    for turned in [false, true] {
        let (shop, _, events) = paid("buy").await;
        let mut other = events[0].clone();
        other["data"]["object"]["amount_total"] = json!(4800);
        let mut told = [events[0].clone(), other];
        if turned {
            told.reverse();
        }
        for event in told {
            assert_eq!(shop.take_notice(&event.to_string()).await.status, 200);
        }
        let [(_, problem)] = &waiting(&shop).await[..] else { panic!("one waits") };
        assert!(problem.starts_with("amount"), "{problem}");
        assert!(problem.contains("48.00 usd"), "{problem}");
        assert_eq!(shop.balance("acme").await, pair("25", "0"));
    }
}

#[tokio::test]
async fn a_payment_that_names_two_orders_cannot_be_released() {
    let (shop, _, events) = paid("buy").await;
    let (other, _) = shop.begin("acme", "other", "starter").await;
    assert_eq!(shop.take_notice(&events[0].to_string()).await.status, 200);
    let mut twice = events[0].clone();
    twice["data"]["object"]["metadata"]["scrip_order"] = json!(other);
    assert_eq!(shop.take_notice(&twice.to_string()).await.text("/outcome"), "parked");
    let [(id, _)] = &waiting(&shop).await[..] else { panic!("one waits") };
    let refused = decide(&shop, id, "release").await;
    assert_eq!((refused.status, refused.code()), (409, "payment_ambiguous"));
    assert_eq!(waiting(&shop).await.len(), 1);
    assert_eq!(decide(&shop, id, "dismiss").await.status, 200);
    assert_eq!(waiting(&shop).await, []);
}

#[tokio::test]
async fn a_free_session_is_parked_and_grants_its_full_credits_on_release() {
    let (shop, order, events) = paid("buy").await;
    let mut free = events[0].clone();
    let session = &mut free["data"]["object"];
    session["payment_intent"] = Value::Null;
    session["payment_status"] = json!("no_payment_required");
    session["amount_total"] = json!(0);
    assert_eq!(shop.take_notice(&free.to_string()).await.text("/outcome"), "parked");
    assert_eq!(shop.state("acme", &order).await.0, "parked");
    let [(id, problem)] = &waiting(&shop).await[..] else { panic!("one waits") };
    assert!(id.starts_with("cs_") && problem.contains("paid 0.00 usd"), "{id} {problem}");
    assert_eq!(decide(&shop, id, "release").await.text("/credited"), "500");
    assert_eq!(shop.balance("acme").await, pair("525", "0"));
}

#[tokio::test]
async fn a_second_payment_of_an_order_is_its_own_grant_once_released() {
    let (shop, _, session) = bought().await;
    let events = shop.stripe.take_events();
    assert_eq!(events, Vec::<String>::new());
    let told = shop.stripe.session(&session);
    let mut second = json!({ "id": "evt_second", "object": "event", "livemode": false,
        "type": "checkout.session.completed", "data": { "object": told } });
    second["data"]["object"]["payment_intent"] = json!("pi_second");
    assert_eq!(shop.take_notice(&second.to_string()).await.text("/outcome"), "parked");
    let [(id, _)] = &waiting(&shop).await[..] else { panic!("one waits") };
    assert_eq!(decide(&shop, id, "release").await.text("/credited"), "500");
    let grants = shop.stack.balance("acme").await.body["grants"].clone();
    let grants = grants.as_array().expect("grants").iter();
    let bought: Vec<_> = grants
        .filter(|grant| grant["kind"] == "purchased")
        .map(|grant| (grant["amount"].clone(), grant["remaining"].clone()))
        .collect();
    assert_eq!(bought, [(json!("500"), json!("500")), (json!("500"), json!("500"))]);
    // A refund of it is its own.
    let mut refund = json!({ "id": "evt_refund", "object": "event", "livemode": false,
        "type": "refund.created", "data": { "object": { "object": "refund", "id": "re_second",
        "status": "succeeded", "amount": 4900, "currency": "usd" } } });
    refund["data"]["object"]["payment_intent"] = json!("pi_second");
    assert_eq!(shop.take_notice(&refund.to_string()).await.text("/outcome"), "applied");
    assert_eq!(shop.balance("acme").await, pair("525", "0"));
}

/// A pack of 500 has expired with 90 credits used and 410 unused.
#[tokio::test]
async fn unused_credits_of_an_expired_pack_are_not_owed() {
    // The refunds in cents of 4900: half, all, nine tenths; in one step or in two. Then they fail.
    let refunds: [(&[u64], &str); 4] =
        [(&[2450], "0"), (&[4900], "90"), (&[4410], "40"), (&[2450, 1960], "40")];
    for (parts, owed) in refunds {
        let shop = Shop::noon().await;
        shop.stack.open("acme", "standard").await;
        let put = request("PUT", "/v1/accounts/acme", Some("up"), r#"{"plan":"free"}"#);
        assert_eq!(shop.stack.send(put).await.status, 201);
        let (_, session) = shop.buy("acme", "buy", "starter").await;
        assert_eq!(shop.stack.debit("acme", "used", "115").await.status, 201);
        shop.stack.set_clock("2027-11-20T12:00:00Z");
        assert_eq!(shop.balance("acme").await, pair("25", "0"));
        // Later entries do not hide which credits expired.
        for n in 0..70 {
            let key = format!("later {n}");
            assert_eq!(shop.stack.debit("acme", &key, "0.01").await.status, 201);
        }
        for part in parts {
            shop.act(&session, Effect::Refund { minor: Some(*part) }).await;
        }
        assert_eq!(shop.balance("acme").await, pair("24.3", owed), "{parts:?}");
        shop.act(&session, Effect::FailRefund).await;
        // A failed refund removes the debt that it made.
        assert_eq!(shop.balance("acme").await, pair("24.3", "0"), "{parts:?}");
        let functions = &shop.stack.functions;
        let id = "acme".parse().expect("an account");
        assert_eq!(audit::account(functions.context(), &id).await.expect("audited"), []);
    }
}

/// The debt from before the expiry ends when the money comes back after it.
#[tokio::test]
async fn a_dispute_won_after_the_pack_expired_ends_its_debt() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    assert_eq!(shop.stack.debit("acme", "used", "125").await.status, 201);
    shop.stack.set_clock("2027-11-17T12:00:00Z");
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, pair("25", "100"));
    shop.stack.set_clock("2027-11-20T12:00:00Z");
    shop.act(&session, Effect::Win).await;
    assert_eq!(shop.balance("acme").await, pair("25", "0"));
}

#[tokio::test]
async fn credits_released_from_a_hold_repay_the_packs_debt() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    assert_eq!(stack.debit("acme", "some", "125").await.status, 201);
    // 300 of the 400 remaining are held: 100 are taken, and 400 owed, of which 100 were spent.
    let hold = stack.post("/v1/accounts/acme/holds", "hold", r#"{"credits":"300"}"#).await;
    shop.act(&session, Effect::Refund { minor: None }).await;
    assert_eq!(shop.balance("acme").await, pair("0", "400"));
    let path = format!("/v1/accounts/acme/holds/{}/capture", hold.text("/id"));
    assert_eq!(stack.post(&path, "capture", r#"{"credits":"20"}"#).await.status, 201);
    assert_eq!(shop.balance("acme").await, pair("0", "120"));
}
