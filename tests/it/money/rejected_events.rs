//! Events that change nothing (forged, stale, of another mode, account or amount), and parked ones
//! with the decisions of an operator.

use crate::support::catalogs::files;
use lambda_http::Body;
use local::stripe::{Effect, WEBHOOK_SECRET};
use serde_json::{Value, json};
use shared::domain::Instant;
use shared::stripe::signature;

use crate::support::shop::Shop;
use crate::support::{Answer, request};

/// A shop, an order of acme, and the events that would credit it.
async fn paid() -> (Shop, String, Vec<String>) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    let events = shop.stripe.take_events();
    (shop, order, events)
}

/// The event about the completed session.
fn completed(events: &[String]) -> Value {
    let found = events.iter().find(|event| event.contains("checkout.session.completed"));
    serde_json::from_str(found.expect("an event")).expect("JSON")
}

async fn bring(shop: &Shop, body: &[u8], header: &str) -> Answer {
    let mut request = request("POST", "/v1/stripe/webhook", None, "");
    *request.body_mut() = Body::Binary(body.to_vec());
    request.headers_mut().insert("stripe-signature", header.parse().expect("a header"));
    shop.bring(request).await
}

async fn nothing_arrived(shop: &Shop) {
    assert_eq!(shop.balance("acme").await, ("25".to_owned(), "0".to_owned()));
}

fn outcome(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/outcome")
}

#[tokio::test]
async fn an_event_not_signed_by_stripe_changes_nothing() {
    let (shop, _, events) = paid().await;
    let body = completed(&events).to_string();
    let now = shop.stack.context().clock.now();
    let at = |s: i64| Instant::from_ms(now.ms() + s * 1000);
    let sign = |secret: &str, s: i64| signature::sign(body.as_bytes(), secret, at(s));
    let right = sign(WEBHOOK_SECRET, 0);
    let forged = right.replace(|c| "abc".contains(c), "d");
    let headers = [
        forged,
        sign(WEBHOOK_SECRET, -310),
        sign(WEBHOOK_SECRET, 310),
        sign("whsec_other", 0),
        format!("t=1,{right}"),
        String::new(),
        "t=1".to_owned(),
    ];
    for header in headers {
        let answer = bring(&shop, body.as_bytes(), &header).await;
        assert_eq!((answer.status, answer.code()), (400, "signature_invalid"), "{header}");
    }
    let without = request("POST", "/v1/stripe/webhook", None, &body);
    assert_eq!(shop.bring(without).await.code(), "signature_invalid");
    let tampered = body.replace("4900", "9900");
    assert_eq!(bring(&shop, tampered.as_bytes(), &right).await.code(), "signature_invalid");
    nothing_arrived(&shop).await;
    // One valid signature of many is enough.
    let zero = "0".repeat(64);
    let many = right.replace("v1=", &format!("v1={zero},v1={zero},v1="));
    assert_eq!(outcome(&bring(&shop, body.as_bytes(), &many).await), "applied");
}

#[tokio::test]
async fn an_oversized_event_is_refused_unread() {
    let (shop, ..) = paid().await;
    let body = vec![b' '; 257 * 1024];
    let answer = bring(&shop, &body, "t=1,v1=00").await;
    assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
}

#[tokio::test]
async fn irrelevant_events_are_acknowledged() {
    let (shop, _, events) = paid().await;
    let known = completed(&events);
    let with = |path: &str, value: Value| {
        let mut event = known.clone();
        *event.pointer_mut(path).expect("a field") = value;
        event
    };
    let mut connected = known.clone();
    connected["account"] = json!("acct_other");
    let unknown_order = "01a20132-08af-7fb3-8350-6bdcd05e3b83";
    let foreign = [
        with("/type", json!("customer.created")),
        with("/object", json!("v2.core.event")),
        with("/data/object/metadata", json!({})),
        with("/data/object/metadata/scrip_order", json!(unknown_order)),
        connected,
    ];
    for event in foreign {
        assert_eq!(outcome(&shop.take_notice(&event.to_string()).await), "ignored", "{event}");
    }
    // A refund for something else that is sold in the same Stripe account.
    let refund = json!({ "object": "refund", "id": "re_9", "status": "succeeded", "amount": 5,
        "currency": "usd", "payment_intent": "pi_9" });
    let event = json!({ "id": "evt_9", "object": "event", "type": "refund.created",
        "livemode": false, "data": { "object": refund } });
    assert_eq!(shop.take_notice(&event.to_string()).await.status, 200);
    nothing_arrived(&shop).await;
    let parked = shop.stack.get("/v1/payments?state=parked").await;
    assert_eq!(parked.body["payments"], json!([]));
}

#[tokio::test]
async fn a_payment_that_differs_from_its_order_is_parked() {
    let changes = [
        ("/data/object/amount_total", json!(4800), "amount"),
        ("/data/object/currency", json!("eur"), "currency"),
        ("/data/object/metadata/scrip_account", json!("other"), "account"),
        ("/livemode", json!(true), "livemode"),
    ];
    for (path, value, wrong) in changes {
        let (shop, order, events) = paid().await;
        let mut event = completed(&events);
        *event.pointer_mut(path).expect("a field") = value;
        assert_eq!(outcome(&shop.take_notice(&event.to_string()).await), "parked", "{wrong}");
        assert_eq!(outcome(&shop.take_notice(&event.to_string()).await), "known", "{wrong}");
        nothing_arrived(&shop).await;
        assert_eq!(shop.state("acme", &order).await.0, "parked");
        let listed = shop.stack.get("/v1/payments?state=parked").await;
        assert!(listed.text("/payments/0/problem").starts_with(wrong), "{listed:?}");
        let id = listed.text("/payments/0/id").to_owned();
        let reason = r#"{"reason":"looked at"}"#;
        let (verb, credited) = match wrong {
            // The operator accepts the paid amount for the order.
            "amount" | "currency" => ("release", "500"),
            _ => ("dismiss", "0"),
        };
        let path = format!("/v1/payments/{id}/{verb}");
        let decided = shop.stack.send(request("POST", &path, None, reason)).await;
        assert_eq!((decided.status, decided.text("/credited")), (200, credited), "{wrong}");
        // The reply was lost: it is sent again.
        let again = shop.stack.send(request("POST", &path, None, reason)).await;
        assert_eq!((again.status, &again.body), (200, &decided.body), "{wrong}");
        let other = r#"{"reason":"looked at twice"}"#;
        let other = shop.stack.send(request("POST", &path, None, other)).await;
        assert_eq!(other.code(), "payment_not_parked");
        // Later events do not park it again.
        for event in &events {
            assert_eq!(shop.take_notice(event).await.status, 200);
        }
        let listed = shop.stack.get("/v1/payments?state=parked").await;
        assert_eq!(listed.body["payments"], json!([]), "{wrong}");
        let bought = if credited == "500" { "525" } else { "25" };
        assert_eq!(shop.balance("acme").await.0, bought, "{wrong}");
    }
}

#[tokio::test]
async fn an_order_keeps_its_terms_when_the_catalog_changes() {
    let (shop, order, events) = paid().await;
    let text = shared::domain::Catalog::DEFAULT.replace("version = 1", "version = 2");
    let current = shared::domain::Catalog::parse(&shared::domain::CatalogFiles::built_in());
    let current = current.expect("the default");
    // The pack changes its price, its credits and its name.
    let next = text.replace("[packs.starter]", "[packs.beginner]").replace("4900", "100");
    let next = next.replace("credits = \"500\"", "credits = \"1\"");
    let change = shared::decide::catalog_version::publish(&current, &files(&*next), Instant::EPOCH)
        .expect("it may follow");
    shop.stack.context().store.commit(&change).await.expect("published");
    shop.stack.set_clock("2026-11-18T12:02:00Z");
    let mut event = completed(&events);
    event["data"]["object"]["metadata"]["credits"] = json!("1000000");
    assert_eq!(outcome(&shop.take_notice(&event.to_string()).await), "applied");
    assert_eq!(shop.state("acme", &order).await, ("credited".to_owned(), "500".to_owned()));
}

#[tokio::test]
async fn a_signed_but_unreadable_event_is_kept_for_an_operator() {
    let (shop, _, events) = paid().await;
    let body = completed(&events).to_string();
    let mut missing = completed(&events);
    missing["data"]["object"]["payment_status"] = Value::Null;
    let truncated = &body[..body.len() - 20];
    for event in [truncated, &missing.to_string()] {
        assert_eq!(outcome(&shop.take_notice(event).await), "parked");
        assert_eq!(outcome(&shop.take_notice(event).await), "parked");
    }
    nothing_arrived(&shop).await;
    let listed = shop.stack.get("/v1/payments?state=parked").await;
    let waiting = listed.body["payments"].as_array().expect("payments").clone();
    assert_eq!(waiting.len(), 2, "{listed:?}");
    let reason = r#"{"reason":"looked at"}"#;
    for one in waiting {
        let id = one["id"].as_str().expect("text");
        let path = |verb: &str| format!("/v1/payments/{id}/{verb}");
        let send = |path: String| {
            let shop = shop.clone();
            async move { shop.stack.send(request("POST", &path, None, reason)).await }
        };
        assert_eq!(send(path("release")).await.code(), "event_unreadable");
        let dismissed = send(path("dismiss")).await;
        let again = send(path("dismiss")).await;
        assert_eq!((dismissed.status, again.status), (200, 200));
        assert_eq!(dismissed.body, again.body);
        assert_eq!(send(path("release")).await.code(), "payment_not_parked");
    }
    assert_eq!(
        shop.stack.send(request("POST", "/v1/payments/evt_no/dismiss", None, reason)).await.code(),
        "payment_not_found"
    );
    assert_eq!(shop.stack.get("/v1/payments?state=waiting").await.code(), "invalid_request");
}

/// During a replacement an endpoint has two secrets, and either may sign.
#[tokio::test]
async fn both_secrets_are_accepted_while_one_is_replaced() {
    let (shop, _, events) = paid().await;
    let body = completed(&events).to_string();
    let now = shop.stack.context().clock.now();
    let both = shared::secrets::Secret::fixed("whsec_next whsec_local");
    for secret in ["whsec_next", "whsec_local"] {
        let mut request = request("POST", "/v1/stripe/webhook", None, &body);
        let header = signature::sign(body.as_bytes(), secret, now);
        request.headers_mut().insert("stripe-signature", header.parse().expect("a header"));
        let request = lambda_http::RequestExt::with_raw_http_path(request, "/v1/stripe/webhook");
        let (context, stripe) = (shop.stack.context(), shop.stack.functions.stripe());
        let response = webhook::handle(context, stripe, &both, request).await;
        assert_eq!(response.status(), 200, "{secret}");
    }
    assert_eq!(shop.balance("acme").await.0, "525");
}

/// The local Stripe's objects have Stripe's form: its client library reads every field that it
/// needs.
#[tokio::test]
async fn stripes_client_library_reads_the_local_stripes_objects() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(100) }).await;
    shop.act(&session, Effect::Dispute).await;
    let base = shop.stripe.base().to_owned();
    let client = stripe_rust::ClientBuilder::new(local::stripe::KEY);
    let client = client.url(format!("{base}/_local/stripe/")).build().expect("a client");
    let sessions = stripe_checkout::checkout_session::ListCheckoutSession::new();
    let sessions = sessions.send(&client).await.expect("sessions");
    assert_eq!(sessions.data.len(), 1);
    assert_eq!(sessions.data[0].amount_total, Some(4900));
    let charges = stripe_core::charge::ListCharge::new().send(&client).await.expect("charges");
    assert_eq!(charges.data[0].amount_refunded, 100);
    let refunds = stripe_core::refund::ListRefund::new().send(&client).await.expect("refunds");
    assert_eq!(refunds.data[0].amount, 100);
    let disputes = stripe_core::dispute::ListDispute::new().send(&client).await;
    assert_eq!(disputes.expect("disputes").data[0].amount, 4800);
}
