//! The cost tables of the documents: what each operation uses, counted in this run, times the
//! prices of `docs/reference/prices.toml`.

mod month;
mod operations;
mod priced;

use self::operations::{Operation, counted};
use self::priced::{Dollars, per_million};
use super::held::{assert_held, grouped, shown, table};

const DOCUMENT: &str = "docs/reference/costs-and-limits.md";
const SCALE: &str = "docs/internals/scale.md";
/// The debits of a month, in millions, at one a second.
const MILLIONS_A_MONTH: f64 = 86_400.0 * 30.0 / 1e6;

#[tokio::test]
async fn the_cost_tables_are_those_of_the_run() {
    let (mut rows, mut costs) = (Vec::new(), Vec::new());
    for operation in Operation::ALL {
        let shared = counted(operation, false).await;
        // What only reads is in no stream.
        let alone = if operation.reads() { shared } else { counted(operation, true).await };
        let cost = per_million(&shared);
        costs.push((operation, cost));
        let units = [shared.write_units, shared.read_units].map(|units| shown(units, 3));
        let relayed = [shared.relayed, alone.relayed].map(|relayed| shown(relayed, 2));
        let relayed = if relayed[1].is_empty() { String::new() } else { relayed.join(" to ") };
        let parts = [cost.dynamodb, cost.lambda, cost.gateway, cost.logs, cost.events];
        let parts = parts.map(|part| shown(part, 2));
        let whole = format!("**{:.2}**", cost.whole());
        let most = format!("{:.2}", per_million(&alone).whole());
        let name = [operation.name().to_owned()];
        rows.push([&name[..], &units, &[relayed], &parts, &[whole, most]].concat());
    }
    let heading = [
        "a million",
        "write units",
        "read units",
        "`relay`",
        "DynamoDB",
        "Lambda",
        "gateway",
        "logs",
        "events",
        "together",
        "one by one",
    ];
    assert_held(DOCUMENT, "operations", &table(&heading, &rows));
    let audits = month::audit_units().await;
    let of = |wanted| costs.iter().find(|(operation, _)| *operation == wanted).expect("counted").1;
    assert_held(DOCUMENT, "month", &month::month(of(Operation::Poll).whole(), audits));
    let ways = [Operation::Debit, Operation::Invocation, Operation::Batched].map(of);
    assert_held(SCALE, "money", &money(ways));
}

/// What a month of debits costs, by the debits a second and the way in which they are sent.
fn money(ways: [Dollars; 3]) -> String {
    let rows = [100.0, 1e3, 1e4, 1e5].map(|a_second| {
        let month = |way: Dollars| grouped(way.whole() * a_second * MILLIONS_A_MONTH);
        [vec![grouped(a_second)], ways.map(month).to_vec()].concat()
    });
    let heading = ["debits a second", "over HTTP", "by `lambda:Invoke`", "in batches of 16"];
    table(&heading, &rows)
}
