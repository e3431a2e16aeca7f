//! What an audit and a recharge of many accounts take: units, requests, and how both grow.

use std::collections::HashMap;

use audit::{Walk, orphans, walk};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use cli::load::prices::Prices;
use recharge::{SCAN_SEGMENTS, SweepPart, Task, sweep};
use tests::proof::{self, AUDITED};

use super::capacity::tick;
use super::held::{assert_held, grouped, table};
use crate::support::Stack;
use crate::support::wire::Costs;

const DOCUMENT: &str = "docs/internals/scale.md";
/// The time of a call to DynamoDB, of which AWS says that it is a few milliseconds.
const CALL_S: f64 = 0.005;
/// One account in so many was used in a week, in the examples.
const USED: usize = 5;

type Item = HashMap<String, AttributeValue>;

/// Accounts that are all alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) accounts: usize,
    /// The debits of each.
    pub(super) entries: usize,
}

impl Default for Load {
    fn default() -> Load {
        Load { accounts: 64, entries: 0 }
    }
}

/// What was counted of a number of accounts.
#[derive(Debug)]
struct Counted {
    accounts: usize,
    /// The fewest and the most accounts of a segment of the scan.
    segments: (u64, u64),
    /// The accounts one by one, in segments.
    walk: Costs,
    /// The search for rows without an account, in one part.
    orphans: Costs,
    recharge: Costs,
}

impl Counted {
    fn each(&self, count: f64) -> f64 {
        count / self.accounts as f64
    }

    fn calls(&self, costs: &Costs) -> f64 {
        self.each(costs.calls.values().sum::<usize>() as f64)
    }

    /// The read units of an audit, and its requests, for each account.
    fn audit(&self) -> [f64; 2] {
        let Counted { walk, orphans, .. } = self;
        let units = self.each(walk.read_units + orphans.read_units);
        [units, self.calls(walk) + self.calls(orphans)]
    }
}

/// All rows of an account after a debit and its relay, from both tables.
async fn rows_of_one(entries: usize) -> [Vec<Item>; 2] {
    let stack = Stack::ticking_streamed().await;
    stack.open("acme", "free").await;
    stack.grant("acme", "more", "1000").await;
    for _ in 0..entries {
        tick(&stack);
        assert_eq!(stack.debit("acme", &stack.id(0).to_string(), "1").await.status, 201);
    }
    stack.relay().await;
    let names = local::tables::names();
    let mut rows = [Vec::new(), Vec::new()];
    for (rows, name) in rows.iter_mut().zip([names.accounts, names.ledger]) {
        let mut items = stack.tables().scan().table_name(name).into_paginator().items().send();
        while let Some(item) = items.next().await {
            rows.push(item.expect("an item"));
        }
    }
    rows
}

/// A stack with so many copies of that account.
async fn filled(Load { accounts, entries }: Load) -> Stack {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    let names = local::tables::names();
    let acme = AttributeValue::S("acme".to_owned());
    let of_one = rows_of_one(entries).await;
    let mut puts = Vec::new();
    for number in 0..accounts {
        let id = AttributeValue::S(format!("account-{number:07}"));
        for (rows, table) in of_one.iter().zip([&names.accounts, &names.ledger]) {
            for row in rows.iter().filter(|row| row.values().any(|value| *value == acme)) {
                let mut row = row.clone();
                row.values_mut().filter(|value| **value == acme).for_each(|v| *v = id.clone());
                let put = Put::builder().table_name(table).set_item(Some(row)).build();
                puts.push(TransactWriteItem::builder().put(put.expect("a put")).build());
            }
        }
        if puts.len() >= 80 || number + 1 == accounts {
            for some in std::mem::take(&mut puts).chunks(100) {
                let write = stack.tables().transact_write_items();
                let write = write.set_transact_items(Some(some.to_vec()));
                write.send().await.expect("written");
            }
        }
    }
    stack.wire.take_costs();
    stack
}

/// Audits all accounts in so many segments. Returns the accounts of each.
async fn walked(stack: &Stack, of: i32) -> Vec<u64> {
    let mut seen = Vec::new();
    for segment in 0..of {
        let part = Walk { segment, of, after: None, most_bytes: u64::MAX };
        let walked = walk(stack.context(), part, |_| true).await.expect("read");
        assert_eq!(walked.found, []);
        seen.push(walked.seen);
    }
    seen
}

/// Looks for rows of the ledger without an account.
async fn searched(stack: &Stack) {
    let (found, rest) = orphans(stack.context(), None, || true).await.expect("read");
    assert!(found.is_empty() && rest.is_none(), "{found:?}");
}

/// The read units of the audit of one account among others.
pub(super) async fn units_of_an_account(load: Load) -> f64 {
    let stack = filled(load).await;
    stack.set_clock("2026-11-20T12:00:00Z");
    assert_eq!(walked(&stack, 1).await, [load.accounts as u64]);
    searched(&stack).await;
    stack.wire.take_costs().read_units / load.accounts as f64
}

async fn counted(accounts: usize) -> Counted {
    let stack = filled(Load { accounts, entries: 1 }).await;
    stack.set_clock("2026-11-20T12:00:00Z");
    let seen = walked(&stack, audit::SCAN_SEGMENTS).await;
    assert_eq!(seen.iter().sum::<u64>(), accounts as u64);
    let walk = stack.wire.take_costs();
    searched(&stack).await;
    let orphans = stack.wire.take_costs();
    stack.set_clock("2026-11-23T00:00:00.001Z");
    for part in SweepPart::all(Task::Recharge, SCAN_SEGMENTS) {
        let swept = sweep(stack.context(), None, part, |_| true);
        assert_eq!(swept.await.expect("swept"), None);
    }
    let recharge = stack.wire.take_costs();
    assert_eq!(recharge.calls("UpdateItem"), accounts);
    let [fewest, most] = [seen.iter().min(), seen.iter().max()].map(|bound| *bound.expect("some"));
    let segments = (fewest, most);
    Counted { accounts, segments, walk, orphans, recharge }
}

#[tokio::test]
async fn audit_and_recharge_grow_as_the_number_of_accounts() {
    let most = usize::try_from(AUDITED.get()).expect("it fits into memory");
    let few = counted(most / 10).await;
    let many = counted(most).await;
    for of in [&few, &many] {
        let ([units, calls], writes) = (of.audit(), of.each(of.recharge.write_units));
        AUDITED.say(format_args!(
            "{} accounts: an audit of each {units:.3} read units by {calls:.3} requests, a \
             recharge of each {writes:.3} write units by {:.3}",
            of.accounts,
            of.calls(&of.recharge),
        ));
        assert_eq!(of.walk.write_units + of.orphans.write_units, 0.0);
        assert!(units <= 6.4 && calls <= 6.5 && writes <= 1.1, "{units} {calls} {writes}");
    }
    // A segment's last request is not full, so that few accounts cost a little more each.
    let growth = |of: fn(&Counted) -> f64| of(&many) / of(&few);
    for growth in [
        growth(|of| of.audit()[0]),
        growth(|of| of.audit()[1]),
        growth(|of| of.each(of.recharge.write_units)),
    ] {
        assert!((0.9..=1.02).contains(&growth), "{growth}");
    }
    if proof::is_full() && AUDITED.get() == AUDITED.full {
        assert_held(DOCUMENT, "accounts", &measured(&[few, many]));
    }
}

/// What was counted, and what follows for more accounts.
fn measured(counted: &[Counted; 2]) -> String {
    let rows = counted.each_ref().map(|of| {
        let (fewest, most) = of.segments;
        vec![
            grouped(of.accounts as f64),
            format!("{:.3}", of.audit()[0]),
            format!("{:.3}", of.calls(&of.walk)),
            format!("{:.3}", of.calls(&of.orphans)),
            format!("{:.3}", of.each(of.recharge.write_units)),
            format!("{:.3}", of.each(of.recharge.read_units)),
            format!("{:.3}", of.calls(&of.recharge)),
            format!("{fewest} to {most}"),
        ]
    });
    let heading = [
        "accounts",
        "audit: read units each",
        "requests each",
        "and of the search",
        "recharge: write units each",
        "read units each",
        "requests each",
        "of a segment",
    ];
    format!("{}\n{}", table(&heading, &rows), extrapolated(&counted[1]))
}

/// The line through what was counted, at more accounts.
fn extrapolated(of: &Counted) -> String {
    let Prices { per_million, .. } = Prices::known();
    let [read, write] = [per_million.read_units, per_million.write_units]
        .map(|price| price.pico_dollars() as f64 / 1e18);
    let ([units, calls], search) = (of.audit(), of.calls(&of.orphans));
    let scans = of.each(of.recharge.calls("Scan") as f64);
    let scan_units = of.each(of.recharge.read_units);
    let hours = |calls: f64, at_once: f64| calls * CALL_S / at_once / 3_600.0;
    let rows = [1e5, 1e6, 1e7, 1e8].map(|accounts| {
        let used = accounts / USED as f64;
        let recharge_calls = scans * accounts + used;
        let recharge = scan_units * accounts * read + used * write;
        // The search is one part, however many run at once.
        let audit = |at_once| hours(calls * accounts, at_once).max(hours(search * accounts, 1.0));
        let minutes = |at_once| 60.0 * hours(recharge_calls, at_once);
        let dollars = [units * accounts * read, recharge].map(|dollars| format!("{dollars:.2}"));
        let [audit_cost, recharge_cost] = dollars;
        let all = f64::from(SCAN_SEGMENTS);
        vec![
            grouped(accounts),
            audit_cost,
            format!("{:.1} h", audit(2.0)),
            format!("{:.1} h", audit(all)),
            recharge_cost,
            format!("{:.1} min", minutes(2.0)),
            format!("{:.1} min", minutes(all)),
        ]
    });
    let heading = [
        "accounts",
        "an audit, dollars",
        "2 at once",
        "32 at once",
        "a recharge, dollars",
        "2 at once",
        "32 at once",
    ];
    table(&heading, &rows)
}
