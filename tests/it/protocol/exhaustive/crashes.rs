//! Every point at which a handler can crash: before it starts, before and after each of its calls
//! is applied, and before its answer arrives: 2n + 1 points for n calls.

use std::rc::Rc;

use serde_json::Value;
use tests::support::Answer;

use super::bench::{ACCOUNT, Asked, Bench, exchange};
use super::cases::{CASES, Case, batch, batch_of_each, grant, hold, operator, read};
use super::on_one_thread;

/// A request to an account in a state.
struct Scenario {
    name: &'static str,
    case: Case,
    ask: fn(Case, &Bench) -> Asked,
}

fn open(_: Case, _: &Bench) -> Asked {
    operator("PUT", "", "open", r#"{"plan":"free"}"#, 25_000_000)
}

fn change_plan(_: Case, _: &Bench) -> Asked {
    operator("PUT", "", "upgrade", r#"{"plan":"pro"}"#, 0)
}

fn freeze(_: Case, _: &Bench) -> Asked {
    operator("POST", "/freeze", "freeze it", r#"{"reason":"test"}"#, 0)
}

fn unfreeze(_: Case, _: &Bench) -> Asked {
    operator("POST", "/unfreeze", "unfreeze it", r#"{"reason":"test"}"#, 0)
}

fn quote(_: Case, _: &Bench) -> Asked {
    let path = format!("/v1/accounts/{ACCOUNT}/quotes");
    let body = r#"{"action":"custom_image","quantity":3}"#.to_owned();
    Asked { method: "POST", path, key: None, body, asked: Vec::new() }
}

/// Every scenario of every function: debits in every state, and the other changes of an account in
/// the states that affect them.
fn scenarios() -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = CASES
        .into_iter()
        .map(|case| Scenario { name: "debit", case, ask: |case, bench| case.first(bench) })
        .collect();
    let busy = [Case::Fast, Case::PageDue, Case::FullList, Case::Monday, Case::Noted, Case::Frozen];
    for case in busy {
        scenarios.extend([
            Scenario { name: "grant", case, ask: |_, _| grant("a grant") },
            Scenario { name: "change of plan", case, ask: change_plan },
            Scenario { name: "freeze", case, ask: freeze },
            Scenario { name: "unfreeze", case, ask: unfreeze },
            Scenario { name: "quote", case, ask: quote },
            Scenario { name: "balance", case, ask: |_, _| read("/balance") },
            Scenario { name: "ledger", case, ask: |_, _| read("/ledger?limit=5") },
        ]);
    }
    for case in [Case::Fast, Case::PageDue, Case::FullList, Case::Monday, Case::Noted] {
        let ask = |_, bench: &Bench| hold(&bench.id(100, 0), 1_000_000);
        scenarios.push(Scenario { name: "hold", case, ask });
        scenarios.push(Scenario { name: "batch", case, ask: |_, bench| batch(bench) });
        let ask = |_, bench: &Bench| batch_of_each(bench);
        scenarios.push(Scenario { name: "batch of mode each", case, ask });
    }
    for case in [Case::Fast, Case::PageDue, Case::FullList, Case::Monday] {
        let ask = |case: Case, bench: &Bench| case.refund(bench, "a refund");
        scenarios.push(Scenario { name: "refund", case, ask });
    }
    let case = Case::Held;
    scenarios.extend([
        Scenario { name: "release", case, ask: |case, bench| case.release(bench, "release it") },
        Scenario { name: "extend", case, ask: |case, bench| case.extend(bench, "extend it") },
    ]);
    scenarios.push(Scenario { name: "open", case: Case::Absent, ask: open });
    scenarios
}

#[test]
fn a_crash_at_any_point_is_repaired_by_sending_again() {
    let (mut points, mut calls) = (0, 0);
    let scenarios = scenarios();
    for scenario in &scenarios {
        let n = on_one_thread(crash_everywhere(scenario));
        calls += n;
        points += 2 * n + 1;
    }
    println!("{} scenarios, {calls} calls: 100 % of {points} crash points", scenarios.len());
}

/// Plays a scenario once for each point at which its handler can crash. Returns its calls.
async fn crash_everywhere(scenario: &Scenario) -> usize {
    let bench = Rc::new(Bench::new().await);
    let mut exchanges = scenario.case.set_up(&bench).await;
    let items = bench.items();
    let asked = (scenario.ask)(scenario.case, &bench);
    let (calls, answered) = play(&bench, &asked, usize::MAX).await;
    let answered = answered.expect("nothing crashed");
    let before = exchanges.clone();
    exchanges.extend(exchange(&asked, 0, 0, Some(answered.clone())));
    let expected = advanced(&bench.audit(&exchanges).await.expect("the plain run is right"));
    for point in 0..=2 * calls {
        bench.restore(&items);
        play(&bench, &asked, point).await;
        let mut exchanges = before.clone();
        exchanges.extend(exchange(&asked, 0, 0, None));
        let again = bench.send(1, &asked).await;
        let place = format!("{} {:?}, point {point}", scenario.name, scenario.case);
        assert_eq!(again.status, answered.status, "{place}: {again:?}");
        exchanges.extend(exchange(&asked, 0, 0, Some(again)));
        let balance = bench.audit(&exchanges).await.unwrap_or_else(|e| panic!("{place}: {e}"));
        assert_eq!(advanced(&balance), expected, "{place}");
    }
    calls
}

/// Plays a request up to a point, and lets the handler crash there. Returns its calls, and its
/// answer if there was one.
async fn play(bench: &Rc<Bench>, asked: &Asked, point: usize) -> (usize, Option<Answer>) {
    let (sender, request) = (bench.clone(), asked.clone());
    bench.gate.play(0, point, async move { sender.send(0, &request).await }).await
}

/// The balance without the parts that a retry may change: the place of an advance in the ledger,
/// and the ids that a handler minted.
fn advanced(balance: &Value) -> Value {
    let mut balance = balance.clone();
    balance["seq"] = Value::Null;
    for grant in balance["grants"].as_array_mut().into_iter().flatten() {
        grant["id"] = Value::Null;
    }
    balance
}
