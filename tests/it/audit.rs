//! The audit: silent on a table that is whole, also while debits go on, and one micro-credit off
//! anywhere is found and named.

use ::audit::Difference;
use local::stripe::Deed;

use crate::support::Stack;
use crate::support::shop::Shop;

/// A shop in which everything has happened that an account can live through.
pub async fn story() -> Shop {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.open("idle", "free").await;
    stack.grant("acme", "welcome", "100").await;
    for n in 0..40 {
        stack.action("acme", &format!("video {n}"), "dynamic_video", 1).await;
        stack.debit("acme", &stack.id(0).to_string(), "0.000001").await;
    }
    hold(stack, "captured", "4").await;
    let hold = hold(stack, "open", "2").await;
    capture(stack, &hold, "a part", r#"{"credits":"0.5","final":false}"#).await;
    let debit = stack.debit("acme", "to refund", "3").await.text("/id").to_owned();
    refund(stack, &debit, "first", "1").await;
    let (_, session) = shop.buy("acme", "pack", "starter").await;
    shop.act(&session, Deed::Refund { minor: Some(700) }).await;
    stack.set_clock("2026-11-24T12:00:00Z");
    refund(stack, &debit, "second", "1.5").await;
    stack.debit("acme", "after monday", "2").await;
    let body = r#"{"reason":"a look"}"#;
    for what in ["freeze", "unfreeze"] {
        let path = format!("/v1/accounts/acme/{what}");
        assert_eq!(stack.post(&path, what, body).await.status, 201);
    }
    stack.relay().await;
    self::hold(stack, "still open", "7").await;
    shop
}

async fn hold(stack: &Stack, key: &str, credits: &str) -> String {
    let body = format!(r#"{{"credits":"{credits}","expires_in_s":86400}}"#);
    let held = stack.post("/v1/accounts/acme/holds", key, &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held.text("/id").to_owned()
}

async fn capture(stack: &Stack, hold: &str, key: &str, body: &str) {
    let path = format!("/v1/accounts/acme/holds/{hold}/capture");
    let captured = stack.post(&path, key, body).await;
    assert_eq!(captured.status, 201, "{captured:?}");
}

async fn refund(stack: &Stack, debit: &str, key: &str, credits: &str) {
    let body = format!(r#"{{"credits":"{credits}","reason":"it failed"}}"#);
    let path = format!("/v1/accounts/acme/debits/{debit}/refund");
    let refunded = stack.post(&path, key, &body).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
}

/// What the audit finds, Stripe included.
async fn audited(shop: &Shop) -> Vec<Difference> {
    let functions = &shop.stack.functions;
    let report = local::audit::run(functions.world(), Some(functions.stripe()), None).await;
    report.expect("an answer").differences
}

#[tokio::test]
async fn an_account_that_lived_through_everything_is_whole_and_nothing_is_written() {
    let shop = story().await;
    shop.stack.wire.take_costs();
    assert_eq!(audited(&shop).await, []);
    let costs = shop.stack.wire.take_costs();
    assert_eq!(costs.write_units, 0.0);
    println!("2 accounts, one of some 110 entries: {costs:?}");
}
