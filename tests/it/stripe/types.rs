//! The client library reads every object of the local Stripe by its own types.

use std::collections::BTreeMap;

use local::stripe::{Card, ChangeAt, Effect, PriceId};
use miniserde::Deserialize;
use serde_json::Value;
use stripe_shared as library;

use super::{Local, text};

fn reads<T: Deserialize>(object: &Value) -> bool {
    miniserde::json::from_str::<T>(&object.to_string()).is_ok()
}

/// Whether the library reads an object. None: the library's types here have none for it.
fn is_read(object: &Value) -> Option<bool> {
    Some(match object["object"].as_str()? {
        "charge" => reads::<library::Charge>(object),
        "checkout.session" => reads::<library::CheckoutSession>(object),
        "customer" => reads::<library::Customer>(object),
        "dispute" => reads::<library::Dispute>(object),
        "event" => reads::<library::Event>(object),
        "invoice" => reads::<library::Invoice>(object),
        "payment_intent" => reads::<library::PaymentIntent>(object),
        "payment_method" => reads::<library::PaymentMethod>(object),
        "price" => reads::<library::Price>(object),
        "refund" => reads::<library::Refund>(object),
        "setup_intent" => reads::<library::SetupIntent>(object),
        "subscription" => reads::<library::Subscription>(object),
        "subscription_schedule" => reads::<library::SubscriptionSchedule>(object),
        _ => return None,
    })
}

/// A year with every kind of object and event.
fn year() -> Local {
    let local = Local::at("2026-01-31T14:23:00Z");
    let taxed = "automatic_tax[enabled]=true&subscription_data[trial_period_days]=7";
    let id = local.subscribe("price_local_pro_month", taxed);
    let pack = "mode=payment&customer_creation=always&automatic_tax[enabled]=true&\
                line_items[0][price_data][unit_amount]=4900&\
                line_items[0][price_data][currency]=usd";
    let paid = local.session(pack);
    for effect in [Effect::Pay, Effect::Refund { minor: None }, Effect::FailRefund] {
        local.act(&paid, effect);
    }
    for effect in [Effect::Dispute, Effect::Win, Effect::Dispute, Effect::Lose] {
        local.act(&paid, effect);
    }
    let later = local.session(pack);
    local.act(&later, Effect::PayLater);
    local.act(&later, Effect::Arrive);
    local.act(&local.session(pack), Effect::Expire);
    local.act(&local.session("mode=setup&customer_creation=always"), Effect::Pay);
    local.act(&id, Effect::Seats { quantity: 3 });
    local.set_clock("2026-03-01T00:00:00Z");
    let price = PriceId::try_from("price_local_starter_month".to_owned()).expect("a price");
    local.act(&id, Effect::Change { price, at: ChangeAt::PeriodEnd });
    for card in [Card::Declines, Card::AsksCustomer, Card::Expired, Card::TakesDays] {
        local.act(&id, Effect::Card { card });
        local.set_clock(match card {
            Card::Declines => "2026-04-01T00:00:00Z",
            Card::AsksCustomer => "2026-05-01T00:00:00Z",
            Card::Expired => "2026-06-01T00:00:00Z",
            _ => "2026-06-08T00:00:00Z",
        });
    }
    local.act(&id, Effect::Arrive);
    local.act(&id, Effect::Void);
    local.act(&id, Effect::Uncollectible);
    local.act(&id, Effect::Pause);
    local.act(&id, Effect::Resume);
    local.act(&id, Effect::CancelAtPeriodEnd);
    local.set_clock("2026-12-01T00:00:00Z");
    local
}

#[test]
fn every_object_and_every_event_is_read_by_the_client_library() {
    let local = year();
    let mut seen = BTreeMap::new();
    let lists = [
        "checkout/sessions",
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "customers",
        "payment_methods",
        "setup_intents",
        "subscriptions",
        "subscription_schedules",
        "invoices",
    ];
    for list in lists {
        let objects = local.stripe.objects(list);
        assert!(!objects.is_empty(), "{list}");
        for object in objects {
            assert_eq!(is_read(&object), Some(true), "{object:#}");
        }
    }
    for event in local.events() {
        let object = &event["data"]["object"];
        assert_eq!(is_read(object), Some(true), "{} {object:#}", event["type"]);
        // The library here knows the event, but not the object in it by the event's type.
        assert_eq!(is_read(&event), Some(true), "{event:#}");
        *seen.entry(text(&event, "type")).or_insert(0) += 1;
    }
    for kind in [
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.voided",
        "payment_intent.processing",
        "setup_intent.succeeded",
        "subscription_schedule.created",
        "subscription_schedule.released",
        "subscription_schedule.updated",
    ] {
        assert!(seen.contains_key(kind), "{kind}: {seen:?}");
    }
    for subscription in local.stripe.objects("subscriptions") {
        let path = format!(
            "subscriptions/{}?expand[]=schedule&expand[]=latest_invoice.payments&expand[]=customer",
            text(&subscription, "id")
        );
        let expanded = local.get(&path);
        assert!(expanded["latest_invoice"]["payments"]["data"].is_array(), "{expanded:#}");
        assert_eq!(is_read(&expanded), Some(true), "{expanded:#}");
    }
    let price = local.get("prices/price_local_team_seat");
    assert_eq!(is_read(&price), Some(true), "{price:#}");
}
