//! Plans that change: no period is granted twice, and bought credits are frozen, never lost.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Stack, request};

/// One event of an account.
#[derive(Clone, Debug)]
enum Step {
    Plan(&'static str),
    Status(&'static str),
    /// Hours pass.
    Wait(i64),
    /// A debit of this many credits.
    Spend(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::sample::select(vec!["free", "pro", "standard"]).prop_map(Step::Plan),
        2 => prop::sample::select(vec!["active", "past_due", "canceled"]).prop_map(Step::Status),
        4 => (1..24 * 20_i64).prop_map(Step::Wait),
        4 => (1..400_u32).prop_map(Step::Spend),
    ]
}

/// Plays the steps and returns the ledger and the last balance.
async fn play(steps: &[Step]) -> (Vec<Value>, Value) {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.grant("acme", "bought", "1000").await;
    let (mut plan, mut now) = ("free", stack.clock.now().ms());
    for (n, step) in steps.iter().enumerate() {
        let key = format!("step {n}");
        match step {
            Step::Plan(next) => {
                plan = next;
                let body = format!(r#"{{"plan":"{plan}"}}"#);
                let put = request("PUT", "/v1/accounts/acme", Some(&key), &body);
                assert_eq!(stack.send(put).await.status, 201);
            }
            Step::Status(status) => {
                let body = format!(r#"{{"plan":"{plan}","status":"{status}"}}"#);
                let put = request("PUT", "/v1/accounts/acme", Some(&key), &body);
                assert_eq!(stack.send(put).await.status, 201);
            }
            Step::Wait(hours) => {
                now += hours * 3_600_000;
                stack.clock.set(shared::domain::Instant::from_ms(now));
            }
            Step::Spend(credits) => {
                let balance = stack.balance("acme").await;
                let debit = stack.debit("acme", &key, &credits.to_string()).await;
                let available: f64 = balance.text("/available").parse().expect("a number");
                let open = balance.text("/gate") == "open";
                let passes = open && available >= f64::from(*credits);
                assert_eq!(debit.status == 201, passes, "{balance:?} {debit:?}");
            }
        }
    }
    let listing = stack.get("/v1/accounts/acme/ledger?limit=200").await;
    assert_eq!(listing.body["next_cursor"], Value::Null);
    let entries = listing.body["entries"].as_array().expect("entries").clone();
    (entries, stack.balance("acme").await.body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_period_is_granted_twice_and_nothing_bought_is_lost(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (entries, balance) = runtime.expect("a runtime").block_on(play(&steps));
        let mut arrived: BTreeMap<String, f64> = BTreeMap::new();
        for moved in entries.iter().filter_map(|e| e["moved"].as_array()).flatten() {
            let credits: f64 = moved["credits"].as_str().expect("text").parse().expect("a number");
            if credits > 0.0 {
                *arrived.entry(moved["grant"].to_string()).or_default() += credits;
            }
        }
        for (grant, credits) in &arrived {
            let most = if grant.contains("week") { 25.0 } else { 2500.0 };
            prop_assert!(*credits <= most, "{} of {}", credits, grant);
        }
        // Bought credits do not expire: only debits reduce them.
        let spent: f64 = entries
            .iter()
            .filter(|e| e["kind"] == "debit")
            .map(|e| -e["available"].as_str().expect("text").parse::<f64>().expect("a number"))
            .sum();
        let mut grants = balance["grants"].as_array().expect("grants").iter();
        let bought = grants.find(|grant| grant["kind"] == "manual");
        let left: f64 = bought.map_or(0.0, |g| {
            g["remaining"].as_str().expect("text").parse().expect("a number")
        });
        prop_assert!(left >= 1000.0 - spent, "{} of 1000 left, {} spent", left, spent);
    }
}
