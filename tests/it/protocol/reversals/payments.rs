//! Credits taken back with a payment come back grant by grant, as if never taken.

use local::stripe::Effect;
use serde_json::Value;

use super::{hold, refund, sell, then};
use crate::support::Stack;
use crate::support::shop::Shop;

const THURSDAY: &str = "2026-12-31T12:00:00Z";

async fn shop() -> Shop {
    let shop = Shop::at(THURSDAY).await;
    let packs = [("month", 300, 1), ("year", 300, 12), ("years", 300, 24), ("small", 200, 12)];
    sell(&shop.stack, &packs).await;
    shop.stack.set_clock("2026-12-31T12:05:00Z");
    shop.stack.open("acme", "free").await;
    // The week's bundle is spent first.
    spend(&shop.stack, "week", "25").await;
    shop
}

async fn spend(stack: &Stack, key: &str, credits: &str) -> crate::support::Answer {
    let debit = stack.debit("acme", key, credits).await;
    assert_eq!(debit.status, 201, "{debit:?}");
    debit
}

/// The bought grants, soonest expiry first: remaining and amount.
async fn bought(stack: &Stack) -> Vec<(String, String)> {
    let balance = stack.balance("acme").await;
    let grants = balance.body["grants"].as_array().expect("grants").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let bought = grants.filter(|grant| grant["kind"] == "purchased");
    bought.map(|grant| (text(&grant["remaining"]), text(&grant["amount"]))).collect()
}

fn of(grants: &[(&str, &str)]) -> Vec<(String, String)> {
    grants.iter().map(|(left, amount)| ((*left).to_owned(), (*amount).to_owned())).collect()
}

/// No alarm, and these available credits and this debt.
async fn ends(shop: &Shop, available: &str, debt: &str) {
    assert_eq!(shop.balance("acme").await, (available.into(), debt.into()));
    let id = "acme".parse().expect("an account");
    assert_eq!(audit::account(shop.stack.context(), &id).await.expect("audited"), []);
}

#[tokio::test]
async fn winning_a_dispute_returns_credits_spent_in_the_packs_place() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    shop.buy("acme", "b", "year").await;
    shop.stack.set_clock("2027-01-02T12:00:00Z");
    shop.act(&month, Effect::Dispute).await;
    ends(&shop, "300", "0").await;
    shop.stack.set_clock("2027-01-05T12:00:00Z");
    spend(&shop.stack, "b", "225").await;
    shop.stack.set_clock("2027-01-20T12:00:00Z");
    shop.act(&month, Effect::Win).await;
    assert_eq!(bought(&shop.stack).await, of(&[("100", "300"), ("300", "300")]));
    ends(&shop, "425", "0").await;
}

#[tokio::test]
async fn credits_that_repaid_a_debt_come_back_as_their_own_grant() {
    // The first pack has expired or not when its dispute is won: its credits were all spent.
    for won in ["2027-01-20T12:00:00Z", "2027-02-20T12:00:00Z"] {
        let shop = shop().await;
        let (_, month) = shop.buy("acme", "a", "month").await;
        spend(&shop.stack, "all", "300").await;
        shop.buy("acme", "b", "year").await;
        shop.act(&month, Effect::Dispute).await;
        assert_eq!(bought(&shop.stack).await, []);
        ends(&shop, "0", "0").await;
        shop.stack.set_clock(won);
        shop.act(&month, Effect::Win).await;
        assert_eq!(bought(&shop.stack).await, of(&[("300", "300")]), "{won}");
        ends(&shop, "325", "0").await;
        // The grant has the second pack's end.
        shop.stack.set_clock("2027-12-31T23:59:00Z");
        ends(&shop, "325", "0").await;
        shop.stack.set_clock("2028-01-01T00:00:00Z");
        ends(&shop, "25", "0").await;
    }
}

#[tokio::test]
async fn a_waiver_of_a_debt_no_longer_owed_gives_nothing() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    let debit = spend(&shop.stack, "all", "300").await;
    shop.act(&month, Effect::Dispute).await;
    let (_, year) = shop.buy("acme", "b", "year").await;
    // A third of the money for the second pack goes back: its credits repaid a debt, and none are
    // left to take.
    shop.act(&year, Effect::Refund { minor: Some(1_000) }).await;
    ends(&shop, "0", "100").await;
    let reason = r#"{"reason":"let it be"}"#;
    let waived = shop.stack.post("/v1/accounts/acme/debt/waive", "waive", reason).await;
    assert_eq!(waived.text("/credits"), "100");
    shop.act(&month, Effect::Win).await;
    // 300 repaid: 100 of them would not have been there, and would not have been waived.
    assert_eq!(bought(&shop.stack).await, of(&[("200", "300")]));
    ends(&shop, "200", "0").await;
    // The spent credits were paid for after all.
    refund(&shop.stack, &debit, "refund", "300").await;
    ends(&shop, "500", "0").await;
}

#[tokio::test]
async fn repayments_of_a_debt_come_back_and_waivers_do_not() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    spend(&shop.stack, "all", "300").await;
    shop.act(&month, Effect::Dispute).await;
    ends(&shop, "0", "300").await;
    shop.buy("acme", "b", "small").await;
    ends(&shop, "0", "100").await;
    let reason = r#"{"reason":"let it be"}"#;
    let waived = shop.stack.post("/v1/accounts/acme/debt/waive", "waive", reason).await;
    assert_eq!(waived.text("/credits"), "100");
    ends(&shop, "0", "0").await;
    shop.act(&month, Effect::Win).await;
    assert_eq!(bought(&shop.stack).await, of(&[("200", "200")]));
    ends(&shop, "200", "0").await;
}

#[tokio::test]
async fn a_refund_of_waived_credits_returns_nothing() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    let debit = spend(&shop.stack, "all", "300").await;
    shop.act(&month, Effect::Dispute).await;
    let reason = r#"{"reason":"let it be"}"#;
    assert_eq!(shop.stack.post("/v1/accounts/acme/debt/waive", "w", reason).await.status, 201);
    let refunded = refund(&shop.stack, &debit, "refund", "300").await;
    assert_eq!(refunded.text("/returned"), "0");
    ends(&shop, "0", "0").await;
    shop.act(&month, Effect::Win).await;
    // Both are undone: neither spent nor taken back.
    assert_eq!(bought(&shop.stack).await, of(&[("300", "300")]));
    ends(&shop, "300", "0").await;
}

/// Without the debit, the whole pack would have been taken back and nothing would be owed.
#[tokio::test]
async fn refunding_the_debit_behind_a_repaid_debt_returns_the_repayment() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    let debit = spend(&shop.stack, "some", "100").await;
    shop.act(&month, Effect::Refund { minor: None }).await;
    ends(&shop, "0", "100").await;
    shop.buy("acme", "b", "year").await;
    ends(&shop, "200", "0").await;
    refund(&shop.stack, &debit, "refund", "100").await;
    assert_eq!(bought(&shop.stack).await, of(&[("300", "300")]));
    ends(&shop, "300", "0").await;
}

#[tokio::test]
async fn a_refund_failing_in_parts_undoes_the_latest_part_first() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    spend(&shop.stack, "some", "200").await;
    // 100 are taken and 50 owed; then 100 more are owed, and 150 repaid.
    shop.act(&month, Effect::Refund { minor: Some(1_500) }).await;
    ends(&shop, "0", "50").await;
    shop.act(&month, Effect::Refund { minor: Some(1_000) }).await;
    ends(&shop, "0", "150").await;
    shop.buy("acme", "b", "year").await;
    ends(&shop, "150", "0").await;
    shop.act(&month, Effect::FailRefund).await;
    assert_eq!(bought(&shop.stack).await, of(&[("250", "300")]));
    ends(&shop, "250", "0").await;
}

/// Held credits of a pack count as used. When they are released, they repay the debt and come back
/// later.
#[tokio::test]
async fn debt_repaid_from_a_released_hold_comes_back_to_the_pack() {
    let shop = shop().await;
    let (_, month) = shop.buy("acme", "a", "month").await;
    let held = hold(&shop.stack, "hold", r#"{"credits":"200"}"#).await;
    shop.act(&month, Effect::Dispute).await;
    ends(&shop, "0", "200").await;
    let captured = then(&shop.stack, &held, "capture", "c", r#"{"credits":"20"}"#).await;
    assert_eq!(captured.status, 201);
    ends(&shop, "0", "20").await;
    shop.act(&month, Effect::Win).await;
    assert_eq!(bought(&shop.stack).await, of(&[("280", "300")]));
    ends(&shop, "280", "0").await;
}

/// Debts are repaid in the order in which they were made.
#[tokio::test]
async fn the_oldest_debt_is_repaid_first() {
    let shop = shop().await;
    let (_, first) = shop.buy("acme", "a", "month").await;
    let (_, second) = shop.buy("acme", "b", "year").await;
    spend(&shop.stack, "all", "600").await;
    shop.act(&second, Effect::Dispute).await;
    shop.act(&first, Effect::Dispute).await;
    ends(&shop, "0", "600").await;
    shop.buy("acme", "c", "years").await;
    ends(&shop, "0", "300").await;
    // The second debt was repaid: the first is still owed, until the repaying credits are back.
    shop.act(&second, Effect::Win).await;
    ends(&shop, "0", "0").await;
    shop.act(&first, Effect::Win).await;
    assert_eq!(bought(&shop.stack).await, of(&[("300", "300")]));
    ends(&shop, "300", "0").await;
}

/// Twice a partial refund of the pack fails after the debit is refunded in part. No bought credit
/// disappears.
#[tokio::test]
async fn a_pack_taken_back_repeatedly_keeps_its_amount() {
    let shop = shop().await;
    let (_, year) = shop.buy("acme", "a", "year").await;
    let debit = spend(&shop.stack, "some", "30").await;
    for _ in 0..2 {
        shop.act(&year, Effect::Refund { minor: Some(1_500) }).await;
        refund(&shop.stack, &debit, &format!("refund {}", shop.balance("acme").await.0), "15")
            .await;
        shop.act(&year, Effect::FailRefund).await;
    }
    assert_eq!(bought(&shop.stack).await, of(&[("300", "300")]));
    ends(&shop, "300", "0").await;
}
