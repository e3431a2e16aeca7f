//! Time: credits arrive and expire at the instant, without a job and without a write.

use crate::support::Stack;

#[tokio::test]
async fn the_free_bundle_is_refilled_on_monday_and_not_added_to() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("open", "free").await;
    stack.debit("open", "some", "10").await;
    stack.grant("open", "gift", "7").await;
    stack.set_clock("2026-11-22T23:59:58Z");
    assert_eq!(stack.balance("open").await.text("/available"), "22");
    stack.set_clock("2026-11-23T00:00:00Z");
    stack.wire.take_costs();
    let balance = stack.balance("open").await;
    assert_eq!(balance.text("/available"), "32");
    assert_eq!(balance.text("/consumed/credits"), "0");
    assert_eq!(balance.text("/recharge/at"), "2026-11-30T00:00:00.000Z");
    assert_eq!(stack.wire.take_costs().write_units, 0.0);
    // The new bundle is spent before the gift.
    stack.debit("open", "monday", "30").await;
    let balance = stack.balance("open").await;
    assert_eq!(balance.body["grants"].as_array().map(Vec::len), Some(1));
    assert_eq!(balance.text("/grants/0/remaining"), "2");
}

#[tokio::test]
async fn nobody_spends_last_weeks_credits_on_monday() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("open", "free").await;
    stack.debit("open", "some", "20").await;
    stack.set_clock("2026-11-23T00:00:00Z");
    let receipt = stack.debit("open", "monday", "25").await;
    assert_eq!((receipt.status, receipt.available()), (201, "0"));
    assert_eq!(stack.debit("open", "more", "1").await.code(), "insufficient_credits");
    // The refusal of an account that used up last week's credits knows this week's bundle.
    let next = stack.debit("open", "more", "1").await;
    assert_eq!(next.text("/recharges_at"), "2026-11-30T00:00:00.000Z");
}

#[tokio::test]
async fn a_new_account_gets_its_bundle_at_once_and_not_twice_near_monday() {
    let stack = Stack::at("2026-11-22T23:59:30Z").await;
    stack.open("late", "free").await;
    assert_eq!(stack.balance("late").await.text("/available"), "25");
    stack.debit("late", "some", "5").await;
    stack.set_clock("2026-11-23T00:00:01Z");
    assert_eq!(stack.balance("late").await.text("/available"), "25");
    stack.debit("late", "monday", "5").await;
    assert_eq!(stack.balance("late").await.text("/available"), "20");
    stack.open("early", "free").await;
    assert_eq!(stack.balance("early").await.text("/available"), "25");
}

#[tokio::test]
async fn plan_credits_come_on_the_plans_day_and_clamp_to_short_months() {
    let stack = Stack::at("2027-01-31T09:00:00Z").await;
    stack.open("acme", "pro").await;
    for (before, at, next) in [
        ("2027-02-27T23:59:30Z", "2027-02-28T00:00:00Z", "2027-03-31T00:00:00.000Z"),
        ("2027-03-30T23:59:30Z", "2027-03-31T00:00:00Z", "2027-04-30T00:00:00.000Z"),
        ("2027-04-29T23:59:30Z", "2027-04-30T00:00:00Z", "2027-05-31T00:00:00.000Z"),
    ] {
        stack.set_clock(before);
        stack.debit("acme", &format!("spend {before}"), "100").await;
        assert_eq!(stack.balance("acme").await.text("/available"), "2400");
        stack.set_clock(at);
        let balance = stack.balance("acme").await;
        assert_eq!(balance.text("/available"), "2500", "no rollover");
        assert_eq!(balance.text("/recharge/at"), next);
    }
}

#[tokio::test]
async fn an_account_idle_for_years_has_the_exact_balance() {
    let stack = Stack::at("2026-11-20T10:00:00Z").await;
    stack.open("open", "free").await;
    stack.grant_until("open", "gift", "40", "2027-06-01T00:00:00Z").await;
    stack.grant("open", "kept", "3").await;
    stack.debit("open", "some", "30").await;
    stack.set_clock("2031-11-20T10:00:00Z");
    let balance = stack.balance("open").await;
    // The bundle of this week and the credits that never expire: 35 of the gift expired in 2027.
    assert_eq!(balance.text("/available"), "28");
    let seq = balance.body["seq"].as_u64();
    let receipt = stack.debit("open", "awake", "1").await;
    assert_eq!(receipt.available(), "27");
    // One advance for five years, and the debit.
    assert_eq!(receipt.body["seq"].as_u64(), seq.map(|seq| seq + 2));
}
