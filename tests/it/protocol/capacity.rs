//! The cost of a debit, counted by DynamoDB's own rules in every run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use shared::decide::archive::CAPACITY;
use shared::decide::{AccountWrite, Expect, IdempotencyRecord, Row, RowWrite, Write, open};
use shared::domain::grant::BurnOrder;
use shared::domain::hold::{HeldAction, HeldFor};
use shared::domain::limit::HeldLimits;
use shared::domain::{Account, Credits, Grant, GrantId, GrantKind, Held, Instant, KeySpace};

use crate::support::wire::Fault;
use crate::support::{Stack, at_once, request};

const DEBITS: usize = 960;

/// The size of a debit's labels: the bytes of `user` and of `reference`.
pub(crate) type Labels = (usize, usize);

pub(crate) const LABELS: [Labels; 3] = [(0, 0), (13, 36), (64, 64)];

/// A debit with these labels.
pub(crate) fn labelled(labels: Labels) -> Value {
    let text = |bytes: usize| "x".repeat(bytes);
    let mut body = json!({ "action": "custom_image", "quantity": 1 });
    if labels != (0, 0) {
        body["user"] = text(labels.0).into();
        body["reference"] = text(labels.1).into();
    }
    body
}

/// Passes five milliseconds, the time of a call to DynamoDB: the embedded table answers within one,
/// and ids of one millisecond may be in flight while others are archived.
pub(crate) fn tick(stack: &Stack) {
    stack.ticks.fetch_add(5, Ordering::Relaxed);
}

const PLAIN: &str = "/v1/accounts/acme/debits";

/// A plain account: two grants, one action, no hold.
pub(crate) async fn plain(stack: &Stack) {
    stack.open("acme", "pro").await;
    stack.grant("acme", "one more", "100").await;
}

/// A typical account: 3 grants, 4 actions consumed, 1 hold.
pub(crate) async fn typical(stack: &Stack) {
    let context = stack.context();
    let now = context.clock.now();
    let mut account = opened(stack, ACCOUNT).await;
    let mut grants = account.burn_order.grants().to_vec();
    for (kind, credits) in [(GrantKind::Purchased, 500), (GrantKind::Manual, 1000)] {
        let later = Instant::from_ms(now.ms() + 365 * 86_400_000);
        let id = GrantId::Operation(context.entropy.mint(now));
        grants.push(Grant::new(id, kind, Credits::whole(credits), now, Some(later)));
    }
    account.burn_order = BurnOrder::new(grants);
    let held = Held {
        amount: Credits::whole(3),
        lapsed: Credits::ZERO,
        expires_at: Instant::from_ms(now.ms() + 300_000),
        purpose: HeldFor::Action(HeldAction {
            number: 1,
            quantity: 3,
            credits: Credits::whole(3),
            captured: 0,
        }),
        limits: HeldLimits::default(),
    };
    account.holds = BTreeMap::from([(context.entropy.mint(now), held.clone())]);
    account.available = account.burn_order.left() - held.amount;
    account.consumed = (1..=4).map(|n| (n, Credits::from_micro(1_234_567))).collect();
    place(stack, account).await;
}

/// A stack at noon with this account: the typical one, or the plain one.
async fn with(account: &str) -> Stack {
    let stack = Stack::ticking().await;
    match account {
        ACCOUNT => typical(&stack).await,
        _ => plain(&stack).await,
    }
    stack
}

/// Sends a debit 24 times in one batch, with ids of one instant: young entries, with others perhaps
/// in flight, would stay in the account.
async fn batch(stack: &Stack, account: &str, mut debit: Value) {
    let (context, now) = (stack.context(), stack.context().clock.now());
    let debits: Vec<_> = (0..24)
        .map(|_| {
            debit["id"] = context.entropy.mint(now).to_string().into();
            debit.clone()
        })
        .collect();
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let path = format!("/v1/accounts/{account}/debits/batch");
    let done = stack.send(request("POST", &path, None, &body)).await;
    assert_eq!(done.status, 201, "{done:?}");
}

/// A new account on `pro`.
pub(crate) async fn opened(stack: &Stack, id: &str) -> Account {
    let (context, now) = (stack.context(), stack.context().clock.now());
    let request = open::PlanRequest::of("pro");
    let (id, operation) = (id.parse().expect("an account"), context.entropy.mint(now));
    let catalog = context.catalog().await;
    let opened = open::open(&id, &request, operation, &catalog, None, now);
    opened.expect("a plan of the catalog")
}

/// Puts an account into the table unchanged.
pub(crate) async fn place(stack: &Stack, account: Account) {
    let (space, key) = (KeySpace::Operators, "open".parse().expect("a key"));
    let (id, operation) = (account.id.clone(), account.recent[0].id);
    let receipt =
        IdempotencyRecord { account: id, space, key, id: operation, content: String::new() };
    let rows = vec![RowWrite::Put(Row::IdempotencyRecord(receipt), Expect::Absent)];
    let opening = Write { account: Some(AccountWrite::open(Box::new(account))), rows };
    stack.context().store.commit(&opening).await.expect("an account");
}

const ACCOUNT: &str = "acme_01JQZ3V9K4T8W2X7YB5M6N0";

#[tokio::test]
async fn a_debit_costs_at_most_1_13_write_units_and_no_read() {
    let stack = Stack::ticking().await;
    typical(&stack).await;
    let actions = ["dynamic_video", "custom_image", "feed_field", "rich_text"];
    stack.wire.take_costs();
    for n in 0..DEBITS {
        tick(&stack);
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
    // One request each before the decision is known; the rest store segments and archive entries.
    let pages = costs.calls("PutItem");
    assert_eq!(costs.calls("UpdateItem"), DEBITS + pages);
}

/// The size of a debit decides its cost. DynamoDB Local counts a byte more for a number that ends
/// in zeros: by it, a debit with labels of 13 + 36 bytes costs 1.31 here, and 1.24 by the embedded
/// table.
#[tokio::test]
async fn one_caller_pays_by_label_size() {
    let gates = [(ACCOUNT, [1.13, 1.35, 1.7]), ("acme", [1.13, 1.25, 1.6])];
    for (account, most) in gates {
        for (labels, most) in LABELS.into_iter().zip(most) {
            let stack = with(account).await;
            let (path, body) = (format!("/v1/accounts/{account}/debits"), labelled(labels));
            stack.wire.take_costs();
            for _ in 0..DEBITS {
                tick(&stack);
                let debit = stack.post(&path, &stack.id(0).to_string(), &body.to_string()).await;
                assert_eq!(debit.status, 201, "{debit:?}");
            }
            let costs = stack.wire.take_costs();
            let each = costs.write_units / DEBITS as f64;
            println!("{account} with labels of {labels:?} bytes: {each:.3} write units a debit");
            assert!(each <= most, "{account} {labels:?}: {each}");
            assert_eq!(costs.read_units, 0.0);
        }
    }
}

#[tokio::test]
async fn a_batch_of_24_costs_by_label_size() {
    let gates = [(ACCOUNT, [0.21, 0.35, 0.6]), ("acme", [0.13, 0.35, 0.6])];
    for (account, most) in gates {
        for (labels, most) in LABELS.into_iter().zip(most) {
            let stack = with(account).await;
            stack.wire.take_costs();
            for _ in 0..DEBITS / 24 {
                tick(&stack);
                batch(&stack, account, labelled(labels)).await;
            }
            let costs = stack.wire.take_costs();
            let each = costs.write_units / DEBITS as f64;
            println!("batches of 24, {account}, labels of {labels:?} bytes: {each:.3}");
            assert!(each <= most, "{account} {labels:?}: {each}");
        }
    }
}

/// Fills the account's list up to `count` entries while no
/// segment can be stored. Returns a debit's body.
async fn unpaged(stack: &Stack, labels: Labels, count: usize) -> String {
    plain(stack).await;
    let body = labelled(labels).to_string();
    stack.wire.set_policy(|operation, _| match operation {
        "PutItem" => Fault::Throttle,
        _ => Fault::None,
    });
    let there = stack.balance("acme").await.body["seq"].as_u64().expect("a number");
    for _ in there..count as u64 {
        let debit = stack.post(PLAIN, &stack.id(0).to_string(), &body).await;
        assert_eq!(debit.status, 201, "{debit:?}");
    }
    stack.wire.heal();
    stack.wire.take_costs();
    body
}

/// A segment is due at a fill level, because the caller that should have stored it may have died.
#[tokio::test(start_paused = true)]
async fn a_segment_nobody_archived_is_archived_by_a_later_caller() {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    let body = unpaged(&stack, (0, 0), 20).await;
    // Later callers store one segment on the way to 32 entries.
    for _ in 20..32 {
        stack.post(PLAIN, &stack.id(0).to_string(), &body).await;
    }
    let costs = stack.wire.take_costs();
    assert_eq!((costs.calls("PutItem"), costs.calls("UpdateItem")), (1, 13), "{costs:?}");
}

/// A segment was stored, but its writer died or could not remove the entries from the account.
#[tokio::test(start_paused = true)]
async fn a_leftover_segment_does_not_block_a_batch() {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    plain(&stack).await;
    // Its second update archives. The first batch stores no segment, the second archives none.
    for refused in ["PutItem", "UpdateItem"] {
        let mut updates = 0;
        stack.wire.set_policy(move |operation, _| {
            updates += usize::from(operation == "UpdateItem");
            match operation == refused && (updates > 1 || refused == "PutItem") {
                true => Fault::Throttle,
                false => Fault::None,
            }
        });
        batch(&stack, "acme", json!({ "credits": "1" })).await;
    }
    stack.wire.heal();
    batch(&stack, "acme", json!({ "credits": "1" })).await;
}

/// The SDK sends the segment again. The stored one is the same.
#[tokio::test(start_paused = true)]
async fn a_segment_whose_reply_is_lost_still_leaves_the_account() {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    let body = unpaged(&stack, (0, 0), 15).await;
    stack.wire.set_policy(|operation, nth| match (operation, nth) {
        ("PutItem", 1) => Fault::LoseReply,
        _ => Fault::None,
    });
    stack.post(PLAIN, &stack.id(0).to_string(), &body).await;
    stack.wire.heal();
    let id = "acme".parse().expect("an account");
    let loaded = stack.context().store.account(&id).await.expect("readable").expect("there");
    assert_eq!(loaded.account.archived_seq, 16);
}

/// A full list gives up as many entries as the batch needs, in one segment.
#[tokio::test(start_paused = true)]
async fn a_batch_of_24_archives_one_segment_of_a_full_list() {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    unpaged(&stack, (64, 64), CAPACITY).await;
    batch(&stack, "acme", labelled((64, 64))).await;
    let costs = stack.wire.take_costs();
    // One makes room, and the batch makes the other due.
    assert_eq!(costs.calls("PutItem"), 2, "{costs:?}");
}

/// Measures how many debits look their id up, and their cost, at 100 debits a second.
#[tokio::test]
async fn a_hundred_debits_a_second_look_up_no_id_up_to_50_ms_old() {
    let stack = Stack::ticking().await;
    typical(&stack).await;
    stack.wire.take_costs();
    for n in 0..DEBITS {
        stack.ticks.store(10 * n as i64, Ordering::Relaxed);
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
async fn thirty_two_callers_with_ids_of_mixed_age_are_all_answered() {
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
                // If segments are stored faster than ids come, a caller may run out of tries.
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

/// An audit reads each account once and all of its ledger, so it costs by what is stored.
#[tokio::test]
async fn the_audit_of_an_account_costs_by_its_entries() {
    let stack = Stack::ticking().await;
    plain(&stack).await;
    let account = "acme".parse().expect("an account");
    let mut units = Vec::new();
    for debits in [0, DEBITS] {
        for _ in 0..debits {
            tick(&stack);
            let debit = stack.debit("acme", &stack.id(0).to_string(), "1").await;
            assert_eq!(debit.status, 201, "{debit:?}");
        }
        stack.wire.take_costs();
        let found = audit::account(stack.context(), &account).await.expect("it is read");
        assert_eq!(found, []);
        units.push(stack.wire.take_costs().read_units);
    }
    println!("{} read units, and {} with {DEBITS} debits", units[0], units[1]);
    assert!(units[0] < 4.0 && units[1] < 10.0, "{units:?}");
}
