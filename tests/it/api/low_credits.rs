//! Low or exhausted credits are announced once each time an account is filled.

use serde_json::Value;

use crate::api::announcements::check;
use crate::support::shop::Shop;
use crate::support::{Stack, request};

/// The id of a filling: the account, and the time of its latest entry of this kind.
async fn arrived(stack: &Stack, kind: &str) -> String {
    let listing = stack.get(&format!("/v1/accounts/acme/ledger?kind={kind}&limit=1")).await;
    format!("acme:{}", listing.text("/entries/0/at"))
}

/// The events since then about low or exhausted credits: the id, and the amount they compare with.
fn levels(stack: &Stack, known: &mut usize) -> Vec<(String, String)> {
    let events = stack.announced().split_off(*known);
    *known += events.len();
    events.iter().for_each(check);
    let told = ["CreditsLow", "CreditsExhausted"];
    let levels = events.iter().filter(|e| told.iter().any(|name| e["detail-type"] == *name));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    levels.map(|e| (text(&e["detail"]["id"]), text(&e["detail"]["of"]))).collect()
}

/// Spends this many credits, and announces the events of the write.
async fn spend(stack: &Stack, key: &str, credits: &str) {
    assert_eq!(stack.debit("acme", key, credits).await.status, 201, "{key}");
    stack.relay().await;
}

#[tokio::test]
async fn credits_gone_is_announced_once_after_each_arrival() {
    let shop = Shop::streamed().await;
    let (stack, mut known) = (&shop.stack, 0);
    let gone = |filled: &str| (format!("{filled}.exhausted"), String::new());
    stack.open("acme", "free").await;
    spend(stack, "all", "25").await;
    assert_eq!(levels(stack, &mut known), [gone("acme:2026-11-16T00:00:00.000Z")]);
    // A top-up, a grant, a larger plan and a Monday each count as a new filling.
    shop.buy("acme", "buy", "starter").await;
    spend(stack, "what was bought", "500").await;
    assert_eq!(levels(stack, &mut known), [gone(&arrived(stack, "topped_up").await)]);
    stack.grant("acme", "gift", "10").await;
    spend(stack, "the gift", "10").await;
    assert_eq!(levels(stack, &mut known), [gone(&arrived(stack, "granted").await)]);
    let put = request("PUT", "/v1/accounts/acme", Some("pro"), r#"{"plan":"pro"}"#);
    assert_eq!(stack.send(put).await.status, 201);
    spend(stack, "all of the plan", "2500").await;
    assert_eq!(levels(stack, &mut known), [gone(&arrived(stack, "plan_changed").await)]);
    let put = request("PUT", "/v1/accounts/acme", Some("free"), r#"{"plan":"free"}"#);
    assert_eq!(stack.send(put).await.status, 201);
    stack.set_clock("2026-11-25T09:00:00Z");
    spend(stack, "the next week", "25").await;
    // It arrived on Monday, whenever it is written.
    assert_eq!(levels(stack, &mut known), [gone("acme:2026-11-23T00:00:00.000Z")]);
}

#[tokio::test]
async fn without_a_plan_grant_low_is_measured_by_the_latest_purchase() {
    let shop = Shop::streamed().await;
    let (stack, mut known) = (&shop.stack, 0);
    let body = r#"{"plan":"pro","status":"past_due"}"#;
    let put = request("PUT", "/v1/accounts/acme", Some("open"), body);
    assert_eq!(stack.send(put).await.status, 201);
    stack.grant("acme", "gift", "10").await;
    spend(stack, "the gift", "9").await;
    assert_eq!(levels(stack, &mut known), [], "nothing was bought, and one is left");
    shop.buy("acme", "buy", "starter").await;
    let debit = stack.debit("acme", "down to 100", "401").await;
    stack.relay().await;
    let filled = arrived(stack, "topped_up").await;
    let low = |percent: u8, of: &str| (format!("{filled}.low-{percent}"), of.to_owned());
    assert_eq!(levels(stack, &mut known), [low(20, "500")]);
    // A lapsed hold, passing weeks and refunds fill nothing.
    stack.post("/v1/accounts/acme/holds", "hold", r#"{"credits":"1","expires_in_s":60}"#).await;
    stack.set_clock("2026-12-09T09:00:00Z");
    let refund = format!("/v1/accounts/acme/debits/{}/refund", debit.text("/id"));
    let refunded = stack.post(&refund, "refund", r#"{"credits":"5","reason":"black"}"#).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    spend(stack, "down to 100 again", "5").await;
    assert_eq!(levels(stack, &mut known), [low(20, "500")]);
    spend(stack, "all", "100").await;
    assert_eq!(levels(stack, &mut known), [(format!("{filled}.exhausted"), String::new())]);
    shop.buy("acme", "more", "team").await;
    spend(stack, "down to 500", "2000").await;
    let filled = arrived(stack, "topped_up").await;
    let low = (format!("{filled}.low-20"), "2500".to_owned());
    assert_eq!(levels(stack, &mut known), [low]);
}
