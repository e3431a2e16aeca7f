//! A payment reaches one final state, whatever the order, number and delay of its events.

use std::collections::BTreeMap;

use local::stripe::Effect;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use shared::command::order;
use shared::domain::{AccountId, CheckoutRequest, Key, Order};
use tests::proof::{self, DELIVERIES, PAYMENTS, PERMUTATIONS, Size};

use crate::support::Stack;
use crate::support::shop::Shop;

/// The stories: the effects, and the credits of 500 that are due in the end.
const STORIES: [(&str, &[Effect], &str); 9] = {
    use Effect::{Arrive, Dispute, Expire, Fail, Lose, Pay, PayLater, Refund, Win};
    const PART: Effect = Refund { minor: Some(1000) };
    const REST: Effect = Refund { minor: None };
    [
        ("bought", &[Pay], "500"),
        ("bought and refunded in parts", &[Pay, PART, REST], "0"),
        ("refunded in part", &[Pay, PART], "397.959183"),
        ("disputed and lost", &[Pay, Dispute, Lose], "0"),
        ("disputed and won", &[Pay, Dispute, Win], "500"),
        ("refund after a won dispute", &[Pay, Dispute, Win, PART], "397.959183"),
        ("delayed and paid", &[PayLater, Arrive], "500"),
        ("delayed payment that fails", &[PayLater, Fail], "0"),
        ("session expired", &[Expire], "0"),
    ]
};

/// The largest number of permuted events of a story.
const MOST: usize = 7;

/// A proof's size as an index.
fn count(size: Size) -> usize {
    usize::try_from(size.get()).expect("it fits into memory")
}

/// The events of a story, as Stripe sends them, and the order whose id they contain.
pub(super) async fn events(shop: &Shop, effects: &[Effect]) -> (String, Vec<String>) {
    let key = format!("template {effects:?}");
    let (order, session) = shop.begin("template", &key, "starter").await;
    for effect in effects {
        shop.stripe.act(&session, *effect).expect("it can be done");
    }
    let mut events = shop.stripe.take_events();
    // If there are more events than are permuted, events without new information are dropped.
    for kind in ["payment_intent.", "funds_withdrawn", "funds_reinstated", "charge.succeeded"] {
        let over = events.len().saturating_sub(MOST);
        let mut left = over;
        events.retain(|event| {
            let type_at = event.find("\"type\":").unwrap_or(0);
            let goes = left > 0 && event[type_at..].contains(kind);
            left -= usize::from(goes);
            !goes
        });
    }
    assert!(events.len() <= MOST, "{} events", events.len());
    (order, events)
}

/// The same events of another payment.
pub(super) fn renamed(
    event: &str,
    template: &str,
    order: &str,
    account: &str,
    number: usize,
) -> String {
    event
        .replace(template, order)
        .replace("_local_", &format!("_{number}_"))
        .replace("\"template\"", &format!("\"{account}\""))
}

/// A new account, and an order for it.
pub(super) async fn ordered(stack: &Stack, account: &str) -> Order {
    stack.open(account, "free").await;
    let context = stack.context();
    let key: Key = "order".parse().expect("a key");
    let account: AccountId = account.parse().expect("an account");
    let request = CheckoutRequest {
        pack: "starter".to_owned(),
        user: None,
        currency: None,
        preferred: None,
        return_url: "https://app.example.com/credits".to_owned(),
        live: false,
    };
    let catalog = context.catalog().await;
    let order = order::place(context, &catalog, &account, &key, &request).await;
    order.expect("ordered")
}

/// Every permutation of 0..count.
pub(super) fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = |one: &Vec<usize>| {
            let free = (0..count).filter(|n| !one.contains(n)).collect::<Vec<_>>();
            free.into_iter().map(|n| [one.clone(), vec![n]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Plays all orders of a short story and random ones of a long story. `PERMUTATIONS=5040` plays
/// all.
#[tokio::test]
async fn duplicate_events_in_any_order_give_the_same_payment() {
    let (seed, most) = (proof::seed(1), count(PERMUTATIONS));
    let mut random = StdRng::seed_from_u64(seed);
    let shop = Shop::noon().await;
    shop.stack.open("template", "free").await;
    let mut count = 0;
    for (story, effects, due) in STORIES {
        let (template, events) = events(&shop, effects).await;
        let mut orders = permutations(events.len());
        let all = orders.len();
        orders.shuffle(&mut random);
        orders.truncate(most);
        println!("{story}: {} events, {} of {all} orders", events.len(), orders.len());
        for order in orders {
            count += 1;
            let account = format!("p{count}");
            let id = ordered(&shop.stack, &account).await.id.to_string();
            let mut heard: Vec<usize> = Vec::new();
            for next in order {
                heard.push(next);
                // Now and then an earlier event is delivered again.
                let again =
                    heard.choose(&mut random).copied().filter(|_| random.random_ratio(1, 3));
                for n in again.into_iter().chain([next]) {
                    let event = renamed(&events[n], &template, &id, &account, count);
                    let answer = shop.take_notice(&event).await;
                    assert_eq!(answer.status, 200, "SEED={seed} {story}: {answer:?}");
                }
            }
            let balance = shop.stack.balance(&account).await;
            let place = format!("SEED={seed} {story} {heard:?}: {balance:?}");
            assert_eq!((balance.text("/debt"), balance.text("/held")), ("0", "0"), "{place}");
            let grants = balance.body["grants"].as_array().expect("grants");
            let bought = grants.iter().find(|grant| grant["kind"] == "purchased");
            let bought = bought.map_or("0", |grant| grant["remaining"].as_str().expect("text"));
            assert_eq!(bought, due, "{place}");
            let state = shop.state(&account, &id).await;
            let expected = match story {
                "delayed payment that fails" => "failed",
                "session expired" => "expired",
                _ => "credited",
            };
            assert_eq!(state, (expected.to_owned(), due.to_owned()), "{place}");
        }
    }
    PERMUTATIONS.say(format_args!("{count} orders of {} stories of a payment", STORIES.len()));
}

/// Credits spent before the money went back are debt, in any order of the events.
#[tokio::test]
async fn spent_credits_of_a_refunded_payment_are_debt_in_every_order() {
    let shop = Shop::noon().await;
    shop.stack.open("template", "free").await;
    let (template, events) = events(&shop, &[Effect::Pay, Effect::Refund { minor: None }]).await;
    for (n, order) in permutations(events.len()).into_iter().enumerate() {
        let account = format!("s{n}");
        let id = ordered(&shop.stack, &account).await.id.to_string();
        let mut spent = 25;
        assert_eq!(shop.stack.debit(&account, "free", "25").await.status, 201);
        for at in &order {
            let event = renamed(&events[*at], &template, &id, &account, n + 1);
            assert_eq!(shop.take_notice(&event).await.status, 200);
            if spent == 25 && shop.stack.debit(&account, "some", "300").await.status == 201 {
                spent += 300;
            }
        }
        let (available, debt) = shop.balance(&account).await;
        let owed = (spent - 25).to_string();
        assert_eq!((available, debt), ("0".to_owned(), owed), "{order:?}");
    }
}

/// Events of many payments are delivered mixed and repeated, each at least once.
#[tokio::test]
async fn mixed_and_repeated_deliveries_of_many_payments_lose_nothing() {
    let seed = proof::seed(1);
    let (deliveries, payments) = (count(DELIVERIES), count(PAYMENTS));
    let mut random = StdRng::seed_from_u64(seed);
    let shop = Shop::noon().await;
    shop.stack.open("template", "free").await;
    let mut stories = Vec::new();
    for (_, effects, due) in STORIES {
        stories.push((events(&shop, effects).await, due));
    }
    let (mut waiting, mut expected) = (Vec::new(), BTreeMap::new());
    for number in 1..=payments {
        let account = format!("d{number}");
        let id = ordered(&shop.stack, &account).await.id.to_string();
        let ((template, events), due) = stories.choose(&mut random).expect("a story");
        expected.insert(account.clone(), *due);
        waiting.extend(events.iter().map(|event| renamed(event, template, &id, &account, number)));
    }
    // Every event once, and repeats up to the number of deliveries, in any order.
    let mut all = waiting.clone();
    while all.len() < deliveries {
        all.push(waiting.choose(&mut random).expect("an event").clone());
    }
    all.shuffle(&mut random);
    for event in &all {
        let answer = shop.take_notice(event).await;
        assert_eq!(answer.status, 200, "SEED={seed}: {answer:?}");
    }
    let (deliveries, events) = (all.len(), waiting.len());
    for (account, due) in expected {
        let balance = shop.stack.balance(&account).await;
        let grants = balance.body["grants"].as_array().expect("grants");
        let bought = grants.iter().find(|grant| grant["kind"] == "purchased");
        let bought = bought.map_or("0", |grant| grant["remaining"].as_str().expect("text"));
        assert_eq!((bought, balance.text("/debt")), (due, "0"), "SEED={seed} {balance:?}");
    }
    DELIVERIES.say(format_args!("{deliveries} deliveries, {events} events of {payments} payments"));
}
