//! The time that passes: periods, trials and scheduled changes.

use local::stripe::{Card, ChangeAt, Effect, PriceId, WithoutCard};
use serde_json::Value;

use super::{Local, second, text};

fn price(id: &str) -> PriceId {
    PriceId::try_from(id.to_owned()).expect("a known price")
}

fn period(subscription: &Value) -> (i64, i64) {
    let item = &subscription["items"]["data"][0];
    let of = |field: &str| item[field].as_i64().expect("a time");
    (of("current_period_start"), of("current_period_end"))
}

#[test]
fn a_subscription_bought_on_the_31st_renews_on_the_last_day_of_shorter_months() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    let days = [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
        "2026-06-30",
        "2026-07-31",
        "2026-08-31",
        "2026-09-30",
        "2026-10-31",
        "2026-11-30",
        "2026-12-31",
        "2027-01-31",
        "2027-02-28",
    ];
    let starts = days.map(|day| second(&format!("{day}T14:23:00Z")));
    for (number, ends) in starts.windows(2).enumerate() {
        let before = period(&local.subscription(&id));
        assert_eq!(before, (ends[0], ends[1]), "period {number}");
        local.set_clock(&format!("{}T14:23:00Z", days[number + 1]));
        let renewed = [
            "invoice.created draft",
            "customer.subscription.updated active",
            "invoice.finalized open",
            "payment_intent.succeeded succeeded",
            "charge.succeeded succeeded",
            "invoice.paid paid",
        ];
        assert_eq!(local.told(), renewed, "period {number}");
    }
    let invoices = local.stripe.objects("invoices");
    let created: Vec<i64> =
        invoices.iter().map(|invoice| invoice["created"].as_i64().expect("a time")).collect();
    assert_eq!(created, starts);
}

#[test]
fn renewals_that_were_missed_are_made_in_the_order_of_their_times() {
    let local = Local::at("2026-01-10T08:00:00Z");
    local.subscribe("price_local_pro_month", "");
    local.set_clock("2026-01-20T08:00:00Z");
    local.subscribe("price_local_starter_month", "");
    local.set_clock("2026-03-15T08:00:00Z");
    let paid = |event: &Value| event["type"] == "invoice.paid";
    let events: Vec<Value> = local.events().into_iter().filter(paid).collect();
    let told: Vec<(i64, i64)> = events
        .iter()
        .map(|event| {
            let total = event["data"]["object"]["total"].as_i64().expect("a total");
            (event["created"].as_i64().expect("a time"), total)
        })
        .collect();
    let at = |day: &str| second(&format!("2026-{day}T08:00:00Z"));
    assert_eq!(told, [(at("02-10"), 4900), (at("02-20"), 1900), (at("03-10"), 4900)]);
    assert_eq!(local.told(), [""; 0]);
}

#[test]
fn a_year_and_a_week_renew_by_their_own_length() {
    let local = Local::at("2028-02-29T10:00:00Z");
    let year = local.subscribe("price_local_pro_year", "");
    let at = |time: &str| second(time);
    let first = (at("2028-02-29T10:00:00Z"), at("2029-02-28T10:00:00Z"));
    assert_eq!(period(&local.subscription(&year)), first);
    let week = "mode=subscription&line_items[0][price_data][unit_amount]=900&\
                line_items[0][price_data][currency]=usd&\
                line_items[0][price_data][product_data][name]=500 credits&\
                line_items[0][price_data][recurring][interval]=week&\
                subscription_data[metadata][scrip_account]=weekly";
    local.act(&local.session(week), Effect::Pay);
    let week = local.stripe.subscription_of("weekly").expect("a subscription");
    local.set_clock("2028-03-07T10:00:00Z");
    let second_week = (at("2028-03-07T10:00:00Z"), at("2028-03-14T10:00:00Z"));
    assert_eq!(period(&local.subscription(&week)), second_week);
    let price = local.subscription(&week)["items"]["data"][0]["price"].take();
    assert_eq!(local.get(&format!("prices/{}", text(&price, "id"))), price);
}

#[test]
fn a_trial_ends_in_a_paid_period_that_is_announced_three_days_before() {
    let local = Local::at("2026-05-01T09:00:00Z");
    let form = "subscription_data[trial_period_days]=14";
    let id = local.subscribe("price_local_pro_month", form);
    let trial = local.subscription(&id);
    assert_eq!(text(&trial, "status"), "trialing");
    assert_eq!(trial["trial_end"], second("2026-05-15T09:00:00Z"));
    assert_eq!(local.stripe.objects("invoices")[0]["total"], 0);
    assert_eq!(local.stripe.objects("charges"), [] as [Value; 0]);
    local.set_clock("2026-05-12T09:00:00Z");
    assert_eq!(local.told(), ["customer.subscription.trial_will_end trialing"]);
    local.set_clock("2026-05-15T09:00:00Z");
    assert!(local.told().contains(&"invoice.paid paid".to_owned()));
    let paid = local.subscription(&id);
    assert_eq!(text(&paid, "status"), "active");
    let month = (second("2026-05-15T09:00:00Z"), second("2026-06-15T09:00:00Z"));
    assert_eq!(period(&paid), month);
}

#[test]
fn a_trial_without_a_card_ends_as_its_subscription_says() {
    for (then, status) in [
        (WithoutCard::Cancel, "canceled"),
        (WithoutCard::Pause, "paused"),
        (WithoutCard::CreateInvoice, "past_due"),
    ] {
        let local = Local::at("2026-05-01T09:00:00Z");
        let form = "subscription_data[trial_period_days]=7&\
                    subscription_data[trial_settings][end_behavior][missing_payment_method]=cancel";
        let id = local.subscribe("price_local_pro_month", form);
        if then != WithoutCard::Cancel {
            local.act(&id, Effect::WithoutCard { then });
        }
        local.act(&id, Effect::Card { card: Card::Removed });
        local.set_clock("2026-05-08T09:00:00Z");
        assert_eq!(local.status(&id), status);
    }
}

#[test]
fn a_failed_renewal_is_past_due_until_its_invoice_is_paid() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.act(&id, Effect::Card { card: Card::Declines });
    local.set_clock("2026-02-28T14:23:00Z");
    assert_eq!(
        local.told(),
        [
            "invoice.created draft",
            "customer.subscription.updated active",
            "invoice.finalized open",
            "payment_intent.payment_failed requires_payment_method",
            "invoice.payment_failed open",
            "customer.subscription.updated past_due",
        ]
    );
    local.act(&id, Effect::Pay);
    assert_eq!(
        local.told(),
        [
            "payment_intent.succeeded succeeded",
            "charge.succeeded succeeded",
            "invoice.paid paid",
            "customer.subscription.updated active",
        ]
    );
    local.set_clock("2026-03-31T14:23:00Z");
    assert_eq!(local.status(&id), "active");
}

#[test]
fn an_unpaid_subscription_gets_drafts_only_until_one_is_paid() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.act(&id, Effect::Card { card: Card::Expired });
    local.set_clock("2026-02-28T14:23:00Z");
    local.act(&id, Effect::Unpaid);
    local.told();
    local.set_clock("2026-03-31T14:23:00Z");
    assert_eq!(local.told(), ["invoice.created draft", "customer.subscription.updated unpaid"]);
    local.act(&id, Effect::Pay);
    assert_eq!(local.status(&id), "active");
}

#[test]
fn a_subscription_canceled_at_the_end_of_its_period_ends_there() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    local.act(&id, Effect::CancelAtPeriodEnd);
    assert_eq!(local.subscription(&id)["cancel_at"], second("2026-02-28T14:23:00Z"));
    local.set_clock("2026-02-28T14:22:59Z");
    assert_eq!(local.told(), ["customer.subscription.updated active"]);
    local.set_clock("2026-02-28T14:23:00Z");
    assert_eq!(local.told(), ["customer.subscription.deleted canceled"]);
    local.set_clock("2026-12-31T00:00:00Z");
    assert_eq!(local.told(), [""; 0]);
}

#[test]
fn a_scheduled_change_sets_the_price_at_the_end_of_the_period() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    let to = price("price_local_starter_month");
    local.act(&id, Effect::Change { price: to, at: ChangeAt::PeriodEnd });
    let with_schedule = local.get(&format!("subscriptions/{id}?expand[]=schedule"));
    let phases = &with_schedule["schedule"]["phases"];
    assert_eq!(phases[1]["items"][0]["price"], to.as_str());
    assert_eq!(phases[1]["start_date"], second("2026-02-28T14:23:00Z"));
    let current = |id: &str| local.subscription(id)["items"]["data"][0]["price"]["id"].take();
    assert_eq!(current(&id), "price_local_pro_month");
    local.set_clock("2026-02-28T14:23:00Z");
    assert_eq!(current(&id), to.as_str());
    let last = local.stripe.objects("invoices").pop().expect("an invoice");
    assert_eq!((&last["total"], &last["status"]), (&1900.into(), &"paid".into()));
    local.set_clock("2026-04-30T14:23:00Z");
    assert_eq!(local.subscription(&id)["schedule"], Value::Null);
}

#[test]
fn a_scheduled_change_that_is_taken_back_does_not_happen() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "");
    let to = price("price_local_pro_year");
    local.act(&id, Effect::Change { price: to, at: ChangeAt::PeriodEnd });
    local.act(&id, Effect::KeepPrice);
    local.set_clock("2026-02-28T14:23:00Z");
    let price = local.subscription(&id)["items"]["data"][0]["price"]["id"].take();
    assert_eq!(price, "price_local_pro_month");
}
