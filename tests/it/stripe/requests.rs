//! Requests of the client: off-session payments, idempotency keys, refusals and lists.

use local::stripe::{Card, Effect};
use serde_json::{Value, json};

use super::{Local, text};

/// A customer with a saved card, and the form that charges it.
fn charge(local: &Local) -> (String, String) {
    let session = local.session("mode=setup&currency=usd&customer_creation=always");
    local.act(&session, Effect::Pay);
    local.told();
    let customer = text(&local.get(&format!("checkout/sessions/{session}")), "customer");
    let known = local.get(&format!("customers/{customer}"));
    let card = text(&known["invoice_settings"], "default_payment_method");
    let form = format!(
        "amount=4900&currency=usd&customer={customer}&payment_method={card}&off_session=true&\
         confirm=true&metadata[scrip_order]=o1&metadata[scrip_account]=acme"
    );
    (customer, form)
}

#[test]
fn a_saved_card_is_charged_while_the_customer_is_away() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let (_, form) = charge(&local);
    let intent = local.post("payment_intents", &form);
    assert_eq!(text(&intent, "status"), "succeeded");
    assert_eq!(intent["metadata"], json!({ "scrip_order": "o1", "scrip_account": "acme" }));
    let told = ["payment_intent.succeeded succeeded", "charge.succeeded succeeded"];
    assert_eq!(local.told(), told);
    let id = text(&intent, "id");
    assert_eq!(local.get(&format!("payment_intents/{id}")), intent);
    let expanded = local.get(&format!("payment_intents/{id}?expand[]=latest_charge"));
    assert_eq!(expanded["latest_charge"]["metadata"]["scrip_order"], "o1");
    local.act(&id, Effect::Refund { minor: None });
    assert_eq!(local.told().len(), 2);
    let (status, refused) = local.send("POST", &format!("payment_intents/{id}/cancel"), None, "");
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &"payment_intent_unexpected_state".into())
    );
}

#[test]
fn a_card_that_is_not_charged_answers_402_with_the_payment() {
    for (card, code) in [
        (Card::Declines, "card_declined"),
        (Card::Expired, "expired_card"),
        (Card::AsksCustomer, "authentication_required"),
    ] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let (customer, form) = charge(&local);
        local.act(&customer, Effect::Card { card });
        let (status, refused) = local.send("POST", "payment_intents", Some("k"), &form);
        assert_eq!((status, text(&refused["error"], "code")), (402, code.to_owned()));
        assert_eq!(refused["error"]["type"], "card_error");
        assert_eq!(local.told(), ["payment_intent.payment_failed requires_payment_method"]);
        // The same key: the same answer, and no second attempt.
        assert_eq!(local.send("POST", "payment_intents", Some("k"), &form), (402, refused.clone()));
        assert_eq!(local.told(), [""; 0]);
        let id = text(&refused["error"]["payment_intent"], "id");
        let found = local.get(&format!("payment_intents/{id}"));
        assert_eq!(found["last_payment_error"]["code"], code);
        if card == Card::AsksCustomer {
            local.act(&id, Effect::Pay);
            assert_eq!(local.told()[0], "payment_intent.succeeded succeeded");
        } else {
            let canceled = local.post(&format!("payment_intents/{id}/cancel"), "");
            assert_eq!(canceled["status"], "canceled");
            assert_eq!(local.told(), ["payment_intent.canceled canceled"]);
        }
    }
}

#[test]
fn a_charge_that_takes_days_arrives_or_fails() {
    for (effect, told) in [
        (Effect::Arrive, "payment_intent.succeeded succeeded"),
        (Effect::Fail, "payment_intent.payment_failed requires_payment_method"),
    ] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let (customer, form) = charge(&local);
        local.act(&customer, Effect::Card { card: Card::TakesDays });
        let intent = local.post("payment_intents", &form);
        assert_eq!(text(&intent, "status"), "processing");
        assert_eq!(local.told(), ["payment_intent.processing processing"]);
        local.act(&text(&intent, "id"), effect);
        assert_eq!(local.told()[0], told);
    }
}

#[test]
fn a_lost_reply_is_given_to_the_same_key_and_nothing_is_charged_twice() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let (_, form) = charge(&local);
    local.stripe.lose_next_reply();
    let (status, _) = local.send("POST", "payment_intents", Some("k"), &form);
    assert_eq!(status, 500);
    let (status, found) = local.send("POST", "payment_intents", Some("k"), &form);
    assert_eq!((status, text(&found, "status")), (200, "succeeded".to_owned()));
    assert_eq!(local.stripe.objects("charges").len(), 1);
}

#[test]
fn a_key_with_other_parameters_or_for_another_request_is_refused() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let (_, form) = charge(&local);
    assert_eq!(local.send("POST", "payment_intents", Some("k"), &form).0, 200);
    for (path, form) in [
        ("payment_intents", form.replace("4900", "4800")),
        ("customers", form.clone()),
        ("payment_intents", form.replace("o1", "o2")),
    ] {
        let (status, refused) = local.send("POST", path, Some("k"), &form);
        assert_eq!((status, &refused["error"]["type"]), (400, &"idempotency_error".into()));
    }
    assert_eq!(local.send("POST", "payment_intents", Some("other"), &form).0, 200);
    assert_eq!(local.stripe.objects("payment_intents").len(), 2);
}

#[test]
fn a_request_that_names_nothing_known_is_refused_as_stripe_does() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let (customer, form) = charge(&local);
    let other = text(&local.post("customers", ""), "id");
    let session = "checkout/sessions";
    let price = "mode=subscription&line_items[0][price]=price_unknown";
    let known = "mode=subscription&line_items[0][price]=price_local_pro_month";
    for (path, form, code) in [
        (session, price.to_owned(), Some("resource_missing")),
        (session, format!("{known}&customer=cus_unknown"), Some("resource_missing")),
        (session, format!("{known}&line_items[0][quantity]=0"), None),
        (session, format!("{known}&subscription_data[trial_period_days]=731"), None),
        (session, "mode=subscription".to_owned(), None),
        (session, "mode=other".to_owned(), None),
        ("payment_intents", form.replace("4900", "10"), None),
        ("payment_intents", form.replace(&customer, "cus_unknown"), Some("resource_missing")),
        ("payment_intents", form.replace(&customer, &other), None),
        ("payment_intents", form.replace("off_session=true", ""), None),
        (
            "billing_portal/sessions",
            "return_url=https://a.example".to_owned(),
            Some("parameter_missing"),
        ),
        ("billing_portal/sessions", "customer=cus_unknown".to_owned(), Some("resource_missing")),
    ] {
        let (status, refused) = local.send("POST", path, None, &form);
        assert_eq!(status, 400, "{form}: {refused}");
        assert_eq!(refused["error"]["code"].as_str(), code, "{form}: {refused}");
    }
    for path in ["prices/price_unknown", "subscriptions/sub_unknown", "invoices/in_unknown"] {
        let (status, refused) = local.send("GET", path, None, "");
        assert_eq!(
            (status, &refused["error"]["code"]),
            (404, &"resource_missing".into()),
            "{path}"
        );
    }
    assert_eq!(local.get("prices/price_local_pro_year")["unit_amount"], 49_000);
}

#[test]
fn a_list_of_subscriptions_has_the_status_the_customer_and_the_objects_asked_for() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let first = local.subscribe("price_local_pro_month", "");
    local.act(&first, Effect::Cancel);
    let second = local.subscribe("price_local_starter_month", "");
    let ids = |query: &str| -> Vec<Value> {
        let list = local.get(&format!("subscriptions{query}"));
        let data = list["data"].as_array().expect("a list").iter();
        data.map(|subscription| subscription["id"].clone()).collect()
    };
    assert_eq!(ids(""), [json!(second)]);
    assert_eq!(ids("?status=all"), [json!(second), json!(first)]);
    assert_eq!(ids("?status=canceled"), [json!(first)]);
    let customer = text(&local.subscription(&first), "customer");
    assert_eq!(ids(&format!("?status=all&customer={customer}")), [json!(first)]);
    let list = local.get("subscriptions?expand[]=data.latest_invoice.payments");
    let invoice = &list["data"][0]["latest_invoice"];
    assert_eq!(invoice["payments"]["data"][0]["status"], "paid");
    let invoices = local.get(&format!("invoices?subscription={second}"));
    assert_eq!(invoices["data"].as_array().map(Vec::len), Some(1));
}
