//! Payments over HTTP: credits bought, spent, refunded, disputed and parked.

use crate::support::catalogs::files;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use local::stripe::Effect;
use serde_json::Value;

use crate::support::instant;
use crate::support::shop::Shop;
use crate::support::{Stack, ledger, request};

fn pair(available: &str, debt: &str) -> (String, String) {
    (available.to_owned(), debt.to_owned())
}

/// Every entry sums to the balance, and the changes of debt to the debt.
async fn assert_sums(stack: &Stack, account: &str) {
    let entries = ledger(&stack.functions, account).await.expect("a ledger");
    let micro = |value: &Value| -> i64 {
        let Some(text) = value.as_str() else { return 0 };
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let decimals: i64 = format!("{decimals:0<6}").parse().expect("digits");
        whole.parse::<i64>().expect("digits") * 1_000_000 + sign * decimals
    };
    let sum = |field: &str| entries.iter().map(|entry| micro(&entry[field])).sum::<i64>();
    let balance = stack.balance(account).await.body;
    assert_eq!(sum("available"), micro(&balance["available"]), "{entries:#?}");
    assert_eq!(sum("debt"), micro(&balance["debt"]), "{entries:#?}");
}

#[tokio::test]
async fn a_customer_out_of_credits_buys_more_and_continues() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    assert_eq!(shop.stack.debit("acme", "a", "30").await.code(), "insufficient_credits");
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    assert_eq!(shop.state("acme", &order).await, pair("open", "0"));
    shop.act(&session, Effect::Decline).await;
    assert_eq!(shop.state("acme", &order).await, pair("open", "0"));
    shop.act(&session, Effect::Pay).await;
    assert_eq!(shop.state("acme", &order).await, pair("credited", "500"));
    assert_eq!(shop.balance("acme").await, pair("525", "0"));
    assert_eq!(shop.stack.debit("acme", "a", "30").await.status, 201);
    // Free credits were used first.
    let balance = shop.stack.balance("acme").await;
    let bought = balance.body["grants"].as_array().expect("grants").last().expect("one").clone();
    assert_eq!((&bought["kind"], &bought["remaining"]), (&"purchased".into(), &"495".into()));
    let expires_at = bought["expires_at"].as_str().expect("an instant");
    assert_eq!(expires_at, "2027-11-19T00:00:00.000Z", "with the day a year later");
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn a_repeated_checkout_is_the_same_checkout() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let first = shop.order("acme", "buy", "starter").await;
    let second = shop.order("acme", "buy", "starter").await;
    assert!(!first.replayed && second.replayed);
    assert_eq!(first.body, second.body);
    assert_eq!(shop.order("acme", "buy", "team").await.code(), "operation_reused");
    assert_eq!(shop.order("acme", "other", "nothing").await.code(), "unknown_pack");
}

#[tokio::test]
async fn a_refund_takes_credits_in_proportion_and_spent_ones_are_debt() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "standard").await;
    let put = request("PUT", "/v1/accounts/acme", Some("up"), r#"{"plan":"pro"}"#);
    assert_eq!(shop.stack.send(put).await.status, 201);
    let all = shop.balance("acme").await.0;
    assert_eq!(shop.stack.debit("acme", "all", &all).await.status, 201);
    let (order, session) = shop.buy("acme", "buy", "starter").await;
    // 1000 of 4900 cents: 102.040816 credits.
    shop.act(&session, Effect::Refund { minor: Some(1000) }).await;
    assert_eq!(shop.balance("acme").await, pair("397.959183", "0"));
    assert_eq!(shop.state("acme", &order).await, pair("credited", "397.959183"));
    assert_eq!(shop.stack.debit("acme", "some", "300").await.status, 201);
    shop.act(&session, Effect::Refund { minor: None }).await;
    assert_eq!(shop.balance("acme").await, pair("0", "300"));
    assert_sums(&shop.stack, "acme").await;
    // The bank returns the second refund: the debt is gone, and the remaining credits are back.
    shop.act(&session, Effect::FailRefund).await;
    assert_eq!(shop.balance("acme").await, pair("97.959183", "0"));
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn the_next_top_up_repays_the_debt_first() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    assert_eq!(shop.stack.debit("acme", "a", "525").await.status, 201);
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, pair("0", "500"));
    let (_, _) = shop.buy("acme", "again", "team").await;
    assert_eq!(shop.balance("acme").await, pair("2000", "0"));
    shop.act(&session, Effect::Win).await;
    assert_eq!(shop.balance("acme").await, pair("2500", "0"));
    // After a won dispute a refund takes all of its credits.
    shop.act(&session, Effect::Refund { minor: None }).await;
    assert_eq!(shop.balance("acme").await, pair("2000", "0"));
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn a_debt_is_waived_with_a_reason_and_once() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    assert_eq!(shop.stack.debit("acme", "a", "525").await.status, 201);
    shop.act(&session, Effect::Dispute).await;
    shop.act(&session, Effect::Lose).await;
    let path = "/v1/accounts/acme/debt/waive";
    let waived = shop.stack.post(path, "waive", r#"{"reason":"a good customer"}"#).await;
    assert_eq!((waived.status, waived.text("/credits")), (201, "500"));
    let again = shop.stack.post(path, "waive", r#"{"reason":"a good customer"}"#).await;
    assert!(again.replayed);
    let more = shop.stack.post(path, "more", r#"{"reason":"a good customer"}"#).await;
    assert_eq!(more.code(), "no_debt");
    assert_eq!(shop.balance("acme").await, pair("0", "0"));
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn held_credits_stay_held_when_a_payment_is_reversed() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    assert_eq!(shop.stack.debit("acme", "free", "25").await.status, 201);
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    let hold = shop.stack.post("/v1/accounts/acme/holds", "hold", r#"{"credits":"200"}"#).await;
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, pair("0", "200"));
    let release = format!("/v1/accounts/acme/holds/{}/release", hold.text("/id"));
    assert_eq!(shop.stack.post(&release, "release", "{}").await.status, 201);
    // Released from the hold and still owed: the next advance takes them.
    shop.act(&session, Effect::Win).await;
    assert_eq!(shop.balance("acme").await, pair("500", "0"));
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn a_delayed_payment_credits_only_when_it_is_paid() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.act(&session, Effect::PayLater).await;
    assert_eq!(shop.state("acme", &order).await, pair("processing", "0"));
    assert_eq!(shop.balance("acme").await, pair("25", "0"));
    shop.act(&session, Effect::Arrive).await;
    assert_eq!(shop.state("acme", &order).await, pair("credited", "500"));
    let (order, session) = shop.begin("acme", "fails", "starter").await;
    shop.act(&session, Effect::PayLater).await;
    shop.act(&session, Effect::Fail).await;
    assert_eq!(shop.state("acme", &order).await, pair("failed", "0"));
    let (order, session) = shop.begin("acme", "expires", "starter").await;
    shop.act(&session, Effect::Expire).await;
    assert_eq!(shop.state("acme", &order).await, pair("expired", "0"));
    assert_eq!(shop.balance("acme").await, pair("525", "0"));
}

#[tokio::test]
async fn an_account_that_cannot_spend_cannot_buy_but_paid_credits_arrive() {
    let shop = Shop::noon().await;
    shop.stack.open("basic", "standard").await;
    assert_eq!(shop.order("basic", "buy", "starter").await.code(), "plan_required");
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    let freeze = shop.stack.post("/v1/accounts/acme/freeze", "f", r#"{"reason":"test"}"#).await;
    assert_eq!(freeze.status, 201);
    assert_eq!(shop.order("acme", "more", "starter").await.code(), "account_frozen");
    shop.act(&session, Effect::Pay).await;
    assert_eq!(shop.state("acme", &order).await, pair("credited", "500"));
    assert_eq!(shop.stack.debit("acme", "a", "1").await.code(), "account_frozen");
}

#[tokio::test]
async fn only_a_session_that_may_buy_buys_and_sees_only_its_own_orders() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    shop.stack.open("other", "free").await;
    let view = shop.token("acme", r#""view""#).await;
    let body = r#"{"pack":"starter"}"#;
    let refused = shop.ask(&view, "POST", "/v1/me/checkouts", Some("k"), body).await;
    assert_eq!((refused.status, refused.code()), (403, "scope_required"));
    let (order, _) = shop.begin("acme", "buy", "starter").await;
    let token = shop.token("other", r#""view","buy""#).await;
    let path = format!("/v1/me/checkouts/{order}");
    assert_eq!(shop.ask(&token, "GET", &path, None, "").await.code(), "checkout_not_found");
    let packs = shop.ask(&view, "GET", "/v1/me/packs", None, "").await;
    assert_eq!(packs.text("/packs/0/pack"), "starter");
    assert_eq!(packs.body["packs"][0]["price_per_credit_micro"], 9_800_000);
}

#[tokio::test]
async fn spending_in_debt_is_blocked_until_repaid_if_the_catalog_says_so() {
    let text = shared::domain::Catalog::DEFAULT;
    let next = text.replace("version = 1", "version = 2");
    let dated = r#"spending_in_debt = [{ is = true }, { from = "2026-11-23", is = false }]"#;
    let next = next.replace("spending_in_debt = true", dated);
    let shop = Shop::noon().await;
    let current = shared::domain::Catalog::parse(&files(text)).expect("the default");
    let change = shared::decide::catalog_version::publish(
        &current,
        &files(&*next),
        instant("2026-11-18T12:00:00Z"),
    )
    .expect("it may follow");
    shop.stack.context().store.commit(&change).await.expect("published");
    shop.stack.set_clock("2026-11-18T12:02:00Z");
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    assert_eq!(shop.stack.debit("acme", "a", "515").await.status, 201);
    shop.act(&session, Effect::Refund { minor: None }).await;
    // 10 of the bought credits were left.
    assert_eq!(shop.balance("acme").await, pair("0", "490"));
    shop.stack.set_clock("2026-11-23T00:00:01Z");
    assert_eq!(shop.balance("acme").await, pair("25", "490"));
    let refused = shop.stack.debit("acme", "b", "1").await;
    assert_eq!((refused.status, refused.code()), (402, "debt_outstanding"));
    assert_eq!(refused.text("/debt"), "490");
    assert_eq!(shop.stack.balance("acme").await.text("/gate"), "debt_outstanding");
    shop.buy("acme", "again", "starter").await;
    assert_eq!(shop.stack.debit("acme", "b", "1").await.status, 201);
    assert_sums(&shop.stack, "acme").await;
}

#[tokio::test]
async fn a_payment_missed_by_the_webhook_is_found_by_reconcile() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (order, session) = shop.begin("acme", "buy", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    shop.stripe.take_events();
    let run = || async {
        let functions = &shop.stack.functions;
        reconcile::compare(functions.context(), functions.stripe()).await.expect("reconciled")
    };
    let report = run().await;
    assert_eq!(report.found.len(), 1, "{report:?}");
    assert_eq!(report.found[0].after.to_string(), "500");
    assert_eq!(shop.state("acme", &order).await, pair("credited", "500"));
    shop.stripe.act(&session, Effect::Refund { minor: Some(2450) }).expect("refunded");
    shop.stripe.act(&session, Effect::Dispute).expect("disputed");
    shop.stripe.take_events();
    let report = run().await;
    assert_eq!(shop.balance("acme").await, pair("25", "0"), "{report:?}");
    assert!(run().await.found.is_empty());
}

#[tokio::test]
async fn a_payment_of_a_missing_account_does_not_block_reconciliation() {
    let shop = Shop::noon().await;
    for account in ["gone", "acme"] {
        shop.stack.open(account, "free").await;
        let (_, session) = shop.begin(account, "buy", "starter").await;
        shop.stripe.act(&session, Effect::Pay).expect("paid");
    }
    shop.stripe.take_events();
    let delete = Delete::builder().table_name(local::tables::names().accounts);
    let delete = delete.key("a", AttributeValue::S("gone".to_owned())).build().expect("a delete");
    let write = shop.stack.tables().transact_write_items();
    let write = write.transact_items(TransactWriteItem::builder().delete(delete).build());
    write.send().await.expect("deleted");
    let functions = &shop.stack.functions;
    let report = reconcile::compare(functions.context(), functions.stripe()).await.expect("an end");
    assert!(report.unjoined > 0, "{report:?}");
    assert_eq!(shop.balance("acme").await, pair("525", "0"));
}
