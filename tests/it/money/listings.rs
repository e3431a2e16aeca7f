//! Listings of payments for operators: of one account, of all, by state, and one payment.

use local::stripe::Effect;
use serde_json::{Value, json};

use crate::support::request;
use crate::support::shop::Shop;

/// The payments on all pages of a listing.
async fn all(shop: &Shop, path: &str) -> Vec<Value> {
    let (mut payments, mut cursor) = (Vec::new(), None);
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let place = cursor.map_or(String::new(), |cursor| format!("{sign}cursor={cursor}"));
        let page = shop.stack.get(&format!("{path}{place}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        payments.extend(page.body["payments"].as_array().expect("payments").iter().cloned());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return payments,
        }
    }
}

fn orders(payments: &[Value]) -> Vec<&str> {
    payments.iter().map(|one| one["order"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn payments_of_every_state_are_listed_the_latest_first() {
    let shop = Shop::noon().await;
    for account in ["acme", "other"] {
        shop.stack.open(account, "pro").await;
    }
    let (paid, _) = shop.buy("acme", "paid", "starter").await;
    let (open, _) = shop.begin("other", "open", "starter").await;
    let (failed, session) = shop.begin("acme", "failed", "starter").await;
    shop.act(&session, Effect::PayLater).await;
    let listed = all(&shop, "/v1/payments").await;
    assert_eq!(orders(&listed), [&failed[..], &open, &paid]);
    let states: Vec<&Value> = listed.iter().map(|one| &one["state"]).collect();
    assert_eq!(states, [&json!("processing"), &json!("open"), &json!("credited")]);
    let of_acme = all(&shop, "/v1/accounts/acme/payments").await;
    assert_eq!(orders(&of_acme), [&failed[..], &paid]);
    assert_eq!(orders(&all(&shop, "/v1/payments?state=open").await), [&open[..]]);
    assert_eq!(orders(&all(&shop, "/v1/payments?state=credited").await), [&paid[..]]);
    assert_eq!(all(&shop, "/v1/payments?state=expired").await, Vec::<Value>::new());
    let (first, last) = (&listed[2], &listed[1]);
    assert_eq!((&first["account"], &first["user"]), (&json!("acme"), &json!("ada")));
    assert_eq!((&first["credited"], &first["price_minor"]), (&json!("500"), &json!(4900)));
    assert!(first["id"].as_str().expect("an id").starts_with("pi_"), "{first}");
    assert_eq!(last["id"], last["order"]);
    for id in [&first["id"], &first["order"]] {
        let path = format!("/v1/payments/{}", id.as_str().expect("an id"));
        assert_eq!(shop.stack.get(&path).await.body, *first);
    }
    let nobody = shop.stack.get("/v1/accounts/nobody/payments").await;
    assert_eq!((nobody.status, nobody.code()), (404, "account_not_found"));
    for id in ["pi_unknown", "evt_unknown", "01a20132-08af-7fb3-8350-6bdcd05e3b83"] {
        let missing = shop.stack.get(&format!("/v1/payments/{id}")).await;
        assert_eq!((missing.status, missing.code()), (404, "payment_not_found"), "{id}");
    }
}

#[tokio::test]
async fn a_listing_goes_on_where_it_stopped_beyond_a_month_and_a_hundred_orders() {
    let shop = Shop::at("2026-01-05T12:00:00Z").await;
    shop.stack.open("acme", "pro").await;
    let mut placed = Vec::new();
    for month in 2..=5 {
        for day in 1..=28 {
            shop.stack.set_clock(&format!("2026-{month:02}-{day:02}T12:00:00Z"));
            let ordered = shop.order("acme", &format!("{month} {day}"), "starter").await;
            assert_eq!(ordered.status, 201, "{ordered:?}");
            placed.insert(0, ordered.text("/id").to_owned());
        }
    }
    let placed: Vec<&str> = placed.iter().map(String::as_str).collect();
    for path in ["/v1/accounts/acme/payments", "/v1/payments", "/v1/payments?state=expired"] {
        let listed = all(&shop, path).await;
        let skipped = placed.len() - listed.len();
        // The latest order may be open still.
        assert!(skipped <= 1, "{path}: {skipped}");
        assert_eq!(orders(&listed), placed[skipped..], "{path}");
    }
    let next = shop.stack.get("/v1/payments").await.text("/next_cursor").to_owned();
    for path in ["/v1/accounts/acme/payments?", "/v1/payments?state=parked&"] {
        let refused = shop.stack.get(&format!("{path}cursor={next}")).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "cursor"), "{path}");
    }
}

/// A cursor's seal has no secret: a caller can make one. These are sealed rightly.
#[tokio::test]
async fn a_cursor_to_a_place_that_no_payment_can_have_is_refused() {
    let shop = Shop::noon().await;
    for (place, cursor, status) in [
        ("1970", "000000000000000070695f31c8fe29dd3ca06567", 200),
        ("before 1970", "ffffffffffffffff70695f319d259fb7241ed587", 400),
        ("after 9999", "00038d7ea4c6800070695f316430909ab1e5af45", 400),
        ("no id", "0000000000000000f54ccaf6f77f1b57", 400),
    ] {
        let answer = shop.stack.get(&format!("/v1/payments?cursor={cursor}")).await;
        assert_eq!(answer.status, status, "{place}: {answer:?}");
    }
}

#[tokio::test]
async fn a_parked_payment_shows_its_problem_and_then_its_decision() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    for event in shop.stripe.take_events() {
        let event = event.replace("4900", "4800");
        assert_eq!(shop.take_notice(&event).await.status, 200);
    }
    assert_eq!(shop.take_notice(r#"{"id":"evt_1","object":"event"}"#).await.status, 200);
    let parked = all(&shop, "/v1/payments?state=parked").await;
    let [payment, event] = &parked[..] else { panic!("two wait: {parked:?}") };
    assert_eq!((&payment["order"], &payment["state"]), (&json!(order), &json!("parked")));
    assert!(payment["problem"].as_str().expect("a problem").starts_with("amount"), "{payment}");
    assert_eq!((&event["id"], &event["state"]), (&json!("evt_1"), &json!("parked")));
    let id = payment["id"].as_str().expect("an id");
    for (id, verb, body) in [
        (id, "release", r#"{"reason":"a discount","message":"Thank you"}"#),
        ("evt_1", "dismiss", r#"{"reason":"not ours"}"#),
    ] {
        let decide = request("POST", &format!("/v1/payments/{id}/{verb}"), None, body);
        assert_eq!(shop.stack.send(decide).await.status, 200, "{id}");
    }
    assert_eq!(all(&shop, "/v1/payments?state=parked").await, Vec::<Value>::new());
    let shown = shop.stack.get(&format!("/v1/payments/{id}")).await.body;
    assert_eq!((&shown["state"], &shown["problem"]), (&json!("credited"), &Value::Null));
    assert_eq!(shown["decided"]["verdict"], "released");
    assert_eq!(shown["decided"]["reason"], "a discount");
    assert_eq!(shown["decided"]["message"], "Thank you");
    let event = shop.stack.get("/v1/payments/evt_1").await.body;
    assert_eq!(
        (&event["state"], &event["decided"]["reason"]),
        (&json!("dismissed"), &json!("not ours"))
    );
}

/// The order names the payment that was made first, so the second one has a place of its own.
#[tokio::test]
async fn a_second_payment_of_an_order_is_listed_as_well() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    let events = shop.stripe.take_events();
    let first = events.iter().find_map(|event| {
        let at = event.find("\"pi_")? + 1;
        event[at..].split('"').next().map(str::to_owned)
    });
    let first = first.expect("a payment");
    for intent in [&first, "pi_second"] {
        for event in &events {
            assert_eq!(shop.take_notice(&event.replace(&first, intent)).await.status, 200);
        }
    }
    for path in ["/v1/payments", "/v1/accounts/acme/payments"] {
        let listed = all(&shop, path).await;
        assert_eq!(orders(&listed), [&order[..], &order]);
        let of = |place: usize| (listed[place]["id"].as_str(), listed[place]["state"].as_str());
        assert_eq!(of(0), (Some("pi_second"), Some("parked")), "{path}");
        assert_eq!(of(1), (Some(&*first), Some("credited")), "{path}");
    }
}
