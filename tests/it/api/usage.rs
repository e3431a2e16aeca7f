//! Usage: consumption by day, action and user, counted by any process at any time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::command;
use shared::domain::instant::Span;
use shared::domain::{AccountId, Instant};

use crate::support::wire::Fault;
use crate::support::{Answer, Stack, at_once, ledger};

const USAGE: &str = "/v1/accounts/acme/usage";
const DEBITS: &str = "/v1/accounts/acme/debits";

/// An account's consumption by day and by action or user: micro-credits, and the number of uses.
type Sums = BTreeMap<(String, Option<String>), (i64, u64)>;

fn micro(credits: &Value) -> i64 {
    let text = credits.as_str().expect("credits");
    let (whole, decimals) = text.trim_start_matches('-').split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.trim_start_matches('-').parse().expect("a number");
    let decimals: i64 = format!("{decimals:0<6}").parse().expect("decimals");
    let sign = if text.starts_with('-') { -1 } else { 1 };
    sign * (whole * 1_000_000 + decimals)
}

/// The sums of a report, from the entries of `actions` or `users`, which name them in `name`.
fn reported(usage: &Answer, list: &str, name: &str) -> Sums {
    let mut sums = Sums::new();
    for day in usage.body["days"].as_array().expect("days") {
        let mut credits = 0;
        for part in day[list].as_array().expect("a list") {
            let of = part[name].as_str().map(str::to_owned);
            let key = (day["day"].as_str().expect("a day").to_owned(), of);
            let used = (micro(&part["credits"]), part["count"].as_u64().expect("a count"));
            credits += used.0;
            assert_eq!(sums.insert(key, used), None, "{usage:?}");
        }
        assert_eq!(credits, micro(&day["credits"]), "the parts of {day}");
    }
    let whole: i64 = sums.values().map(|(credits, _)| credits).sum();
    assert_eq!(whole, micro(&usage.body["credits"]) * i64::from(!sums.is_empty()));
    sums
}

/// The same sums from the listed ledger.
async fn summed(stack: &Stack, name: &str) -> Sums {
    let mut sums = Sums::new();
    for entry in ledger(&stack.functions, "acme").await.expect("the ledger") {
        let (credits, count) = match entry["kind"].as_str().expect("a kind") {
            "debit" => (-micro(&entry["available"]), 1),
            "captured" => (micro(&entry["credits"]), 1),
            "refunded" => (-micro(&entry["credits"]), 0),
            _ => continue,
        };
        let day = entry["at"].as_str().expect("a time")[..10].to_owned();
        let sum = sums.entry((day, entry[name].as_str().map(str::to_owned))).or_default();
        *sum = (sum.0 + credits, sum.1 + count);
    }
    sums
}

/// Debits of all kinds, captures and refunds, on three days.
async fn three_days(stack: &Stack) {
    stack.open("acme", "pro").await;
    let mut first = None;
    for day in 18..21 {
        if day > 18 {
            stack.set_clock(&format!("2026-11-{day}T12:00:00Z"));
        }
        for n in 0..60 {
            let key = format!("{day} {n}");
            let body = match n % 4 {
                0 => json!({ "action": "custom_image", "quantity": 3, "user": "ann" }),
                1 => json!({ "action": "dynamic_video", "quantity": 1, "user": "bob" }),
                2 => json!({ "credits": "0.000001" }),
                _ => json!({ "credits": "0.25", "user": "ann" }),
            };
            let receipt = stack.post(DEBITS, &key, &body.to_string()).await;
            assert_eq!(receipt.status, 201, "{receipt:?}");
            first.get_or_insert(receipt.text("/id").to_owned());
        }
        let body = r#"{"action":"custom_image","quantity":4}"#;
        let held = stack.post("/v1/accounts/acme/holds", &format!("hold {day}"), body).await;
        let capture = format!("/v1/accounts/acme/holds/{}/capture", held.text("/id"));
        let body = r#"{"quantity":1,"user":"cyd"}"#;
        let captured = stack.post(&capture, &format!("capture {day}"), body).await;
        assert_eq!(captured.status, 201, "{captured:?}");
        let refund = format!("{DEBITS}/{}/refund", first.as_deref().expect("a debit"));
        let body = r#"{"credits":"0.5","reason":"black"}"#;
        let refunded = stack.post(&refund, &format!("refund {day}"), body).await;
        assert_eq!(refunded.status, 201, "{refunded:?}");
    }
}

#[tokio::test]
async fn usage_matches_the_ledger_counted_or_not() {
    let stack = Stack::streamed().await;
    three_days(&stack).await;
    let before = stack.get(USAGE).await;
    assert_eq!(before.status, 200, "{before:?}");
    assert_eq!(before.text("/from"), "2026-10-22");
    assert_eq!(before.text("/to"), "2026-11-21");
    assert_eq!(reported(&before, "actions", "action"), summed(&stack, "action").await);
    assert_eq!(reported(&before, "users", "user"), summed(&stack, "user").await);
    // A refund counts for the user of the debit.
    let ann = reported(&before, "users", "user")[&("2026-11-18".into(), Some("ann".into()))];
    assert_eq!(ann, (15 * 1_500_000 + 15 * 250_000 - 500_000, 30));
    stack.relay().await;
    assert_eq!(stack.get(USAGE).await.body, before.body, "counted");
    // Other days do not include it.
    let day = stack.get(&format!("{USAGE}?from=2026-11-19&to=2026-11-20")).await;
    assert_eq!(day.body["days"].as_array().map(Vec::len), Some(1));
    assert_eq!(day.body["days"][0], before.body["days"][1]);
    let none = stack.get(&format!("{USAGE}?from=2026-01-01&to=2026-02-01")).await;
    assert_eq!(none.body["days"], json!([]));
    assert_eq!(none.text("/credits"), "0");
}

/// The cost does not depend on the number of operations: one item per day, the account, and fewer
/// than eight segments that are not counted yet. Their number depends on where a segment ended.
#[tokio::test]
async fn the_usage_of_thirty_days_reads_at_most_38_items() {
    for debits in [4, 60] {
        let stack = Stack::streamed().await;
        stack.open("acme", "free").await;
        stack.grant("acme", "much", "100000").await;
        for day in 0..30 {
            stack.clock.set(Instant::from_ms(stack.clock.now().ms() + 86_400_000));
            for n in 0..debits {
                let receipt = stack.debit("acme", &stack.id(0).to_string(), "1").await;
                assert_eq!(receipt.status, 201, "{day} {n} {receipt:?}");
            }
            stack.relay().await;
        }
        stack.wire.take_costs();
        let usage = stack.get(USAGE).await;
        let costs = stack.wire.take_costs();
        println!("usage of 30 days, {} debits: {costs:?}", 30 * debits);
        // Entries that are not in segments yet are in no rollup.
        assert_eq!(micro(&usage.body["credits"]), 30 * debits * 1_000_000);
        assert!(costs.items <= 30 + 1 + 7, "{} items", costs.items);
    }
}

#[tokio::test]
async fn a_rollup_of_960_debits_is_one_write() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    for _ in 0..960 {
        stack.action("acme", &stack.id(0).to_string(), "feed_field", 1).await;
    }
    stack.wire.take_costs();
    stack.relay().await;
    let costs = stack.wire.take_costs();
    println!("960 debits counted at once: {costs:?}");
    // One read and one write: the cost does not grow with the number of wake-ups.
    assert_eq!(costs.calls("PutItem"), 1);
    assert!(costs.write_units <= 2.0, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_entry_counted_concurrently_counts_once() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let account: AccountId = "acme".parse().expect("an account");
    for round in 0..6 {
        // Some calls debit, some roll up the debits of the day before, some read, all at once;
        // meanwhile midnight passes.
        stack.set_clock(&format!("2026-11-{}T23:59:58Z", 18 + round));
        let read = at_once(12, |n| {
            let (stack, account) = (stack.clone(), account.clone());
            async move {
                let mut read = Vec::new();
                for turn in 0..10 {
                    if (n, turn) == (0, 5) {
                        stack.set_clock(&format!("2026-11-{}T00:00:00Z", 19 + round));
                    }
                    match n % 3 {
                        0 => {
                            let key = format!("{round} {n} {turn}");
                            let done = stack.debit("acme", &key, "1").await;
                            assert_eq!(done.status, 201, "{done:?}");
                        }
                        1 => {
                            command::rollup(stack.context(), &account).await.expect("counted");
                        }
                        _ => {
                            let usage = stack.get(USAGE).await;
                            assert_eq!(usage.status, 200, "{usage:?}");
                            read.push(micro(&usage.body["credits"]));
                        }
                    }
                }
                read
            }
        });
        for read in read.await {
            // A read never returns less than an earlier one.
            assert!(read.is_sorted(), "{read:?}");
        }
        let usage = stack.get(USAGE).await;
        assert_eq!(micro(&usage.body["credits"]), (round + 1) * 40 * 1_000_000);
        assert_eq!(reported(&usage, "actions", "action"), summed(&stack, "action").await);
    }
    stack.relay().await;
    let usage = stack.get(USAGE).await;
    assert_eq!(reported(&usage, "actions", "action"), summed(&stack, "action").await);
}

#[tokio::test(start_paused = true)]
async fn lost_requests_and_replies_count_nothing_twice() {
    for fault in [Fault::LoseReply, Fault::LoseRequest, Fault::FailAfter, Fault::Throttle] {
        let stack = Stack::noon().await;
        stack.open("acme", "pro").await;
        let account: AccountId = "acme".parse().expect("an account");
        let noon = stack.clock.now();
        for n in 0..120 {
            // A segment is rolled up when it is a minute old; the debits cross midnight.
            stack.clock.set(noon + Span::from_s(12 * 60 * n));
            stack.debit("acme", &stack.id(0).to_string(), "1").await;
            let mut random = StdRng::seed_from_u64(n.unsigned_abs());
            stack.wire.set_policy(move |_, _| match random.random_ratio(1, 3) {
                true => fault,
                false => Fault::None,
            });
            command::rollup(stack.context(), &account).await.expect("counted");
            stack.wire.heal();
        }
        stack.wire.take_costs();
        let usage = stack.get(USAGE).await;
        // The two days, the account, and the latest segment, which is too young.
        assert!(stack.wire.take_costs().items <= 4, "the pages are counted");
        assert_eq!(reported(&usage, "actions", "action"), summed(&stack, "action").await);
        assert_eq!(usage.text("/credits"), "120", "{fault:?}");
    }
}

/// Clocks differ by seconds, so an entry of yesterday can follow one of today.
#[tokio::test]
async fn out_of_order_timestamps_near_midnight_count_on_their_days() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    for n in 0..200 {
        let second = if n % 3 == 0 { "19T00:00:01Z" } else { "18T23:59:58Z" };
        stack.set_clock(&format!("2026-11-{second}"));
        let done = stack.debit("acme", &format!("{n}"), "1").await;
        assert_eq!(done.status, 201, "{done:?}");
        if n % 20 == 0 {
            stack.relay().await;
        }
    }
    stack.relay().await;
    stack.set_clock("2026-11-19T12:00:00Z");
    let usage = stack.get(USAGE).await;
    let sums = reported(&usage, "actions", "action");
    assert_eq!(sums[&("2026-11-18".to_owned(), None)], (133_000_000, 133));
    assert_eq!(sums[&("2026-11-19".to_owned(), None)], (67_000_000, 67));
    // A single day, read while all later ones are in segments that are rolled up.
    let day = stack.get(&format!("{USAGE}?from=2026-11-18&to=2026-11-19")).await;
    assert_eq!(day.text("/credits"), "133");
}

#[tokio::test]
async fn users_beyond_four_hundred_are_counted_together() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    for n in 0..450 {
        let body = json!({ "credits": "1", "user": format!("{n:064}") }).to_string();
        let done = stack.post(DEBITS, &stack.id(0).to_string(), &body).await;
        assert_eq!(done.status, 201, "{done:?}");
    }
    for relayed in [false, true] {
        let usage = stack.get(USAGE).await;
        let users = usage.body["days"][0]["users"].as_array().expect("users");
        assert_eq!(users.len(), 401, "relayed: {relayed}");
        let others: Vec<_> = users.iter().filter(|user| user.get("others").is_some()).collect();
        let together = json!({ "user": null, "others": true, "credits": "50", "count": 50 });
        assert_eq!(others, [&together]);
        assert_eq!(usage.text("/credits"), "450");
        stack.relay().await;
    }
}

#[tokio::test]
async fn impossible_days_are_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (query, field) in [
        ("from=2026-11-18T00:00:00Z", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-11-19&to=2026-11-19", "to"),
        ("from=2026-11-19&to=2026-11-18", "to"),
        ("from=2025-11-17&to=2026-11-19", "from"),
        ("from=1969-12-31", "from"),
        ("from=2026-11-01&from=2026-11-02", "from"),
        ("day=2026-11-01", "day"),
    ] {
        let refused = stack.get(&format!("{USAGE}?{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
        assert_eq!(refused.text("/fields/0/field"), field, "{refused:?}");
    }
    let year = stack.get(&format!("{USAGE}?from=2025-11-18&to=2026-11-19")).await;
    assert_eq!(year.status, 200, "366 days: {year:?}");
    let nobody = stack.get("/v1/accounts/nobody/usage").await;
    assert_eq!((nobody.status, nobody.code()), (404, "account_not_found"));
}

/// An unreadable segment is tried again, then skipped. Other accounts do not wait for it.
#[tokio::test]
async fn a_record_that_cannot_be_counted_blocks_nobody() {
    let stack = Stack::streamed().await;
    for account in ["acme", "bad", "open"] {
        stack.open(account, "pro").await;
        for _ in 0..40 {
            let done = stack.debit(account, &stack.id(0).to_string(), "1").await;
            assert_eq!(done.status, 201, "{done:?}");
        }
    }
    spoil_pages(&stack, "bad").await;
    stack.set_clock("2026-11-18T12:02:00Z");
    let dead = stack.relay_what_can_be().await;
    assert!(!dead.is_empty());
    for letter in &dead {
        assert_eq!(letter["record"]["dynamodb"]["Keys"]["a"]["S"], "bad", "{letter}");
    }
    for account in ["acme", "open"] {
        stack.wire.take_costs();
        let usage = stack.get(&format!("/v1/accounts/{account}/usage")).await;
        assert_eq!(usage.text("/credits"), "40");
        assert!(stack.wire.take_costs().items <= 2, "{account} was counted");
    }
    let bad = stack.get("/v1/accounts/bad/usage").await;
    assert_eq!(bad.status, 500, "{bad:?}");
}

/// Overwrites an account's segments with invalid bytes.
async fn spoil_pages(stack: &Stack, account: &str) {
    let (tables, ledger) = (stack.tables(), local::tables::names().ledger);
    let query = tables.query().table_name(&ledger).key_condition_expression("a = :account");
    let account = AttributeValue::S(account.to_owned());
    let items = query.expression_attribute_values(":account", account).send().await.expect("items");
    for item in items.items() {
        let mut item = item.clone();
        if item.contains_key("en") {
            item.insert("en".to_owned(), AttributeValue::B(Blob::new(b"\xff")));
            tables.put_item().table_name(&ledger).set_item(Some(item)).send().await.expect("put");
        }
    }
}
