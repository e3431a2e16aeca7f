//! The effects on subscriptions: which are possible, and the events of each.

use local::stripe::{Card, ChangeAt, Effect, LocalStripe, PriceId};
use serde_json::Value;

use super::{ACME, Local, clock, second, text};

fn price(id: &str) -> PriceId {
    PriceId::try_from(id.to_owned()).expect("a known price")
}

#[test]
fn a_paid_session_makes_a_customer_with_a_card_a_subscription_and_a_paid_invoice() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let form = format!(
        "mode=subscription&line_items[0][price]=price_local_team_seat&\
         line_items[0][quantity]=7&client_reference_id=acme&metadata[a]=b&{ACME}"
    );
    let session = local.session(&form);
    local.act(&session, Effect::Decline);
    assert_eq!(local.told(), [""; 0]);
    assert_eq!(local.stripe.subscription_of("acme"), None);
    local.act(&session, Effect::Pay);
    assert_eq!(
        local.told(),
        [
            "invoice.created draft",
            "customer.subscription.created incomplete",
            "invoice.finalized open",
            "payment_intent.succeeded succeeded",
            "charge.succeeded succeeded",
            "invoice.paid paid",
            "customer.subscription.updated active",
            "checkout.session.completed complete",
        ]
    );
    let session = local.get(&format!("checkout/sessions/{session}"));
    let subscription = local.subscription(&text(&session, "subscription"));
    assert_eq!(subscription["items"]["data"][0]["quantity"], 7);
    assert_eq!(subscription["metadata"]["scrip_account"], "acme");
    let path = format!("invoices/{}?expand[]=payments", text(&session, "invoice"));
    let invoice = local.get(&path);
    assert_eq!((&invoice["total"], &invoice["amount_paid"]), (&8400.into(), &8400.into()));
    let parent = &invoice["parent"]["subscription_details"];
    assert_eq!(parent["subscription"], subscription["id"]);
    assert_eq!(parent["metadata"]["scrip_account"], "acme");
    let payment = &invoice["payments"]["data"][0]["payment"];
    let intent = local.get(&format!("payment_intents/{}", text(payment, "payment_intent")));
    assert_eq!((&intent["status"], &intent["amount"]), (&"succeeded".into(), &8400.into()));
    let customer = local.get(&format!("customers/{}", text(&session, "customer")));
    let card = &customer["invoice_settings"]["default_payment_method"];
    assert_eq!(card, &subscription["default_payment_method"]);
    // Only asked for, the payments are shown.
    let plain = local.get(&format!("invoices/{}", text(&session, "invoice")));
    assert_eq!(plain["payments"], Value::Null);
}

#[test]
fn an_expired_session_leaves_nothing() {
    let local = Local::at("2026-01-31T14:23:00Z");
    for form in [
        format!("mode=subscription&line_items[0][price]=price_local_pro_month&{ACME}"),
        "mode=setup&currency=usd&customer_creation=always".to_owned(),
    ] {
        local.act(&local.session(&form), Effect::Expire);
        assert_eq!(local.told(), ["checkout.session.expired expired"]);
    }
    for list in ["customers", "subscriptions", "invoices", "payment_methods", "payment_intents"] {
        assert_eq!(local.stripe.objects(list), [] as [Value; 0], "{list}");
    }
}

#[test]
fn a_setup_session_saves_the_card_of_a_known_customer_or_of_a_new_one() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let known = text(&local.post("customers", "email=ada@example.com"), "id");
    for who in [format!("customer={known}"), "customer_creation=always".to_owned()] {
        let form = format!(
            "mode=setup&currency=eur&{who}&setup_intent_data[metadata][scrip_account]=acme"
        );
        let session = local.session(&form);
        local.act(&session, Effect::Pay);
        let told = ["setup_intent.succeeded succeeded", "checkout.session.completed complete"];
        assert_eq!(local.told(), told);
        let session = local.get(&format!("checkout/sessions/{session}"));
        assert_eq!(session["payment_status"], "no_payment_required");
        let setup = local.get(&format!("setup_intents/{}", text(&session, "setup_intent")));
        assert_eq!(setup["metadata"]["scrip_account"], "acme");
        assert_eq!(setup["customer"], session["customer"]);
        let customer = local.get(&format!("customers/{}", text(&session, "customer")));
        let card = &customer["invoice_settings"]["default_payment_method"];
        assert_eq!(card, &setup["payment_method"]);
        assert_eq!((customer["id"] == known), who.contains("cus_"), "{who}");
    }
}

#[test]
fn each_change_of_a_subscription_sends_its_events() {
    let starter = price("price_local_starter_month");
    let change = |at| Effect::Change { price: starter, at };
    let charged = |first: &str| {
        let rest = [
            "invoice.finalized open",
            "payment_intent.succeeded succeeded",
            "charge.succeeded succeeded",
            "invoice.paid paid",
        ];
        let all = ["invoice.created draft", first].into_iter().chain(rest);
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let updated = "customer.subscription.updated active";
    let one = |told: &str| vec![told.to_owned()];
    for (effect, told) in [
        (Effect::Cancel, one("customer.subscription.deleted canceled")),
        (Effect::CancelAtPeriodEnd, one(updated)),
        (Effect::Seats { quantity: 3 }, one(updated)),
        (change(ChangeAt::Now), one(updated)),
        (change(ChangeAt::NewPeriod), charged(updated)),
        (
            change(ChangeAt::PeriodEnd),
            vec!["subscription_schedule.created active".to_owned(), updated.to_owned()],
        ),
        (
            Effect::Pause,
            vec![
                "customer.subscription.paused paused".to_owned(),
                "customer.subscription.updated paused".to_owned(),
            ],
        ),
        (
            Effect::Refund { minor: Some(1000) },
            vec!["refund.created succeeded".to_owned(), "charge.refunded succeeded".to_owned()],
        ),
        (
            Effect::Dispute,
            vec![
                "charge.dispute.created needs_response".to_owned(),
                "charge.dispute.funds_withdrawn needs_response".to_owned(),
            ],
        ),
    ] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let id = local.subscribe("price_local_pro_month", "");
        assert!(
            local.stripe.possible(&id).contains(&effect) || effect == Effect::Seats { quantity: 3 }
        );
        local.act(&id, effect);
        assert_eq!(local.told(), told, "{effect:?}");
    }
}

#[test]
fn a_change_now_keeps_the_anchor_and_a_new_period_moves_it() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.set_clock("2026-02-10T10:00:00Z");
    let starter = price("price_local_starter_month");
    local.act(&id, Effect::Change { price: starter, at: ChangeAt::Now });
    let anchor = |id: &str| local.subscription(id)["billing_cycle_anchor"].take();
    assert_eq!(anchor(&id), second("2026-01-31T14:23:00Z"));
    let year = price("price_local_pro_year");
    assert!(local.stripe.act(&id, Effect::Change { price: year, at: ChangeAt::Now }).is_err());
    local.act(&id, Effect::Change { price: year, at: ChangeAt::NewPeriod });
    assert_eq!(anchor(&id), second("2026-02-10T10:00:00Z"));
    let end = local.subscription(&id)["items"]["data"][0]["current_period_end"].take();
    assert_eq!(end, second("2027-02-10T10:00:00Z"));
    let euros = price("price_local_pro_month_eur");
    assert!(
        local.stripe.act(&id, Effect::Change { price: euros, at: ChangeAt::NewPeriod }).is_err()
    );
}

#[test]
fn a_paused_subscription_makes_no_invoices_until_it_is_resumed() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.act(&id, Effect::Pause);
    local.told();
    local.set_clock("2026-04-10T10:00:00Z");
    assert_eq!(local.told(), [""; 0]);
    local.act(&id, Effect::Resume);
    assert_eq!(local.told()[0], "customer.subscription.resumed active");
    let start = local.subscription(&id)["items"]["data"][0]["current_period_start"].take();
    assert_eq!(start, second("2026-04-10T10:00:00Z"));
}

#[test]
fn a_trial_can_end_now() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "subscription_data[trial_period_days]=30");
    local.act(&id, Effect::EndTrial);
    assert_eq!(local.status(&id), "active");
    assert_eq!(local.stripe.objects("invoices")[1]["status"], "paid");
    assert!(local.stripe.act(&id, Effect::EndTrial).is_err());
}

#[test]
fn an_open_invoice_is_given_up_or_voided() {
    for (effect, told) in [
        (Effect::Uncollectible, "invoice.marked_uncollectible uncollectible"),
        (Effect::Void, "invoice.voided void"),
    ] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let id = local.subscribe("price_local_pro_month", "");
        local.act(&id, Effect::Card { card: Card::Declines });
        local.set_clock("2026-02-28T14:23:00Z");
        local.told();
        local.act(&id, effect);
        assert_eq!(local.told(), [told]);
        assert!(local.stripe.act(&id, Effect::Pay).is_err());
    }
}

#[test]
fn a_payment_that_takes_days_pays_its_invoice_when_it_arrives() {
    for (effect, status) in [(Effect::Arrive, "active"), (Effect::Fail, "past_due")] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let id = local.subscribe("price_local_pro_month", "");
        local.act(&id, Effect::Card { card: Card::TakesDays });
        local.set_clock("2026-02-28T14:23:00Z");
        assert_eq!(local.status(&id), "active");
        assert!(local.stripe.act(&id, Effect::Pay).is_err(), "the payment is in progress");
        local.act(&id, effect);
        assert_eq!(local.status(&id), status);
    }
}

#[test]
fn a_deleted_customer_has_no_subscription() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.stripe.forget_customers();
    assert_eq!(local.told(), ["customer.subscription.deleted canceled"]);
    assert_eq!(local.status(&id), "canceled");
    assert_eq!(local.get("subscriptions")["data"], Value::Array(Vec::new()));
    assert_eq!(local.get("subscriptions?status=all")["data"][0]["id"], id.as_str());
}

#[test]
fn a_copy_and_a_saved_state_go_on_without_each_other() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    let copy = local.stripe.copied(clock(&local.now_ms));
    copy.act(&id, Effect::Cancel).expect("it lives");
    assert_eq!(local.status(&id), "active");
    let file = std::env::temp_dir().join(format!("scrip-stripe-{}.json", std::process::id()));
    // As an earlier version saved it: customers by their ids, and no subscriptions.
    let saved = r#"{"named":1,"sessions":[],"intents":[],"charges":[],"refunds":[],"disputes":[],
        "customers":["cus_old"],"keys":[["a","cs_b"]],"waiting":[]}"#;
    std::fs::write(&file, saved).expect("it is written");
    let old = LocalStripe::kept_in(file.clone(), clock(&local.now_ms), "http://127.0.0.1:3000");
    let old = old.expect("it is read");
    assert_eq!(text(&old.objects("customers")[0], "object"), "customer");
    std::fs::remove_file(&file).expect("it was written");
}
