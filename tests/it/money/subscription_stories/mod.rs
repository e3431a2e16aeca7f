//! Subscriptions through the webhook: each story ends in the same state, in whatever order its
//! events come.
//!
//! What is done at Stripe happens in the order of the story; each of its events comes at any time
//! from then on, and twice. Events of an earlier day come again among them.

mod stories;

use ::audit::{account, subscriptions};
use local::stripe::{self, Effect, KEY, PriceId};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tests::proof::{self, PERMUTATIONS};

use stories::{At, Deed, STORIES, Story};

use super::event_order::permutations;
use crate::support::shop::Shop;
use crate::support::{instant, ledger};

/// All orders of so many events are listed; of more, orders are drawn.
const MOST: usize = 5;
/// The order in which Stripe sends them.
const AS_THEY_COME: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Begins a subscription of acme that is paid at once, or tried.
fn begin(shop: &Shop, price: &str, seats: u32, trial_days: u32) {
    let trial = match trial_days {
        0 => String::new(),
        days => format!("&subscription_data[trial_period_days]={days}"),
    };
    let form = format!(
        "mode=subscription&line_items[0][price]={price}&line_items[0][quantity]={seats}&\
         client_reference_id=acme&subscription_data[metadata][scrip_account]=acme{trial}"
    );
    let request = http::Request::post("/_local/stripe/v1/checkout/sessions")
        .header("authorization", format!("Bearer {KEY}"))
        .body(lambda_http::Body::from(form));
    stripe::answer(&shop.stripe, &request.expect("a request"));
    let session = shop.stripe.session_of("acme").expect("a session");
    shop.stripe.act(&session, Effect::Pay).expect("it is paid");
}

fn act(shop: &Shop, (at, deed): At) {
    shop.stack.set_clock(at);
    let price = |id: &str| PriceId::try_from(id.to_owned()).expect("a known price");
    let (first, effect) = match deed {
        Deed::Begin(price, seats, trial_days) => return begin(shop, price, seats, trial_days),
        Deed::Wait => return shop.stripe.pass(),
        Deed::Act(effect) => (false, effect),
        Deed::ActAtFirst(effect) => (true, effect),
        Deed::Change(to, at) => (false, Effect::Change { price: price(to), at }),
    };
    let all = shop.stripe.objects("subscriptions");
    let latest = shop.stripe.subscription_of("acme").expect("a subscription");
    let id = if first { all[0]["id"].as_str().expect("an id") } else { &latest };
    shop.stripe.act(id, effect).unwrap_or_else(|why| panic!("{effect:?}: {why}"));
}

/// Takes the events that may say something of a subscription, or of money that went back.
fn hints(shop: &Shop) -> Vec<String> {
    let says = |event: &String| {
        let event: Value = serde_json::from_str(event).expect("JSON");
        let kind = event["type"].as_str().expect("a type");
        let told = ["customer.subscription.", "invoice.paid", "invoice.payment_failed", "refund"];
        let told = told.iter().any(|told| kind.starts_with(told)) || kind.ends_with("refunded");
        told && !kind.ends_with("trial_will_end")
    };
    shop.stripe.take_events().into_iter().filter(says).collect()
}

async fn deliver(shop: &Shop, event: &str) {
    let answer = shop.take_notice(event).await;
    assert_eq!(answer.status, 200, "{answer:?} to {event}");
}

/// Plays a story with its events in this order. Returns what the account is then, and how many
/// events there were.
async fn play(story: &Story, order: &[usize], random: &mut StdRng) -> (String, usize) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let mut events = Vec::new();
    for deed in story.before {
        act(&shop, *deed);
        let new = hints(&shop);
        for event in &new {
            deliver(&shop, event).await;
        }
        events.extend(new);
    }
    let (mut heard, mut again) = (0, Vec::new());
    for deed in story.deeds {
        act(&shop, *deed);
        events.extend(hints(&shop));
        // In its order an event waits for those before it: some have not happened yet.
        while let Some(event) = order.get(heard).and_then(|next| events.get(*next)) {
            deliver(&shop, event).await;
            heard += 1;
            again.push(event.clone());
            if random.random_ratio(1, 2) {
                again.shuffle(random);
                deliver(&shop, &again.pop().expect("one at least")).await;
            }
        }
    }
    again.shuffle(random);
    for event in &again {
        deliver(&shop, event).await;
    }
    // What Stripe does by itself until then, it tells at once.
    act(&shop, (story.until, Deed::Wait));
    for event in hints(&shop).iter().chain(events.first()) {
        deliver(&shop, event).await;
    }
    (state(&shop).await, events.len())
}

/// What acme is: plan, status, seats, what is to come, all that its plan was granted, and what waits
/// for an operator.
async fn state(shop: &Shop) -> String {
    let balance = shop.stack.balance("acme").await;
    let terms = |of: &Value| {
        let seats = of["seats"].as_u64().unwrap_or(1);
        format!("{} {} {seats}", of["plan"], of["status"]).replace('"', "")
    };
    let mut state = terms(&balance.body);
    if let Some(next) = balance.body.get("next").filter(|next| !next.is_null()) {
        let day = next["at"].as_str().expect("a time").split('T').next().unwrap_or_default();
        state += &format!(", next {} at {day}", terms(next));
    }
    let entries = ledger(&shop.stack.functions, "acme").await.expect("a ledger");
    let moved = entries.iter().filter_map(|entry| entry["moved"].as_array()).flatten();
    let arrived = moved.filter(|moved| moved["kind"] == "plan");
    let arrived = arrived.filter_map(|moved| moved["credits"].as_str()?.parse::<i64>().ok());
    state += &format!(", granted {}", arrived.filter(|credits| *credits > 0).sum::<i64>());
    let context = shop.stack.context();
    let acme = "acme".parse().expect("an account");
    let billing = context.store.billing(&acme, false).await.expect("read");
    match billing.parked {
        Some(parked) => state += &format!(", parked: {}", parked.problem),
        // What waits for an operator differs from Stripe.
        None => {
            let mut found = account(context, &acme).await.expect("audited");
            let stripe = shop.stack.functions.stripe();
            found.extend(subscriptions(context, stripe).await.expect("compared"));
            assert_eq!(found, [], "{state}");
        }
    }
    state
}

/// Plays all orders of a story with few events, and random ones of the others.
#[tokio::test]
async fn each_story_of_a_subscription_ends_the_same_in_any_order_of_its_events() {
    let seed = proof::seed(1);
    let most = usize::try_from(PERMUTATIONS.get()).expect("it fits into memory");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut played, mut wrong) = (0, Vec::new());
    for story in &STORIES {
        let (state, count) = play(story, &AS_THEY_COME, &mut random).await;
        let mut states = vec![(Vec::new(), state)];
        let mut orders = match count <= MOST {
            true => permutations(count),
            false => vec![Vec::from_iter(0..count); most],
        };
        if count > MOST {
            orders.iter_mut().for_each(|order| order.shuffle(&mut random));
        }
        orders.shuffle(&mut random);
        orders.truncate(most);
        for order in orders {
            let (state, _) = play(story, &order, &mut random).await;
            states.push((order, state));
        }
        played += states.len();
        let other = states.into_iter().find(|(_, state)| state != story.ends);
        wrong.extend(other.map(|(order, state)| format!("{} {order:?}: {state}", story.name)));
    }
    assert_eq!(wrong, [""; 0], "SEED={seed}");
    let stories = STORIES.len();
    PERMUTATIONS.say(format_args!("{played} orders of {stories} stories of a subscription"));
}

/// The clock of the stories begins at noon of the first day.
#[test]
fn the_deeds_of_a_story_are_in_the_order_of_their_times() {
    for story in &STORIES {
        let deeds = story.before.iter().chain(story.deeds).map(|(at, _)| *at);
        let times = Vec::from_iter(deeds.chain([story.until]).map(instant));
        assert!(times.is_sorted(), "{}", story.name);
    }
}
