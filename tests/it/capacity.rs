//! What a debit costs, counted by DynamoDB's own rules at every run.

use std::collections::BTreeMap;

use shared::decide::{AccountWrite, Expect, Receipt, Row, RowWrite, Write, open};
use shared::domain::account::HeldAction;
use shared::domain::grant::Line;
use shared::domain::{Credits, Grant, GrantId, GrantKind, Held, Instant, KeySpace};

use crate::support::{Stack, at_once};

const DEBITS: usize = 960;

/// An account as they are: 3 grants, 4 actions consumed, 1 hold.
async fn typical(stack: &Stack) {
    let world = stack.world();
    let now = stack.clock.now();
    let id = "acme_01JQZ3V9K4T8W2X7YB5M6N0".parse().expect("an account");
    let request =
        open::PlanRequest { plan: "pro".to_owned(), status: None, anchor: None, restart: false };
    let operation = world.entropy.mint(now);
    let catalog = world.catalog().await;
    let opened = open::open(&id, &request, operation, &catalog, None, now);
    let mut account = opened.expect("a plan of the catalog");
    let mut grants = account.line.grants().to_vec();
    for (kind, credits) in [(GrantKind::Purchased, 500), (GrantKind::Manual, 1000)] {
        let later = Instant::from_ms(now.ms() + 365 * 86_400_000);
        let id = GrantId::Operation(world.entropy.mint(now));
        grants.push(Grant::new(id, kind, Credits::whole(credits), now, Some(later)));
    }
    account.line = Line::new(grants);
    let held = Held {
        amount: Credits::whole(3),
        lapsed: Credits::ZERO,
        expires_at: Instant::from_ms(now.ms() + 300_000),
        action: Some(HeldAction {
            number: 1,
            quantity: 3,
            credits: Credits::whole(3),
            captured: 0,
        }),
    };
    account.holds = BTreeMap::from([(world.entropy.mint(now), held)]);
    account.available = account.line.left() - held.amount;
    account.consumed = (1..=4).map(|n| (n, Credits::from_micro(1_234_567))).collect();
    let key = "open".parse().expect("a key");
    let (space, content) = (KeySpace::Operators, String::new());
    let receipt = Receipt { account: id, space, key, id: operation, content };
    let account = Some(AccountWrite::open(Box::new(account)));
    let rows = vec![RowWrite::Put(Row::Receipt(receipt), Expect::Absent)];
    let opening = Write { account, rows };
    let opened = world.store.commit(&opening).await;
    opened.expect("an account");
}

const ACCOUNT: &str = "acme_01JQZ3V9K4T8W2X7YB5M6N0";

#[tokio::test]
async fn a_debit_costs_at_most_1_13_write_units_and_no_read() {
    let stack = Stack::noon().await;
    typical(&stack).await;
    let actions = ["dynamic_video", "custom_image", "feed_field", "rich_text"];
    stack.wire.take_costs();
    for n in 0..DEBITS {
        let id = stack.id(0).to_string();
        let receipt = stack.action(ACCOUNT, &id, actions[n % 4], 1).await;
        assert_eq!(receipt.status, 201, "{receipt:?}");
    }
    let costs = stack.wire.take_costs();
    let (writes, reads) = (costs.write_units / DEBITS as f64, costs.read_units / DEBITS as f64);
    let calls = costs.calls.values().sum::<usize>() as f64 / DEBITS as f64;
    println!("{writes:.4} write units, {reads} read units, {calls:.4} calls a debit: {costs:?}");
    assert!(writes <= 1.13, "{writes} write units a debit");
    assert_eq!(costs.read_units, 0.0);
    // One request each before the decision is known; the rest are pages and their trims.
    let pages = costs.calls("PutItem");
    assert_eq!(costs.calls("UpdateItem"), DEBITS + pages);
}

/// The share of debits that looked their id up, and what they cost, when 100 a second come in by
/// ids that are up to 50 ms old.
#[tokio::test]
async fn a_hundred_a_second_with_ids_of_different_age() {
    let stack = Stack::noon().await;
    typical(&stack).await;
    stack.wire.take_costs();
    let start = stack.clock.now().ms();
    for n in 0..DEBITS {
        stack.clock.set(Instant::from_ms(start + 10 * n as i64));
        let id = stack.id((n * 13 % 51) as i64).to_string();
        let receipt = stack.action(ACCOUNT, &id, "feed_field", 1).await;
        assert_eq!(receipt.status, 201, "{receipt:?}");
    }
    let costs = stack.wire.take_costs();
    let slow = costs.calls("Query");
    println!("100 debits/s, ids up to 50 ms old: {slow} slow paths of {DEBITS}, {costs:?}");
    // 50 ms at this rate are 5 entries, and the 8 youngest stay.
    assert_eq!(slow, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_callers_with_ids_of_different_age() {
    let stack = Stack::noon().await;
    typical(&stack).await;
    stack.wire.take_costs();
    const CALLERS: usize = 32;
    let rounds = DEBITS / CALLERS;
    at_once(CALLERS, |caller| {
        let stack = stack.clone();
        async move {
            for round in 0..rounds {
                // Up to 50 ms old, spread evenly and the same in every run.
                let age_ms = ((caller * 7 + round * 13) % 51) as i64;
                let id = stack.id(age_ms).to_string();
                let mut receipt = stack.action(ACCOUNT, &id, "feed_field", 1).await;
                // Where pages are written faster than ids come, a caller may run out of tries.
                while receipt.status == 503 {
                    receipt = stack.action(ACCOUNT, &id, "feed_field", 1).await;
                }
                assert_eq!(receipt.status, 201, "{receipt:?}");
            }
        }
    })
    .await;
    let costs = stack.wire.take_costs();
    let debits = (CALLERS * rounds) as f64;
    println!(
        "32 callers, no pause, ids up to 50 ms old: {:.1} % slow paths, {:.3} read units, {:.3} \
         write units a debit",
        100.0 * costs.calls("Query") as f64 / debits,
        costs.read_units / debits,
        costs.write_units / debits,
    );
}
