//! The weekly and daily sweeps change no balance, whenever and however often they run.

use crate::support::catalogs::files;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use recharge::{SweepPart, SweepProgress, Task, sweep};
use serde_json::{Value, json};
use shared::decide::advance;
use shared::domain::{Account, Catalog, Credits, Instant, OperationId};
use shared::store::Loaded;
use tests::proof::{ACCOUNTS, WEEKS};

use crate::support::wire::Fault;
use crate::support::{Stack, instant};

const WEEK_MS: i64 = 7 * 86_400_000;

/// A customer's view of an account, without the ids of grants: those of two stacks differ.
async fn seen(stack: &Stack, account: &str) -> Value {
    let body = stack.balance(account).await.body;
    let grants = body["grants"].as_array().expect("grants").iter();
    let grants: Vec<Value> = grants
        .map(|grant| json!([grant["kind"], grant["remaining"], grant["expires_at"]]))
        .collect();
    json!([body["available"], body["held"], grants, body["consumed"], body["recharge"]])
}

/// Over years of weeks, the sweep runs 0, 1, 2 or 5 times in a week, at any time in it.
#[tokio::test]
async fn however_often_the_schedule_fires_the_balances_are_the_same() {
    let mut random = StdRng::seed_from_u64(6);
    let (swept, other) =
        (Stack::at("2026-01-05T00:00:00Z").await, Stack::at("2026-01-05T00:00:00Z").await);
    for stack in [&swept, &other] {
        stack.open("weekly", "free").await;
        stack.open("monthly", "pro").await;
        stack.grant("weekly", "gift", "1000").await;
    }
    let start = instant("2026-01-05T00:00:00Z").ms();
    let weeks = i64::try_from(WEEKS.get()).expect("a few years");
    for week in 0..weeks {
        let mut at: Vec<i64> = (0..[0, 1, 2, 5][random.random_range(0..4)])
            .map(|_| random.random_range(0..WEEK_MS))
            .collect();
        at.sort_unstable();
        for at in at {
            swept.clock.set(Instant::from_ms(start + week * WEEK_MS + at));
            swept.mappings.fire("recharge").await.expect("swept");
        }
        // At a time of the next week that is later than any run.
        let now =
            Instant::from_ms(start + (week + 1) * WEEK_MS + random.random_range(0..86_400_000));
        for stack in [&swept, &other] {
            stack.clock.set(now);
        }
        if random.random_ratio(1, 2) {
            let account = ["weekly", "monthly"][random.random_range(0..2)];
            let credits = random.random_range(1..20).to_string();
            for stack in [&swept, &other] {
                stack.debit(account, &format!("{week}"), &credits).await;
            }
        }
        for account in ["weekly", "monthly"] {
            assert_eq!(seen(&swept, account).await, seen(&other, account).await, "week {week}");
        }
    }
    assert_eq!(swept.mappings.dead_letters(), Vec::<Value>::new());
    WEEKS.say(format_args!("{weeks} weeks, the sweep 0 to 5 times in each: the same balances"));
}

/// Fills the table with accounts on the free plan, all of one shape.
async fn fill(stack: &Stack, accounts: usize) {
    stack.open("used", "free").await;
    stack.debit("used", "some", "7").await;
    stack.open("idle", "free").await;
    // Advanced, without any change after that.
    stack.set_clock("2026-11-23T00:00:00Z");
    let idle = stack.context().store.account(&"idle".parse().expect("an id")).await;
    let catalog = stack.context().catalog().await;
    let idle = idle.expect("read").expect("there").account;
    let change = advance::change(&idle, &catalog, stack.clock.now()).expect("advanced");
    stack.context().store.commit(&shared::decide::Write::account(change)).await.expect("written");
    let (tables, name) = (stack.tables(), local::tables::names().accounts);
    let mut items = Vec::new();
    for account in ["used", "idle"] {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(account.to_owned());
        let got = tables.get_item().table_name(&name).key("a", key).send().await.expect("read");
        items.push(got.item.expect("there"));
    }
    for start in (0..accounts).step_by(100) {
        let puts = (start..start + 100).map(|n| {
            let mut item = items[usize::from(n % 5 > 0)].clone();
            let id = aws_sdk_dynamodb::types::AttributeValue::S(format!("account-{n:06}"));
            item.insert("a".to_owned(), id);
            let put = Put::builder().table_name(&name).set_item(Some(item)).build();
            TransactWriteItem::builder().put(put.expect("a put")).build()
        });
        let write = tables.transact_write_items().set_transact_items(Some(puts.collect()));
        write.send().await.expect("written");
    }
}

/// All accounts, from the same scan as the sweep's.
async fn all(stack: &Stack) -> BTreeMap<String, Account> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let scan = stack.context().store.scan(0, 1, after.as_ref(), 1_000).await.expect("read");
        for loaded in scan.accounts {
            let Loaded { account, .. } = loaded.expect("an account");
            found.insert(account.id.to_string(), account);
        }
        after = scan.next;
        if after.is_none() {
            return found;
        }
    }
}

fn whole(credits: i64) -> Credits {
    Credits::whole(credits)
}

#[tokio::test]
async fn many_accounts_advance_exactly_over_a_monday() {
    let accounts = usize::try_from(ACCOUNTS.get()).expect("it fits into memory");
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    fill(&stack, accounts).await;
    stack.set_clock("2026-11-23T00:00:00.001Z");
    let (now, catalog) = (instant("2026-11-23T00:00:00.001Z"), stack.context().catalog().await);
    stack.wire.take_costs();
    // A millisecond after Monday began every balance is right, and nothing was written.
    let before = all(&stack).await;
    assert_eq!(before.len(), accounts + 2);
    for (id, account) in &before {
        let advanced = advance::advance(account, &catalog, now).expect("advanced");
        assert_eq!(advanced.account.available, whole(25), "{id}");
    }
    for n in (0..accounts).step_by(997) {
        let balance = stack.balance(&format!("account-{n:06}")).await;
        assert_eq!(balance.text("/available"), "25");
    }
    let costs = stack.wire.take_costs();
    assert_eq!(costs.write_units, 0.0, "{costs:?}");

    // The sweep, killed at any point and restarted from its last message.
    let mut random = StdRng::seed_from_u64(7);
    let context = stack.context();
    let mut messages: Vec<SweepPart> = SweepPart::all(Task::Recharge, 8).collect();
    let (mut kills, began) = (0, std::time::Instant::now());
    while let Some(part) = messages.pop() {
        let mut left = random.random_range(1..4_000);
        let goes_on = |_: &SweepProgress| {
            left -= 1;
            left > 0
        };
        let rest = sweep(context, None, part.clone(), goes_on).await.expect("swept");
        match rest {
            // The accounts are advanced; the progress is lost.
            Some(_) if random.random_ratio(1, 3) => {
                kills += 1;
                messages.push(part);
            }
            Some(rest) => messages.push(rest),
            None => {}
        }
    }
    let took = began.elapsed();
    let costs = stack.wire.take_costs();
    let used = accounts / 5 + 1;
    let after = all(&stack).await;
    let written = after.iter().filter(|(id, account)| before[*id] != **account);
    for (id, account) in written.clone() {
        assert_eq!(account.seq, before[id].seq + 1, "{id} was advanced twice");
        assert_eq!(account.available, whole(25));
    }
    assert_eq!(written.count(), used);
    assert_eq!(costs.calls("UpdateItem"), used);
    let units = costs.write_units / used as f64;
    ACCOUNTS.say(format_args!(
        "{accounts} accounts, {used} advanced, {kills} kills: {units:.3} write units each, {:.0} \
         accounts/s",
        accounts as f64 / took.as_secs_f64()
    ));
    assert!(units <= 1.1, "{units}");
}

/// Each write is refused four times first, which is more often than the SDK retries.
#[tokio::test(start_paused = true)]
async fn a_throttled_or_conflicting_account_is_not_skipped() {
    for fault in [Fault::Throttle, Fault::Conflict, Fault::LoseReply] {
        let stack = Stack::at("2026-11-18T12:00:00Z").await;
        for n in 0..5 {
            stack.open(&format!("a{n}"), "free").await;
            assert_eq!(stack.debit(&format!("a{n}"), "some", "7").await.status, 201);
        }
        stack.set_clock("2026-11-23T00:00:00.001Z");
        let mut refused = 0;
        stack.wire.set_policy(move |operation, _| {
            refused = if operation == "UpdateItem" { (refused + 1) % 5 } else { refused };
            if operation == "UpdateItem" && refused != 0 { fault } else { Fault::None }
        });
        let part = SweepPart::all(Task::Recharge, 1).next().expect("a part");
        let mut last = SweepProgress::default();
        let swept = sweep(stack.context(), None, part, |progress| {
            last = *progress;
            true
        });
        assert_eq!(swept.await.expect("swept"), None);
        assert_eq!((last.seen, last.done, last.broken), (5, 5, 0), "{fault:?}");
        stack.wire.heal();
        assert!(all(&stack).await.values().all(|account| account.advanced_seq > 0), "{fault:?}");
    }
}

/// Two handlers whose clocks are 10 s apart advance the same accounts around a boundary, in any
/// order.
#[test]
fn clocks_ten_seconds_apart_recharge_once() {
    // Weeks are larger from the Monday in the middle on.
    let changes = instant("2026-01-12T00:00:00Z");
    let dated = r#"weekly = [{ credits = "25" }, { from = "2026-01-12", credits = "40" }]"#;
    let catalog = Catalog::DEFAULT.replace("weekly = \"25\"", dated);
    let catalog = Catalog::parse(&files(&*catalog)).expect("a catalog");
    let mut random = StdRng::seed_from_u64(10);
    for n in 0..10_000_i64 {
        let plan = ["free", "pro"][random.random_range(0..2)];
        let opened = instant("2026-01-01T00:00:00Z").ms() + random.random_range(0..4 * WEEK_MS);
        let request = shared::decide::open::PlanRequest::of(plan);
        let id = "acme".parse().expect("an id");
        let now = Instant::from_ms(opened);
        let operation = OperationId::mint(now, [0; 10]);
        let account = shared::decide::open::open(&id, &request, operation, &catalog, None, now);
        let mut account = account.expect("a plan");
        let boundary = match plan {
            "free" => account.plan_state.weekly.period.end,
            _ => account.plan_state.monthly.period.end,
        };
        let boundary = boundary.ms();
        let mut arrived: BTreeMap<String, i64> = BTreeMap::new();
        for _ in 0..6 {
            // At any time in the 20 s around the boundary, by either clock.
            let skew = if random.random_ratio(1, 2) { 5_000 } else { -5_000 };
            let now = Instant::from_ms(boundary + random.random_range(-5_000..5_000) + skew);
            let advanced = advance::advance(&account, &catalog, now).expect("advanced");
            for moved in advanced.moved.iter().filter(|moved| moved.credits > Credits::ZERO) {
                *arrived.entry(moved.grant.to_string()).or_default() += moved.credits.micro();
            }
            let line = advanced.account.burn_order.grants();
            // By the handler's own clock no account has credits of a week that is over.
            assert!(line.iter().all(|grant| !grant.is_expired(now)), "round {n}");
            account = advanced.account;
        }
        let size = match plan {
            "free" if boundary < changes.ms() => 25_000_000,
            "free" => 40_000_000,
            _ => 2_500_000_000,
        };
        assert!(arrived.len() <= 2, "round {n}: {arrived:?}");
        assert!(arrived.values().all(|credits| *credits == size), "round {n}: {arrived:?}");
    }
}

#[tokio::test]
async fn credits_expiring_soon_are_announced_once_a_day_under_one_id() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    for (key, expires) in [
        ("a", "2026-11-25T10:00:00Z"),
        ("b", "2026-11-19T10:00:00Z"),
        ("c", "2027-11-19T10:00:00Z"),
    ] {
        assert_eq!(stack.grant_until("acme", key, "10", expires).await.status, 201);
    }
    stack.relay().await;
    let known = stack.announced().len();
    stack.wire.take_costs();
    for _ in 0..2 {
        stack.mappings.fire("expiring").await.expect("swept");
    }
    let costs = stack.wire.take_costs();
    assert_eq!(costs.write_units, 0.0, "it only reads: {costs:?}");
    let events = stack.announced().split_off(known);
    let told: Vec<(String, u64)> = events
        .iter()
        .map(|event| {
            assert_eq!(event["detail-type"], "CreditsExpiring");
            let id = event["detail"]["id"].as_str().expect("an id");
            (id.to_owned(), event["detail"]["days"].as_u64().expect("days"))
        })
        .collect();
    assert_eq!(told.iter().map(|(_, days)| *days).collect::<Vec<_>>(), [1, 7, 1, 7]);
    assert_eq!(told[..2], told[2..], "the same ids");
}

#[tokio::test]
async fn an_invalid_schedule_or_part_is_refused() {
    let stack = Stack::noon().await;
    let surroundings = stack.mappings.recharge();
    let left = Duration::from_secs(5);
    for payload in [
        json!({}),
        json!({ "task": "sell" }),
        json!({ "task": "recharge", "at": 1 }),
        json!({ "Records": {} }),
    ] {
        assert!(recharge::answer(surroundings, payload.clone(), left).await.is_err(), "{payload}");
    }
    let part = SweepPart::all(Task::Recharge, 2).next().expect("a part").message();
    for (kind, with) in [
        ("\"version\":1", "\"version\":2"),
        ("\"segment\":0", "\"segment\":2"),
        ("\"of\":2", "\"of\":0"),
        ("recharge", "sell"),
        ("\"progress\"", "\"x\""),
    ] {
        let body = part.replace(kind, with);
        assert_ne!(body, part);
        let event = json!({ "Records": [{ "messageId": "m", "body": body }] });
        let reply = recharge::answer(surroundings, event, left).await.expect("an answer");
        assert_eq!(reply["batchItemFailures"][0]["itemIdentifier"], "m", "{with}");
    }
    // A cursor past the end, as after a table shrank. The table has one segment: DynamoDB Local
    // refuses a cursor of another segment.
    let body = part.replace("\"after\":null", "\"after\":\"zzz\"").replace("\"of\":2", "\"of\":1");
    let event = json!({ "Records": [{ "messageId": "m", "body": body }] });
    let reply = recharge::answer(surroundings, event, left).await.expect("an answer");
    assert_eq!(reply["batchItemFailures"], json!([]));
}
