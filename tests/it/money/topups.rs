//! Top-up plans: each paid invoice is a payment of a pack, once, whatever its events do.

use cli::publish;
use local::stripe::{self, Card, Effect, KEY};
use reconcile::ReconcileReport;
use serde_json::{Value, json};
use shared::decide::{payment, topup};
use shared::domain::catalog::Catalog;
use shared::stripe::topup::paid_invoice;

use crate::support::catalogs::in_folder;
use crate::support::shop::Shop;
use crate::support::{Answer, request};

const PLANS: &str = "/v1/me/topup-plans";
const MONTHLY: &str = r#"{"topup":"monthly_500"}"#;

/// A shop at noon with the account acme, which has 25 credits each week.
async fn shop() -> Shop {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop
}

async fn begin(shop: &Shop, key: &str, body: &str) -> Answer {
    let token = shop.token("acme", r#""view","buy""#).await;
    shop.ask(&token, "POST", PLANS, Some(key), body).await
}

/// Begins the monthly top-up plan and pays. No event is delivered. Returns the subscription's id.
async fn paid(shop: &Shop) -> String {
    let begun = begin(shop, "begin", MONTHLY).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
    shop.stripe.subscription_of("acme").expect("a subscription")
}

/// The top-up plans that run: name, status and end.
async fn running(shop: &Shop) -> Vec<(String, String, bool)> {
    let token = shop.token("acme", r#""view""#).await;
    let listed = shop.ask(&token, "GET", PLANS, None, "").await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let running = listed.body["running"].as_array().expect("a list").iter();
    let told = |one: &Value| (text(&one["topup"]), text(&one["status"]), one["ends_at"].is_null());
    running.map(told).collect()
}

async fn available(shop: &Shop) -> String {
    shop.balance("acme").await.0
}

/// The clock goes on, and Stripe renews what is due.
fn pass(shop: &Shop, now: &str) {
    shop.stack.set_clock(now);
    shop.stripe.pass();
}

async fn deliver(shop: &Shop, events: &[String]) {
    for event in events {
        let answer = shop.take_notice(event).await;
        assert_eq!(answer.status, 200, "{answer:?} to {event}");
    }
}

async fn reconcile(shop: &Shop) -> ReconcileReport {
    let functions = &shop.stack.functions;
    let run = reconcile::run(functions.context(), functions.stripe(), |_| true);
    run.await.expect("reconciled")
}

/// The payment of the invoice with this number, from 0 on.
fn intent(shop: &Shop, number: usize) -> String {
    shop.stripe.objects("payment_intents")[number]["id"].as_str().expect("an id").to_owned()
}

/// The built-in catalog with some of its text changed, as the next version.
async fn publish(shop: &Shop, version: u32, from: &str, to: &str) {
    let text = Catalog::DEFAULT.replace("version = 1\n", &format!("version = {version}\n"));
    assert!(text.contains(from), "{from}");
    let name = format!("topups-{version}-{}", shop.stripe.base().replace(['/', ':'], "-"));
    let file = in_folder(&name, text.replace(from, to));
    publish::publish(shop.stack.context(), file.path()).await.expect("published");
}

#[tokio::test]
async fn three_months_are_credited_once_each_in_any_order_and_a_refund_takes_its_own_back() {
    for order in 0..6 {
        let shop = shop().await;
        paid(&shop).await;
        pass(&shop, "2026-12-18T12:30:00Z");
        pass(&shop, "2027-01-18T12:30:00Z");
        let second = intent(&shop, 1);
        shop.stripe.act(&second, Effect::Refund { minor: Some(2250) }).expect("refunded");
        let mut events = shop.stripe.take_events();
        let count = events.len();
        match order {
            0 => {}
            1 => events.reverse(),
            other => events.rotate_left(count * (other - 1) / 5),
        }
        deliver(&shop, &events).await;
        events.rotate_left(count / 2);
        deliver(&shop, &events).await;
        assert_eq!(shop.balance("acme").await, ("1275".to_owned(), "0".to_owned()), "{order}");
        let payments = shop.stack.get("/v1/accounts/acme/payments").await;
        let payments = payments.body["payments"].as_array().expect("a list").clone();
        let told = payments.iter().map(|one| (&one["state"], &one["pack"], &one["credited"]));
        let one = |credited: &str| (json!("credited"), json!("monthly_500"), json!(credited));
        let told: Vec<_> = told.map(|(a, b, c)| (a.clone(), b.clone(), c.clone())).collect();
        assert_eq!(told, [one("500"), one("250"), one("500")], "{order}");
        assert_eq!(running(&shop).await, [("monthly_500".into(), "active".into(), true)]);
    }
}

#[tokio::test]
async fn a_topup_plan_is_begun_once_and_by_a_session_that_may_buy() {
    let shop = shop().await;
    let begun = begin(&shop, "one", MONTHLY).await;
    assert_eq!((begun.status, begun.text("/topup")), (201, "monthly_500"));
    let again = begin(&shop, "one", MONTHLY).await;
    assert_eq!(again.body, begun.body, "the same key leads to the same page");
    let unknown = begin(&shop, "two", r#"{"topup":"monthly_50"}"#).await;
    assert_eq!((unknown.status, unknown.code()), (422, "unknown_topup"));
    assert_eq!(unknown.text("/did_you_mean"), "monthly_500");
    let nothing = begin(&shop, "three", "{}").await;
    assert_eq!((nothing.status, nothing.code()), (400, "invalid_request"));
    let token = shop.token("acme", r#""view""#).await;
    let viewer = shop.ask(&token, "POST", PLANS, Some("four"), MONTHLY).await;
    assert_eq!((viewer.status, viewer.code()), (403, "scope_required"));
    paid(&shop).await;
    shop.stripe.deliver(&shop.stack.functions).await;
    let twice = begin(&shop, "five", MONTHLY).await;
    assert_eq!((twice.status, twice.code()), (409, "topup_running"));
    // It is no plan, and does not change the account's.
    assert_eq!(shop.stack.balance("acme").await.text("/plan"), "free");
}

#[tokio::test]
async fn a_renewal_that_is_not_paid_brings_nothing_until_it_is() {
    let shop = shop().await;
    let subscription = paid(&shop).await;
    shop.stripe.act(&subscription, Effect::Card { card: Card::Declines }).expect("another card");
    pass(&shop, "2026-12-18T12:30:00Z");
    shop.stripe.deliver(&shop.stack.functions).await;
    assert_eq!(available(&shop).await, "525");
    assert_eq!(running(&shop).await, [("monthly_500".into(), "past_due".into(), true)]);
    shop.stripe.act(&subscription, Effect::Card { card: Card::Works }).expect("another card");
    let _ = shop.stripe.act(&subscription, Effect::Pay);
    shop.stripe.deliver(&shop.stack.functions).await;
    assert_eq!(available(&shop).await, "1025");
}

#[tokio::test]
async fn the_end_of_a_topup_plan_takes_nothing_back_and_it_can_be_begun_again() {
    let shop = shop().await;
    let subscription = paid(&shop).await;
    shop.stripe.act(&subscription, Effect::CancelAtPeriodEnd).expect("canceled");
    shop.stripe.deliver(&shop.stack.functions).await;
    assert_eq!(running(&shop).await, [("monthly_500".into(), "active".into(), false)]);
    pass(&shop, "2026-12-18T12:30:00Z");
    shop.stripe.deliver(&shop.stack.functions).await;
    assert_eq!((available(&shop).await.as_str(), running(&shop).await.len()), ("525", 0));
    assert_eq!(begin(&shop, "again", MONTHLY).await.status, 201);
}

#[tokio::test]
async fn an_order_without_its_payment_is_finished_by_the_next_event() {
    let shop = shop().await;
    paid(&shop).await;
    let events = shop.stripe.take_events();
    // The order was written, and the function stopped.
    let id = shop.stripe.objects("invoices")[0]["id"].as_str().expect("an id").parse();
    let (context, stripe) = (shop.stack.context(), shop.stack.functions.stripe());
    let id = id.expect("an invoice");
    let object = stripe.invoice(&id, context.clock.now()).await.expect("asked").expect("there");
    let invoice = paid_invoice(&object).expect("read").expect("paid");
    let account = "acme".parse().expect("an account");
    let order = topup::order(&invoice, account, &*context.catalog().await).expect("offered");
    let orders = context.store.orders(&order.account).await.expect("read");
    context.store.commit(&payment::list(order, &orders)).await.expect("written");
    assert_eq!(shop.state("acme", &invoice.order().to_string()).await.0, "processing");
    deliver(&shop, &events).await;
    assert_eq!(available(&shop).await, "525");
    assert_eq!(shop.state("acme", &invoice.order().to_string()).await.0, "credited");
}

#[tokio::test]
async fn invoices_of_a_dead_webhook_are_credited_by_their_events_and_by_the_daily_look() {
    let shop = shop().await;
    reconcile(&shop).await;
    paid(&shop).await;
    shop.stripe.take_events();
    pass(&shop, "2026-11-18T13:00:00Z");
    let report = reconcile(&shop).await;
    assert_eq!((report.found.len(), available(&shop).await), (1, "525".to_owned()), "{report:?}");
    // A renewal of which no event came: all invoices are listed.
    pass(&shop, "2026-12-18T12:30:00Z");
    shop.stripe.take_events();
    let functions = &shop.stack.functions;
    let compared = reconcile::compare(functions.context(), functions.stripe()).await;
    let compared = compared.expect("compared");
    assert_eq!((compared.found.len(), available(&shop).await), (1, "1025".to_owned()));
    let again = reconcile::compare(functions.context(), functions.stripe()).await;
    assert!(again.expect("compared").found.is_empty());
}

#[tokio::test]
async fn an_account_with_a_topup_plan_subscribes_to_a_plan_beside_it() {
    let shop = shop().await;
    paid(&shop).await;
    shop.stripe.deliver(&shop.stack.functions).await;
    let token = shop.token("acme", r#""view","buy""#).await;
    let path = "/v1/me/subscriptions";
    let shown = shop.ask(&token, "GET", path, None, "").await;
    assert_eq!((&shown.body["subscription"], &shown.body["portal"]), (&Value::Null, &json!(true)));
    let begun = shop.ask(&token, "POST", path, Some("plan"), r#"{"plan":"pro"}"#).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.act(&session, Effect::Pay).await;
    let shown = shop.ask(&token, "GET", path, None, "").await;
    assert_eq!((shown.text("/plan"), shown.text("/subscription/status")), ("pro", "active"));
    assert_eq!(running(&shop).await.len(), 1);
}

#[tokio::test]
async fn an_invoice_has_the_terms_by_which_its_plan_was_begun_whatever_the_catalog_says() {
    let topup = "[topups.monthly_500]\ncredits = \"500\"\nprice_minor = 4500";
    let dearer = "[topups.monthly_500]\ncredits = \"400\"\nprice_minor = 4600";
    for (from, to) in [(topup, dearer), ("[topups.monthly_500]", "[topups.monthly]")] {
        let shop = shop().await;
        paid(&shop).await;
        publish(&shop, 2, from, to).await;
        shop.stack.set_clock("2026-11-18T12:30:00Z");
        shop.stripe.deliver(&shop.stack.functions).await;
        assert_eq!(available(&shop).await, "525", "{to}");
        let parked = shop.stack.get("/v1/payments?state=parked").await;
        assert_eq!(parked.body["payments"], json!([]), "{to}");
    }
}

/// 45.00 with the tax of Germany: 19 percent, on top or contained. 10.00 of what was paid went back.
#[tokio::test]
async fn an_invoice_with_tax_is_credited_by_its_price_and_refunded_by_all_that_was_paid() {
    let taxes = [("exclusive", 5355, 855, "931.629318"), ("inclusive", 4500, 718, "913.888888")];
    for (behavior, paid_minor, tax_minor, left) in taxes {
        let shop = shop().await;
        let tax = format!("version = 2\ntax = {{ automatic = true, behavior = \"{behavior}\" }}\n");
        publish(&shop, 2, "version = 2\n", &tax).await;
        shop.stack.set_clock("2026-11-18T12:30:00Z");
        paid(&shop).await;
        pass(&shop, "2026-12-18T13:30:00Z");
        shop.stripe.deliver(&shop.stack.functions).await;
        assert_eq!(available(&shop).await, "1025", "{behavior}");
        let refund = Effect::Refund { minor: Some(1000) };
        shop.stripe.act(&intent(&shop, 0), refund).expect("refunded");
        shop.stripe.deliver(&shop.stack.functions).await;
        assert_eq!(available(&shop).await, left, "{behavior}");
        let payments = shop.stack.get("/v1/accounts/acme/payments").await;
        let first = &payments.body["payments"][1];
        let told = ["state", "price_minor", "paid_minor", "tax_minor"].map(|name| &first[name]);
        let due = [json!("credited"), json!(4500), json!(paid_minor), json!(tax_minor)];
        assert_eq!(told, due.each_ref(), "{payments:?}");
    }
}

/// A subscription of the seller's own making names account and plan, and no catalog.
#[tokio::test]
async fn an_invoice_without_a_catalog_that_the_catalog_does_not_fit_waits_and_can_be_released() {
    let shop = shop().await;
    let begun = |topup: &str, minor: u32| {
        let form = format!(
            "mode=subscription&client_reference_id=acme&success_url=https%3A%2F%2Fa.example\
             &line_items[0][price_data][currency]=usd\
             &line_items[0][price_data][unit_amount]={minor}\
             &line_items[0][price_data][recurring][interval]=month\
             &line_items[0][price_data][product_data][name]=credits&line_items[0][quantity]=1\
             &subscription_data[metadata][scrip_account]=acme\
             &subscription_data[metadata][scrip_topup]={topup}"
        );
        let request = http::Request::post("/_local/stripe/v1/checkout/sessions")
            .header("authorization", format!("Bearer {KEY}"))
            .body(lambda_http::Body::from(form))
            .expect("a request");
        let answer = stripe::answer(&shop.stripe, &request);
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        let session = shop.stripe.session_of("acme").expect("a session");
        shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
    };
    begun("monthly_500", 4400);
    shop.stripe.deliver(&shop.stack.functions).await;
    assert_eq!(available(&shop).await, "25");
    let parked = shop.stack.get("/v1/payments?state=parked").await;
    let parked = &parked.body["payments"][0];
    assert_eq!((&parked["state"], &parked["price_minor"]), (&json!("parked"), &json!(4500)));
    let path = format!("/v1/payments/{}/release", intent(&shop, 0));
    let released = shop.stack.send(request("POST", &path, None, r#"{"reason":"old"}"#)).await;
    assert_eq!((released.status, available(&shop).await.as_str()), (200, "525"), "{released:?}");

    begun("monthly", 4500);
    shop.stripe.deliver(&shop.stack.functions).await;
    let parked = shop.stack.get("/v1/payments?state=parked").await;
    let parked = &parked.body["payments"][0];
    let id = parked["id"].as_str().expect("an id");
    assert!(id.starts_with("invoice-in_"), "{parked}");
    let problem = parked["problem"].as_str().expect("a problem");
    assert!(problem.contains("acme paid for the top-up plan monthly"), "{problem}");
    let path = format!("/v1/payments/{id}/release");
    let body = r#"{"reason":"in the catalog"}"#;
    let early = shop.stack.send(request("POST", &path, None, body)).await;
    assert_eq!((early.status, early.code()), (409, "event_unreadable"), "{early:?}");
    publish(&shop, 2, "[topups.monthly_500]", "[topups.monthly]").await;
    shop.stack.set_clock("2026-11-18T13:30:00Z");
    let released = shop.stack.send(request("POST", &path, None, body)).await;
    assert_eq!((released.status, available(&shop).await.as_str()), (200, "1025"), "{released:?}");
    reconcile(&shop).await;
    assert_eq!(available(&shop).await, "1025");
}
