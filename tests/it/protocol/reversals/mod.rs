//! Reversals: credits that leave an account and come back leave every grant as if they had never
//! left, whatever happened in between.

mod payments;
mod random_lives;
mod read_lives;
mod revocations;
mod skipped_entries;

use crate::support::catalogs::files;
use local::stripe::Effect;
use shared::decide::catalog_version;
use shared::domain::Catalog;

use crate::support::shop::Shop;
use crate::support::{Answer, Stack, request};

const SUNDAY: &str = "2026-11-22T12:00:00Z";
const MONDAY: &str = "2026-11-23T12:00:00Z";

async fn refund(stack: &Stack, debit: &Answer, key: &str, credits: &str) -> Answer {
    let body = format!(r#"{{"credits":"{credits}","reason":"it failed"}}"#);
    let path = format!("/v1/accounts/acme/debits/{}/refund", debit.text("/id"));
    let refunded = stack.post(&path, key, &body).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    refunded
}

async fn hold(stack: &Stack, key: &str, body: &str) -> Answer {
    let held = stack.post("/v1/accounts/acme/holds", key, body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held
}

async fn then(stack: &Stack, hold: &Answer, effect: &str, key: &str, body: &str) -> Answer {
    stack.post(&format!("/v1/accounts/acme/holds/{}/{effect}", hold.text("/id")), key, body).await
}

/// Publishes these packs: names, credits at ten cents each, and the months after which they expire.
async fn sell(stack: &Stack, packs: &[(&str, u32, u32)]) {
    let mut text = Catalog::DEFAULT.replace("version = 1", "version = 2");
    for (name, credits, months) in packs {
        text.push_str(&format!(
            "\n[packs.{name}]\ncredits = \"{credits}\"\nprice_minor = {credits}0\n\
             currency = \"usd\"\nexpires_after_months = {months}\n"
        ));
    }
    let context = stack.context();
    let publish =
        catalog_version::publish(&*context.catalog().await, &files(&*text), context.clock.now())
            .expect("it follows");
    context.store.commit(&publish).await.expect("published");
}

/// The event between two debits, which may advance the burn order.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    AHoldLapses,
    AGrantIsSpent,
}

#[tokio::test]
async fn refunded_bought_credits_come_back_whatever_advanced_between() {
    for between in [Between::Nothing, Between::AHoldLapses, Between::AGrantIsSpent] {
        let shop = Shop::at(SUNDAY).await;
        let stack = &shop.stack;
        stack.open("acme", "free").await;
        shop.buy("acme", "buy", "starter").await;
        // 25 of the week and 19 bought.
        let debit = stack.debit("acme", "some", "44").await;
        match between {
            Between::Nothing => {}
            Between::AHoldLapses => {
                hold(stack, "hold", r#"{"credits":"1","expires_in_s":1}"#).await;
                stack.set_clock("2026-11-22T12:01:00Z");
                // A request that needs the held credits advances the account.
                assert_eq!(stack.debit("acme", "all", "482").await.code(), "insufficient_credits");
            }
            Between::AGrantIsSpent => {
                stack.grant("acme", "one", "1").await;
                assert_eq!(stack.debit("acme", "it", "1").await.status, 201);
            }
        }
        // A grant without an end is spent last: it changes nothing.
        let more = match between {
            Between::AGrantIsSpent => "229",
            _ => "230",
        };
        assert_eq!(stack.debit("acme", "more", more).await.status, 201);
        stack.set_clock(MONDAY);
        let refunded = refund(stack, &debit, "refund", "44").await;
        assert_eq!(refunded.text("/returned"), "44", "{between:?}");
        let expected = if matches!(between, Between::AGrantIsSpent) { "321" } else { "320" };
        assert_eq!(stack.balance("acme").await.text("/available"), expected, "{between:?}");
    }
}

/// Credits to refund, and the number of the debit.
type Part = (&'static str, usize);

/// Without the first debit, the second would have used 10 credits of the week, and the other 15
/// would have expired on Monday.
#[tokio::test]
async fn partial_refunds_in_any_order_give_the_same_balance() {
    let (thirty, ten) = (("30", 0), ("10", 1));
    let scripts: [(&[Part], [&str; 3]); 5] = [
        (&[thirty], ["15", "", ""]),
        (&[("12", 0), ("18", 0)], ["12", "3", ""]),
        (&[thirty, ten], ["15", "0", ""]),
        (&[ten, thirty], ["10", "5", ""]),
        (&[("12", 0), ten, ("18", 0)], ["12", "3", "0"]),
    ];
    for (script, returned) in scripts {
        let stack = Stack::at(SUNDAY).await;
        stack.open("acme", "free").await;
        stack.grant("acme", "pack", "100").await;
        let debits = [stack.debit("acme", "a", "30").await, stack.debit("acme", "b", "10").await];
        stack.set_clock(MONDAY);
        for (n, ((credits, debit), returned)) in script.iter().zip(returned).enumerate() {
            let refunded = refund(&stack, &debits[*debit], &format!("refund {n}"), credits).await;
            assert_eq!(refunded.text("/returned"), returned, "{n} of {script:?}");
        }
        assert_eq!(stack.balance("acme").await.text("/available"), "125", "{script:?}");
    }
}

#[tokio::test]
async fn a_captured_hold_is_refunded_like_a_debit() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let held = hold(&stack, "hold", r#"{"credits":"10"}"#).await;
    let part = then(&stack, &held, "capture", "part", r#"{"credits":"4","final":false}"#).await;
    assert_eq!(refund(&stack, &part, "refund", "3").await.available(), "18");
    let over = stack
        .post(
            &format!("/v1/accounts/acme/debits/{}/refund", part.text("/id")),
            "over",
            r#"{"credits":"1.5","reason":"too much"}"#,
        )
        .await;
    assert_eq!((over.code(), over.text("/charged")), ("refund_exceeded", "4"));
    let rest = then(&stack, &held, "capture", "rest", r#"{"credits":"6"}"#).await;
    assert_eq!(refund(&stack, &rest, "refund all", "6").await.available(), "24");
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "1");
    assert_eq!(stack.get("/v1/accounts/acme/usage").await.text("/credits"), "1");
}

/// On a plan whose Mondays bring nothing, the refund itself writes the advance that records the
/// debits before the expiry.
#[tokio::test]
async fn expired_credits_do_not_come_back_on_a_plan_without_weeks() {
    let stack = Stack::at("2026-11-02T12:00:00Z").await;
    stack.open("acme", "pro").await;
    stack.grant_until("acme", "promo", "100", "2026-11-04T12:00:00Z").await;
    let debit = stack.debit("acme", "all of it", "100").await;
    stack.grant("acme", "one", "1").await;
    assert_eq!(stack.debit("acme", "advances", "1").await.status, 201);
    // One of the 100 would have been spent before they expired, in place of one of the plan's.
    for (at, returned) in [("2026-11-05T12:00:00Z", "1"), ("2026-11-10T12:00:00Z", "0")] {
        stack.set_clock(at);
        let refunded = refund(&stack, &debit, at, "50").await;
        assert_eq!((refunded.text("/returned"), refunded.available()), (returned, "2501"));
    }
}

/// Clocks of handlers differ by seconds. One refunds a grant that its clock says is valid, after
/// another has debited past the expiry.
#[tokio::test]
async fn out_of_order_timestamps_near_an_expiry_keep_debits_refundable() {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    stack.grant_until("acme", "ends", "10", "2026-11-20T12:00:00Z").await;
    let first = stack.debit("acme", "all of it", "10").await;
    stack.set_clock("2026-11-19T12:00:00Z");
    stack.grant("acme", "advances", "1").await;
    stack.set_clock("2026-11-20T12:00:01Z");
    let second = stack.debit("acme", "by a fast clock", "5").await;
    stack.set_clock("2026-11-20T11:59:58Z");
    assert_eq!(refund(&stack, &first, "by a right one", "10").await.text("/returned"), "10");
    stack.set_clock("2026-11-20T12:01:00Z");
    assert_eq!(refund(&stack, &second, "later", "2").await.status, 201);
}

/// A handler with a fast clock makes the hold, and one with a right clock captures it.
#[tokio::test]
async fn a_hold_captured_before_its_own_timestamp_counts_as_captured() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.set_clock("2026-11-18T12:00:02Z");
    let held = hold(&stack, "hold", r#"{"credits":"5"}"#).await;
    stack.set_clock("2026-11-18T12:00:00Z");
    then(&stack, &held, "capture", "all", r#"{"credits":"5"}"#).await;
    let late = then(&stack, &held, "capture", "again", r#"{"credits":"5"}"#).await;
    assert_eq!((late.code(), late.text("/ended")), ("hold_ended", "captured"));
}

/// A hold keeps its credits of a past week. Once they are captured and refunded, they expire.
#[tokio::test]
async fn held_credits_of_an_expired_grant_do_not_come_back() {
    let stack = Stack::at("2026-11-22T23:59:00Z").await;
    stack.open("acme", "free").await;
    stack.grant("acme", "stays", "10").await;
    let held = hold(&stack, "hold", r#"{"credits":"30"}"#).await;
    stack.set_clock("2026-11-23T00:00:30Z");
    let captured = then(&stack, &held, "capture", "capture", r#"{"credits":"30"}"#).await;
    assert_eq!((captured.status, captured.available()), (201, "30"));
    let refunded = refund(&stack, &captured, "refund", "30").await;
    assert_eq!((refunded.text("/returned"), refunded.available()), ("5", "35"));
}

#[tokio::test]
async fn refunded_credits_repay_an_open_debt() {
    for effect in ["release", "capture", "lapse", "refund"] {
        let shop = Shop::noon().await;
        let stack = &shop.stack;
        stack.open("acme", "free").await;
        let (_, session) = shop.buy("acme", "buy", "starter").await;
        let free = stack.debit("acme", "free", "25").await;
        let debit = stack.debit("acme", "paid", "100").await;
        let held = hold(stack, "hold", r#"{"credits":"400","expires_in_s":60}"#).await;
        shop.act(&session, Effect::Dispute).await;
        assert_eq!(shop.balance("acme").await, ("0".into(), "500".into()));
        let owes = match effect {
            "release" => {
                assert_eq!(then(stack, &held, "release", "r", "{}").await.status, 201);
                "100"
            }
            "capture" => {
                let body = r#"{"credits":"20"}"#;
                assert_eq!(then(stack, &held, "capture", "c", body).await.status, 201);
                "120"
            }
            "lapse" => {
                stack.set_clock("2026-11-18T12:02:00Z");
                "100"
            }
            _ => {
                refund(stack, &debit, "refund", "100").await;
                "400"
            }
        };
        assert_eq!(shop.balance("acme").await, ("0".into(), owes.into()), "{effect}");
        // When the debt is repaid the gate opens.
        let refused = stack.debit("acme", "no", "1").await;
        assert_eq!(refused.code(), "insufficient_credits", "{effect}");
        // The other debit would have burnt the 25 of the
        // week: 25 of the pack come back, and repay debt.
        refund(stack, &free, "free back", "25").await;
        let owes = owes.parse::<u32>().expect("a number") - 25;
        assert_eq!(shop.balance("acme").await, ("0".into(), owes.to_string()), "{effect}");
    }
}

/// Credits that arrive ten minutes after a pack expired at noon do not repay its debt, with or
/// without a read in between.
#[tokio::test]
async fn changes_apply_in_time_order_whether_or_not_anyone_reads() {
    let mut ends = Vec::new();
    for looks in [false, true] {
        let shop = Shop::at("2026-11-18T11:00:00Z").await;
        let stack = &shop.stack;
        stack.open("acme", "standard").await;
        stack.grant_until("acme", "ends at noon", "7", "2026-11-18T12:00:00Z").await;
        let body = r#"{"credits":"9","reason":"x"}"#;
        stack.set_clock("2026-11-18T12:05:00Z");
        if looks {
            stack.post("/v1/accounts/acme/freeze", "look", r#"{"reason":"x"}"#).await;
            stack.post("/v1/accounts/acme/unfreeze", "look again", r#"{"reason":"x"}"#).await;
            stack.debit("acme", "advances", "1").await;
        }
        stack.set_clock("2026-11-18T12:10:00Z");
        stack.post("/v1/accounts/acme/grants", "later", body).await;
        let put = r#"{"plan":"free"}"#;
        let put = request("PUT", "/v1/accounts/acme", Some("plan"), put);
        assert_eq!(stack.send(put).await.status, 201);
        stack.set_clock("2026-11-18T12:20:00Z");
        let balance = stack.balance("acme").await;
        let grants = balance.body["grants"].as_array().expect("grants").iter();
        let grants: Vec<_> = grants.map(|g| (g["kind"].clone(), g["remaining"].clone())).collect();
        ends.push((balance.text("/available").to_owned(), grants));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].0, "34");
}

/// A balance shows what the next advance will write. Reading it twice, or advancing in between,
/// does not change it.
#[tokio::test]
async fn released_and_new_credits_repay_debt_at_once() {
    let shop = Shop::at(SUNDAY).await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "one", "starter").await;
    assert_eq!(stack.debit("acme", "all", "525").await.status, 201);
    shop.buy("acme", "two", "starter").await;
    hold(stack, "hold", r#"{"credits":"500","expires_in_s":86400}"#).await;
    shop.act(&session, Effect::Dispute).await;
    assert_eq!(shop.balance("acme").await, ("0".into(), "500".into()));
    stack.set_clock("2026-11-23T00:00:01Z");
    let balance = shop.balance("acme").await;
    // A refused debit still advances the account.
    assert_eq!(stack.debit("acme", "more", "26").await.status, 402);
    assert_eq!(balance, shop.balance("acme").await);
}

#[tokio::test]
async fn partial_captures_end_a_hold_once_all_is_captured() {
    let stack = Stack::noon().await;
    let text = Catalog::DEFAULT.replace("per = 2", "per = 3\nrounding = \"up\"");
    let text = text.replace("version = 1", "version = 2");
    let context = stack.context();
    let publish =
        catalog_version::publish(&*context.catalog().await, &files(&*text), context.clock.now());
    let publish = publish.expect("it follows");
    context.store.commit(&publish).await.expect("published");
    stack.set_clock("2026-11-18T12:05:00Z");
    stack.open("acme", "pro").await;
    // 3 units at a third of a credit each.
    let held = hold(&stack, "hold", r#"{"action":"custom_image","quantity":3}"#).await;
    assert_eq!(held.text("/balance/held"), "1");
    for (key, last) in [("1", false), ("2", false), ("3", true)] {
        let body = r#"{"quantity":1,"final":false}"#;
        let part = then(&stack, &held, "capture", key, body).await;
        assert_eq!((part.text("/credits"), &part.body["final"]), ("0.333333", &last.into()));
    }
    let balance = stack.balance("acme").await;
    assert_eq!((balance.text("/available"), balance.text("/held")), ("2499.000001", "0"));
    let more = then(&stack, &held, "capture", "4", r#"{"quantity":1}"#).await;
    assert_eq!(more.code(), "hold_ended");
}

#[tokio::test]
async fn a_zero_capture_ends_the_hold_and_is_an_entry() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let held = hold(&stack, "hold", r#"{"credits":"5"}"#).await;
    let goes_on = then(&stack, &held, "capture", "0", r#"{"credits":"0","final":false}"#).await;
    assert_eq!((goes_on.status, goes_on.text("/fields/0/field")), (400, "credits"));
    let ended = then(&stack, &held, "capture", "0", r#"{"credits":"0"}"#).await;
    assert_eq!((ended.status, ended.available(), ended.text("/credits")), (201, "25", "0"));
    let again = then(&stack, &held, "capture", "0", r#"{"credits":"0"}"#).await;
    assert_eq!((again.replayed, &again.body), (true, &ended.body));
}
