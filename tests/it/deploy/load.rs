//! `scrip load`: it says what it costs, sends no more than was said, and the ledger adds up.

use std::time::Duration;

use cli::load::pace::Pace;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cli::{Ended, at, listening, scrip};
use super::cli_stack::InAws;
use super::fake_api::FakeApi;
use crate::support::shop::Shop;
use crate::support::wire::Fault;

const SMALL: [&str; 9] =
    ["load", "--accounts", "3", "--callers", "4", "--rate", "200", "--seconds", "20"];

/// What a load of this many requests found.
async fn found(base: &str, most: &str, code: i32) -> Value {
    let at = at(base);
    let words = [&[&*at], &SMALL[..], &["--most", most, "--yes", "--json"]].concat();
    let ended = scrip(&words, &[]).await;
    assert_eq!(ended.code, Some(code), "{ended:?}");
    serde_json::from_str(&ended.says).expect("one document")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_on_the_local_stack_adds_up_and_sends_what_it_said() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    let report = found(base, "200", 0).await;
    assert_eq!((&report["ended"], &report["sent"]), (&"count".into(), &200.into()), "{report}");
    assert_eq!(report["unknown"]["at_first"], 0, "{report}");
    // Of each twenty one is a balance, one is refused, and one was sent before.
    let answered = |kind: &str| report["kinds"][kind]["answered"].as_u64().expect("a number");
    assert_eq!((answered("balance"), answered("overdraft")), (10, 10), "{report}");
    assert_eq!(answered("debit") + answered("replay"), 180, "{report}");
    assert_eq!(report["refused"]["insufficient_credits"], 10, "{report}");
    let debits = answered("debit");
    assert_eq!(report["ledger"]["debits"], debits, "{report}");
    assert_eq!(report["ledger"]["adds_up"], true, "{report}");
    // Once more on the accounts that are there: only what is new is compared.
    let again = found(base, "60", 0).await;
    assert_eq!((&again["sent"], &again["ledger"]["adds_up"]), (&60.into(), &true.into()));
    let opened = shop.stack.get("/v1/accounts/load-test-4/balance").await;
    assert_eq!(opened.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_without_a_yes_or_with_a_dry_run_sends_nothing() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    let at = at(base);
    let words = [&[&*at], &SMALL[..]].concat();
    let Ended { code, says, complains } = scrip(&words, &[]).await;
    assert_eq!((code, says.as_str()), (Some(2), ""), "{complains}");
    assert!(complains.contains("--yes") && complains.contains("--dry-run"), "{complains}");
    let told = scrip(&[&words[..], &["--dry-run"]].concat(), &[]).await;
    assert!(told.says.starts_with("would send at most 4000 requests from 4 callers"), "{told:?}");
    assert!(told.says.contains(" dollars, by the prices of us-east-1 in "), "{told:?}");
    for wrong in [
        &["--rate", "1001"][..],
        &["--seconds", "601"],
        &["--most", "100001"],
        &["--callers", "49", "--accounts", "1"],
    ] {
        let refused = scrip(&[&[&*at, "load"], wrong].concat(), &[]).await;
        assert_eq!(refused.code, Some(2), "{wrong:?}: {refused:?}");
    }
    assert_eq!(shop.stack.get("/v1/accounts/load-test-1/balance").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_that_are_unknown_are_found_out_and_the_ledger_still_adds_up() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    found(base, "20", 0).await;
    // The table answers nothing for a while: the functions say that they do not know.
    let mut failing = 0;
    shop.stack.wire.set_policy(move |operation, _| {
        failing += usize::from(operation == "UpdateItem");
        match (40..70).contains(&failing) && operation == "UpdateItem" {
            true => Fault::LoseReply,
            false => Fault::None,
        }
    });
    let report = found(base, "100", 0).await;
    assert_eq!(report["ledger"]["adds_up"], true, "{report}");
    assert_eq!(report["unknown"]["still"], 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_signed_and_ends_when_the_stack_does_not_answer() {
    let account = json!({ "account": "load-test-1", "available": "900", "seq": 7 });
    let balance = |gate: &str| {
        let mut balance = account.clone();
        balance["gate"] = json!(gate);
        balance
    };
    let busy = json!({ "message": "Service Unavailable" });
    let answers = [(200, balance("open")), (503, busy)];
    let (there, api) = (InAws::start().await, FakeApi::start(&answers).await);
    there.aws.known().outputs.insert("ApiUrl".to_owned(), api.base.clone());
    let words = ["load", "--accounts", "1", "--callers", "1", "--rate", "1000", "--yes"];
    let ended = there.run(&[&words[..], &["--most", "10000", "--seconds", "30"]].concat()).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // Nobody knows whether the ledger is right, so nobody is told that it is wrong.
    let said = (ended.says.contains("is not compared in whole"), ended.says.contains("DOES NOT"));
    assert_eq!(said, (true, false), "{ended:?}");
    let asked = api.known().asked.clone();
    let debits = asked.iter().filter(|one| one.target == "/v1/accounts/load-test-1/debits");
    assert!(asked.iter().all(|one| one.service == "execute-api"), "{asked:?}");
    // Nineteen of twenty unanswered requests are debits, and none is sent after those.
    assert!((18..=40).contains(&debits.count()), "{asked:?}");
    api.known().answers = [(200, balance("account_frozen"))].into();
    let refused = there.run(&words).await;
    assert!(refused.complains.contains("load-test-1 may not spend"), "{refused:?}");
}

#[tokio::test]
async fn a_load_does_not_make_up_for_a_stall_above_its_rate() {
    let (began, ms) = (Instant::now(), Duration::from_millis);
    let mut pace = Pace::new(began, 4, 100);
    let dues: Vec<_> = [0, 0, 5_000, 5_000, 5_000]
        .map(|now| pace.next(began + ms(now)).map(|(number, due)| (number, due - began)))
        .into();
    // A tenth of a second may be made up for.
    let expected =
        [Some((0, ms(0))), Some((1, ms(10))), Some((2, ms(4_900))), Some((3, ms(4_910)))];
    assert_eq!(dues, [&expected[..], &[None]].concat());
}
