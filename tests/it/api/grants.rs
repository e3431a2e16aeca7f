//! Many grants: their cost, the limit of an account, and the largest possible account.

use serde_json::json;
use shared::decide::archive::CAPACITY;
use shared::domain::account::MAX_GRANTS;
use shared::domain::grant::BurnOrder;
use shared::domain::hold::{HeldAction, HeldFor, MAX_HOLDS};
use shared::domain::instant::Span;
use shared::domain::limit::HeldLimits;
use shared::domain::{Credits, Entry, EntryKind, Grant, GrantId, GrantKind, Held};

use crate::protocol::capacity::{opened, place, tick};
use crate::support::{Answer, Stack};

const DEBITS: &str = "/v1/accounts/acme/debits";

/// Makes a grant with its own expiry.
async fn grant(stack: &Stack, n: usize, credits: &str) -> Answer {
    let (year, month, day) = (2027 + n / 336, 1 + n / 28 % 12, 1 + n % 28);
    let end = format!("{year}-{month:02}-{day:02}T00:00:00Z");
    stack.grant_until("acme", &format!("grant {n}"), credits, &end).await
}

/// Debits with new ids. Returns their cost, in write units each.
async fn debits(stack: &Stack, count: usize, credits: &str) -> f64 {
    stack.wire.take_costs();
    for _ in 0..count {
        tick(stack);
        let body = json!({ "credits": credits }).to_string();
        let done = stack.post(DEBITS, &stack.id(0).to_string(), &body).await;
        assert_eq!(done.status, 201, "{done:?}");
    }
    stack.wire.take_costs().write_units / count as f64
}

#[tokio::test]
async fn debits_of_a_hundred_grants_cost_at_most_4_5_write_units() {
    let stack = Stack::ticking().await;
    stack.open("acme", "free").await;
    for n in 0..99 {
        assert_eq!(grant(&stack, n, "100").await.status, 201, "{n}");
    }
    debits(&stack, 1, "1").await;
    let each = debits(&stack, 960, "1").await;
    println!("100 grants: {each:.3} write units a debit");
    assert!(each <= 4.5, "{each}");
}

#[tokio::test]
async fn a_grant_every_four_debits_makes_them_cost_at_most_6_write_units() {
    const ROUNDS: usize = 240;
    let stack = Stack::ticking().await;
    stack.open("acme", "free").await;
    // The plan's own grant is spent first.
    debits(&stack, 1, "25").await;
    for n in 0..98 {
        assert_eq!(grant(&stack, n, "10").await.status, 201, "{n}");
    }
    let mut sum = 0.0;
    for n in 0..ROUNDS {
        let granted = grant(&stack, 98 + n, "10").await;
        assert_eq!(granted.status, 201, "{n}: {granted:?}");
        sum += debits(&stack, 4, "2.5").await;
    }
    let each = sum / ROUNDS as f64;
    println!("100 grants and one every four debits: {each:.3} write units a debit");
    assert!(each <= 6.0, "{each}");
}

#[tokio::test]
async fn beyond_a_hundred_grants_an_operator_is_refused_until_some_are_spent() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    debits(&stack, 1, "25").await;
    for n in 0..MAX_GRANTS {
        assert_eq!(grant(&stack, n, "10").await.status, 201, "{n}");
    }
    let refused = grant(&stack, 100, "10").await;
    assert_eq!((refused.status, refused.code()), (409, "too_many_grants"));
    // A retry gets the first answer, even if a new request would be refused.
    assert_eq!(grant(&stack, 99, "10").await.status, 201);
    debits(&stack, 1, "9.999999").await;
    assert_eq!(grant(&stack, 100, "10").await.status, 409);
    debits(&stack, 1, "0.000001").await;
    assert_eq!(grant(&stack, 100, "10").await.status, 201);
    // Expired grants do not count, advanced or not: January's 27, without the spent one.
    stack.set_clock("2027-02-01T00:00:00Z");
    for n in 101..101 + 27 {
        assert_eq!(grant(&stack, n, "10").await.status, 201, "{n}");
    }
}

/// The largest account that the rules allow: 100 grants, 64 entries of the longest texts, all
/// holds, 300 actions.
async fn worst(stack: &Stack) -> usize {
    let now = stack.context().clock.now();
    let mint = || stack.context().entropy.mint(now);
    let mut account = opened(stack, "acme").await;
    let mut grants = account.burn_order.grants().to_vec();
    while grants.len() < MAX_GRANTS {
        // All expire at once, and are spent from until then.
        let (id, end) = (GrantId::Operation(mint()), now + Span::from_s(86_400));
        let credits = Credits::from_micro(123_456_789_012);
        grants.push(Grant::new(id, GrantKind::Promotional, credits, now, Some(end)));
    }
    account.burn_order = BurnOrder::new(grants);
    let held = Held {
        amount: Credits::from_micro(9_876_543_210),
        lapsed: Credits::ZERO,
        expires_at: now + Span::from_s(3_600),
        purpose: HeldFor::Action(HeldAction {
            number: 300,
            quantity: 987_654_321,
            credits: Credits::from_micro(9_876_543_210),
            captured: 123_456_789,
        }),
        limits: HeldLimits::default(),
    };
    account.holds = (0..MAX_HOLDS).map(|_| (mint(), held.clone())).collect();
    account.available = account.burn_order.left() - account.set_aside();
    account.consumed = (1..=300).map(|n| (n, Credits::from_micro(987_654_321_987))).collect();
    let text = |bytes: usize| Some("x".repeat(bytes));
    while account.recent.len() < CAPACITY {
        let kind = EntryKind::Granted { kind: GrantKind::Manual, expires_at: Some(now) };
        let entry = Entry {
            key: text(255),
            actor: text(64),
            reference: text(64),
            reason: text(256),
            message: text(256),
            ..Entry::new(mint(), now, 1, kind)
        };
        account.recent.push(entry);
    }
    account.seq = account.recent.len() as u64;
    place(stack, account).await;
    let id = "acme".parse().expect("an account");
    let loaded = stack.context().store.account(&id).await.expect("readable").expect("there");
    loaded.weight.item
}

/// DynamoDB refuses items above 400 KB. An account that reached the limit could never change again.
#[tokio::test]
async fn the_largest_account_stays_writable_and_fully_usable() {
    const MAX_BYTES: usize = 400 * 1024;
    let stack = Stack::noon().await;
    let bytes = worst(&stack).await;
    println!("the worst account weighs {bytes} bytes");
    assert!(bytes * 4 < MAX_BYTES, "{bytes}");
    let long = |n: usize| format!("{n:0>255}");
    let body = json!({
        "credits": "1000", "user": "u".repeat(64), "reference": "r".repeat(64),
    });
    let holds = stack.balance("acme").await;
    assert_eq!(holds.body["held"], "632098.76544");
    for n in 0..100 {
        let done = stack.post(DEBITS, &long(n), &body.to_string()).await;
        assert_eq!(done.status, 201, "{n}: {done:?}");
    }
    let refund = json!({ "credits": "500", "reason": "r".repeat(256) }).to_string();
    let receipt = stack.post(DEBITS, &long(99), &body.to_string()).await;
    let path = format!("{DEBITS}/{}/refund", receipt.text("/id"));
    assert_eq!(stack.post(&path, &long(1000), &refund).await.status, 201);
    // An hour later all holds have ended; a day later one advance ends all grants.
    for (at, credits) in [("2026-11-18T13:00:00Z", "1000"), ("2026-11-19T12:00:00Z", "1")] {
        stack.set_clock(at);
        debits(&stack, 1, credits).await;
    }
    let path = format!("{DEBITS}/{}/refund", receipt.text("/id"));
    assert_eq!(stack.post(&path, &long(1001), &refund).await.status, 201);
}
