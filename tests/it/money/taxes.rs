//! Tax on purchases: the price is compared with the order, and the gross amount is what was paid.
//!
//! The events are those of a payment without tax, with the amounts that Stripe would have said.

use local::stripe::Effect;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use shared::domain::Order;
use tests::proof;

use super::event_order::{events, ordered, permutations, renamed};
use crate::page::html::page;
use crate::support::catalogs::{beginning_with, publish};
use crate::support::shop::Shop;

const EXCLUSIVE: &str = r#"tax = { automatic = true, behavior = "exclusive" }"#;
const INCLUSIVE: &str = r#"tax = { automatic = true, behavior = "inclusive", ids = true }"#;

/// What the buyer of a pack at 49.00 pays, and the tax in it: 19 percent, on top or contained.
const TAXES: [(&str, u64, u64); 2] = [(EXCLUSIVE, 5831, 931), (INCLUSIVE, 4900, 782)];

/// The stories, and the credits of 500 that are due in the end with the tax on top. 10.00 of 58.31
/// went back: 500 · 4831 / 5831 are left, rounded down to a millionth.
const STORIES: [(&str, &[Effect], &str); 6] = {
    use Effect::{Dispute, Lose, Pay, PayLater, Refund, Win};
    const PART: Effect = Refund { minor: Some(1000) };
    const REST: Effect = Refund { minor: None };
    [
        ("bought", &[Pay], "500"),
        ("refunded in part", &[Pay, PART], "414.251414"),
        ("refunded in parts", &[Pay, PART, REST], "0"),
        ("disputed and lost", &[Pay, Dispute, Lose], "0"),
        ("disputed and won", &[Pay, Dispute, Win], "500"),
        ("delayed, not arrived", &[PayLater], "0"),
    ]
};

/// An amount of a payment of 4900 as it is in one of `gross`: the part of 1000 that is refunded
/// stays.
fn grossed(minor: u64, gross: u64) -> u64 {
    match minor {
        4900 => gross,
        3900 => gross - 1000,
        other => other,
    }
}

/// An event of a payment without tax, as it is with tax.
fn taxed(event: &str, gross: u64, tax: u64) -> String {
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    let object = &mut event["data"]["object"];
    let fields =
        ["amount", "amount_total", "amount_received", "amount_captured", "amount_refunded"];
    for field in fields {
        if let Some(minor) = object[field].as_u64() {
            object[field] = grossed(minor, gross).into();
        }
    }
    if object["object"] == "checkout.session" {
        object["automatic_tax"]["enabled"] = true.into();
        object["total_details"]["amount_tax"] = tax.into();
    }
    event.to_string()
}

fn is_session(event: &str) -> bool {
    event.contains(r#""object":"checkout.session""#)
}

/// A shop with the events of a story, as Stripe sends them with this tax, and the order that they
/// name.
struct Taxed {
    shop: Shop,
    template: String,
    events: Vec<String>,
}

impl Taxed {
    async fn shop(catalog: &str, effects: &[Effect], gross: u64, tax: u64) -> Taxed {
        let shop = Shop::noon().await;
        shop.stack.open("template", "free").await;
        let (template, events) = events(&shop, effects).await;
        publish(&shop.stack, &beginning_with(catalog)).await;
        let events = events.iter().map(|event| taxed(event, gross, tax)).collect();
        Taxed { shop, template, events }
    }

    /// An order of another account, for 49.00 and tax.
    async fn order(&self, account: &str) -> Order {
        ordered(&self.shop.stack, account).await
    }

    /// The events of that order's payment. `number` makes their ids its own.
    fn of(&self, order: &Order, number: usize) -> Vec<String> {
        let (id, account) = (order.id.to_string(), order.account.to_string());
        let own = |event: &String| renamed(event, &self.template, &id, &account, number);
        self.events.iter().map(own).collect()
    }

    async fn told(&self, events: impl IntoIterator<Item = &String>) {
        for event in events {
            let answer = self.shop.take_notice(event).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// The state of an order, and its amounts as the customer sees them.
    async fn shown(&self, order: &Order) -> Value {
        let token = self.shop.token(order.account.as_str(), r#""view""#).await;
        let path = format!("/v1/me/checkouts/{}", order.id);
        let shown = self.shop.ask(&token, "GET", &path, None, "").await;
        let fields = ["state", "credited", "price_minor", "paid", "paid_minor", "tax", "tax_minor"];
        fields.iter().map(|field| shown.body[*field].clone()).collect()
    }

    /// The problem of the only payment that waits for an operator. None: none waits.
    async fn problem(&self) -> Option<String> {
        let parked = self.shop.stack.get("/v1/payments?state=parked").await;
        let parked = parked.body["payments"].as_array().expect("payments").clone();
        assert!(parked.len() <= 1, "{parked:?}");
        Some(parked.first()?["problem"].as_str().expect("a problem").to_owned())
    }
}

#[tokio::test]
async fn events_of_a_taxed_payment_in_any_order_give_the_same_credits() {
    let seed = proof::seed(1);
    let mut random = StdRng::seed_from_u64(seed);
    for (catalog, gross, tax) in TAXES {
        for (story, effects, due) in STORIES {
            let due = match (story, gross) {
                ("refunded in part", 4900) => "397.959183",
                _ => due,
            };
            let taxed = Taxed::shop(catalog, effects, gross, tax).await;
            let mut orders = permutations(taxed.events.len());
            orders.shuffle(&mut random);
            for (number, places) in orders.iter().take(12).enumerate() {
                let order = taxed.order(&format!("p{number}")).await;
                let events = taxed.of(&order, number);
                let mut seen = Vec::new();
                for place in places {
                    seen.push(*place);
                    // An earlier event again.
                    taxed.told([&events[seen[number % seen.len()]], &events[*place]]).await;
                    // The credits wait for the session: it alone says the price.
                    let early = seen.iter().all(|place| !is_session(&events[*place]));
                    let (state, credited) =
                        taxed.shop.state(order.account.as_str(), &order.id.to_string()).await;
                    if early {
                        assert!(
                            state == "processing" || state == "open",
                            "{story} {seen:?}: {state}"
                        );
                        assert_eq!(credited, "0", "{story} {seen:?}");
                    }
                }
                let place = format!("SEED={seed} {catalog} {story} {places:?}");
                let shown = taxed.shown(&order).await;
                let expected = match story {
                    "delayed, not arrived" => json!(["processing", due, 4900, null, null]),
                    _ => json!(["credited", due, 4900, text(gross), gross]),
                };
                assert_eq!(
                    shown.as_array().expect("fields")[..5],
                    expected.as_array().expect("fields")[..],
                    "{place}"
                );
                assert_eq!((&shown[5], &shown[6]), (&json!(text(tax)), &json!(tax)), "{place}");
                assert_eq!(taxed.problem().await, None, "{place}");
                let balance = taxed.shop.stack.balance(order.account.as_str()).await;
                assert_eq!(balance.text("/debt"), "0", "{place}");
            }
        }
    }
}

/// Cents as a person writes them.
fn text(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[tokio::test]
async fn amounts_that_do_not_sum_to_the_price_are_parked() {
    // What the session says as subtotal, tax and total, and what the charge says.
    for (catalog, said, charged, credited) in [
        (EXCLUSIVE, (4900, 931, 5831), 5831, true),
        (EXCLUSIVE, (4900, 0, 4900), 4900, true),
        (EXCLUSIVE, (4800, 912, 5712), 5712, false),
        // The gross amount is the price of the order, and the price is not.
        (EXCLUSIVE, (4118, 782, 4900), 4900, false),
        // A discount of 5.00.
        (EXCLUSIVE, (4900, 836, 5236), 5236, false),
        (EXCLUSIVE, (4900, 931, 5831), 4900, false),
        (INCLUSIVE, (4900, 782, 4900), 4900, true),
        (INCLUSIVE, (4900, 931, 5831), 5831, false),
        (INCLUSIVE, (5831, 931, 5831), 5831, false),
        (INCLUSIVE, (4900, 702, 4400), 4400, false),
    ] {
        for turned in [false, true] {
            let place = format!("{catalog} {said:?} {charged} {turned}");
            let taxed = Taxed::shop(catalog, &[Effect::Pay], charged, said.1).await;
            let order = taxed.order("acme").await;
            let mut events = taxed.of(&order, 1);
            for event in events.iter_mut().filter(|event| is_session(event)) {
                let mut changed: Value = serde_json::from_str(event).expect("JSON");
                let session = &mut changed["data"]["object"];
                (session["amount_subtotal"], session["amount_total"]) =
                    (said.0.into(), said.2.into());
                *event = changed.to_string();
            }
            if turned {
                events.reverse();
            }
            taxed.told(&events).await;
            let state = taxed.shown(&order).await[0].clone();
            assert_eq!(state == "credited", credited, "{place}: {state}");
            let problem = taxed.problem().await;
            assert_eq!(problem.is_none(), credited, "{place}: {problem:?}");
            let told = problem.unwrap_or_else(|| "amount: price and tax".to_owned());
            assert!(told.starts_with("amount: ") && told.contains("tax"), "{place}: {told}");
        }
    }
}

#[tokio::test]
async fn a_session_with_tax_that_does_not_say_it_is_kept_for_an_operator() {
    for (field, named) in
        [("amount_subtotal", "amount_subtotal"), ("total_details", "total_details.amount_tax")]
    {
        let taxed = Taxed::shop(EXCLUSIVE, &[Effect::Pay], 5831, 931).await;
        let order = taxed.order("acme").await;
        let events = taxed.of(&order, 1);
        let event = events.iter().find(|event| is_session(event)).expect("a session");
        let mut event: Value = serde_json::from_str(event).expect("JSON");
        event["data"]["object"][field] = Value::Null;
        let heard = taxed.shop.take_notice(&event.to_string()).await;
        assert_eq!(heard.text("/outcome"), "parked", "{heard:?}");
        let problem = taxed.problem().await.expect("it waits");
        assert!(problem.contains(named), "{problem}");
    }
}

#[tokio::test]
async fn an_order_without_tax_takes_no_tax_on_top() {
    let taxed = Taxed::shop("", &[Effect::Pay], 5831, 931).await;
    let order = taxed.order("acme").await;
    taxed.told(&taxed.of(&order, 1)).await;
    assert_eq!(taxed.shown(&order).await[0], "parked");
    let problem = taxed.problem().await.expect("it waits");
    assert!(problem.ends_with("price 49.00 usd and tax 9.31 usd by its session"), "{problem}");
}

#[tokio::test]
async fn an_order_keeps_the_tax_that_it_was_placed_with() {
    let taxed = Taxed::shop(EXCLUSIVE, &[Effect::Pay], 5831, 931).await;
    let order = taxed.order("acme").await;
    let next = beginning_with("").replace("version = 2", "version = 3");
    publish(&taxed.shop.stack, &next).await;
    taxed.told(&taxed.of(&order, 1)).await;
    assert_eq!(taxed.shown(&order).await[0], "credited");
    assert_eq!(taxed.order("later").await.tax, shared::domain::Tax::default());
}

#[tokio::test]
async fn the_page_shows_the_price_and_the_tax_of_a_top_up() {
    let tags = regex::Regex::new("<[^>]*>").expect("a regex");
    for (catalog, gross, tax, shown) in [
        (EXCLUSIVE, 5831, 931, "USD 49.00 + USD 9.31 tax"),
        (INCLUSIVE, 4900, 782, "USD 49.00, USD 7.82 of it tax"),
    ] {
        let taxed = Taxed::shop(catalog, &[Effect::Pay], gross, tax).await;
        let order = taxed.order("acme").await;
        taxed.told(&taxed.of(&order, 1)).await;
        let (_, html) = page(&taxed.shop.stack, "acme", "").await;
        let words = tags.replace_all(&html, "");
        assert!(words.contains(shown), "{shown} is not in {words}");
        let one = taxed.shop.stack.get(&format!("/v1/payments/{}", order.id)).await;
        let said = ["price_minor", "paid_minor", "tax_minor"].map(|field| one.body[field].clone());
        assert_eq!(said, [json!(4900), json!(gross), json!(tax)]);
    }
}

/// Until the buyer is done, the amounts of a session change with the address. One that is open may
/// have a payment already: a card was declined.
#[tokio::test]
async fn the_amounts_of_an_open_session_count_for_nothing() {
    let taxed = Taxed::shop(EXCLUSIVE, &[Effect::Pay], 5831, 931).await;
    let order = taxed.order("acme").await;
    let events = taxed.of(&order, 1);
    let done = events.iter().find(|event| is_session(event)).expect("a session");
    let mut open: Value = serde_json::from_str(done).expect("JSON");
    let session = &mut open["data"]["object"];
    (session["status"], session["payment_status"]) = (json!("open"), json!("unpaid"));
    session["total_details"]["amount_tax"] = json!(0);
    let open = open.to_string();
    taxed.told([&open].into_iter().chain(&events).chain([&open])).await;
    assert_eq!(taxed.shown(&order).await[0], "credited");
    assert_eq!(taxed.problem().await, None);
}
