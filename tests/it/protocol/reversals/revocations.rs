//! What a refund, or a payment that came back, would return to a revoked grant is revoked, too.

use local::stripe::Effect;

use super::{MONDAY, SUNDAY, hold, refund, sell, then};
use crate::support::Stack;
use crate::support::shop::Shop;

/// An account without credits of a plan, with a grant of these credits that ends on this day.
async fn ending(stack: &Stack, key: &str, credits: &str, day: u8) -> String {
    let end = format!("2026-12-{day:02}T00:00:00Z");
    let done = stack.grant_until("acme", key, credits, &end).await;
    assert_eq!(done.status, 201, "{done:?}");
    done.text("/id").to_owned()
}

async fn revoke(stack: &Stack, key: &str, grant: &str, takes: &str) {
    let done = stack.revoke("acme", key, grant).await;
    assert_eq!((done.status, done.text("/credits")), (201, takes), "{done:?}");
}

/// What is available, with books that agree.
async fn ends(stack: &Stack, available: &str) {
    assert_eq!(stack.balance("acme").await.text("/available"), available);
    let id = "acme".parse().expect("an account");
    assert_eq!(audit::account(stack.context(), &id).await.expect("audited"), []);
    super::skipped_entries::tells_the_same(stack, &id).await;
}

async fn pro() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "standard").await;
    stack.send(crate::support::request("PUT", "/v1/accounts/acme", Some("p"), PLAN)).await;
    stack.debit("acme", "the plan's", "25").await;
    stack
}

const PLAN: &str = r#"{"plan":"free"}"#;

#[tokio::test]
async fn a_refund_returns_nothing_to_a_revoked_grant_and_all_to_the_others() {
    let stack = pro().await;
    let revoked = ending(&stack, "revoked", "40", 1).await;
    ending(&stack, "stays", "100", 2).await;
    // 40 of the one and 20 of the other.
    let debit = stack.debit("acme", "both", "60").await;
    revoke(&stack, "revoke", &revoked, "0").await;
    for (key, returned, available) in [("a", "15", "95"), ("b", "5", "100"), ("c", "0", "100")] {
        // A smaller debit would have used less of the grant that is burnt last.
        let back = refund(&stack, &debit, key, if key == "c" { "30" } else { "15" }).await;
        assert_eq!((back.text("/returned"), back.available()), (returned, available), "{key}");
    }
    ends(&stack, "100").await;
}

#[tokio::test]
async fn a_refund_before_a_revocation_is_revoked_and_one_of_a_later_debit_comes_back() {
    let stack = pro().await;
    let grant = ending(&stack, "grant", "200", 1).await;
    let before = stack.debit("acme", "before", "150").await;
    let held = hold(&stack, "hold", r#"{"credits":"30"}"#).await;
    refund(&stack, &before, "refund", "50").await;
    revoke(&stack, "revoke", &grant, "70").await;
    assert_eq!(then(&stack, &held, "release", "release", "{}").await.available(), "30");
    let after = stack.debit("acme", "after", "30").await;
    assert_eq!(refund(&stack, &before, "rest", "100").await.text("/returned"), "0");
    // The hold had kept them, and nobody took them since.
    assert_eq!(refund(&stack, &after, "after", "30").await.text("/returned"), "30");
    revoke(&stack, "revoke again", &grant, "30").await;
    assert_eq!(stack.balance("acme").await.text("/available"), "0");
    ends(&stack, "0").await;
}

#[tokio::test]
async fn credits_of_other_grants_spent_in_the_place_of_revoked_ones_come_back() {
    let stack = Stack::at(SUNDAY).await;
    stack.open("acme", "free").await;
    let grant = stack.grant("acme", "grant", "100").await.text("/id").to_owned();
    let first = stack.debit("acme", "first", "30").await;
    stack.debit("acme", "second", "10").await;
    revoke(&stack, "revoke", &grant, "85").await;
    // Of the week 15 come back: the second debit would have used 10 of its 25. The grant's 15 would
    // have been revoked.
    let back = refund(&stack, &first, "refund", "30").await;
    assert_eq!((back.text("/returned"), back.available()), ("15", "15"));
    stack.set_clock(MONDAY);
    ends(&stack, "25").await;
}

/// In the life without the debit the hold would have left less of the grant free. A refund changes
/// no hold: what it kept stays, and all of the other grant comes back.
#[tokio::test]
async fn a_hold_keeps_what_it_kept_of_a_revoked_grant_when_other_credits_come_back() {
    let stack = pro().await;
    ending(&stack, "first", "10", 1).await;
    let revoked = ending(&stack, "revoked", "50", 2).await;
    let debit = stack.debit("acme", "debit", "10").await;
    let held = hold(&stack, "hold", r#"{"credits":"30"}"#).await;
    revoke(&stack, "revoke", &revoked, "20").await;
    let back = refund(&stack, &debit, "refund", "10").await;
    assert_eq!((back.text("/returned"), back.available()), ("10", "10"));
    assert_eq!(then(&stack, &held, "release", "release", "{}").await.available(), "40");
    revoke(&stack, "again", &revoked, "30").await;
    ends(&stack, "10").await;
}

#[tokio::test]
async fn a_won_dispute_returns_the_pack_and_not_the_revoked_credits_spent_in_its_place() {
    let shop = Shop::at("2026-12-31T12:00:00Z").await;
    let stack = &shop.stack;
    sell(stack, &[("month", 300, 1)]).await;
    stack.set_clock("2026-12-31T12:05:00Z");
    stack.open("acme", "free").await;
    stack.debit("acme", "week", "25").await;
    let (_, session) = shop.buy("acme", "buy", "month").await;
    let grant = stack.grant("acme", "grant", "200").await.text("/id").to_owned();
    shop.act(&session, Effect::Dispute).await;
    stack.debit("acme", "in its place", "60").await;
    revoke(stack, "revoke", &grant, "140").await;
    ends(stack, "0").await;
    shop.act(&session, Effect::Win).await;
    // The debit would have used the pack, and the grant's 200 would have been revoked.
    ends(stack, "240").await;
}

#[tokio::test]
async fn what_a_debt_left_of_a_pack_is_not_mixed_with_a_revoked_grant() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    stack.debit("acme", "week", "25").await;
    let revoked = ending(stack, "revoked", "40", 1).await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    // 40 of the grant, and 60 of the pack.
    let debit = stack.debit("acme", "both", "100").await;
    revoke(stack, "revoke", &revoked, "0").await;
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, ("0".into(), "60".into()));
    // 60 of the pack would have been taken back; 40 of the grant would have been revoked.
    let back = refund(stack, &debit, "refund", "100").await;
    assert_eq!(back.text("/returned"), "0");
    assert_eq!(shop.balance("acme").await, ("0".into(), "0".into()));
    shop.act(&session, Effect::Win).await;
    ends(stack, "500").await;
}
