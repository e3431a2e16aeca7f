//! Dead letters and events of the local stack, by `scrip --local`.

use std::collections::{BTreeMap, BTreeSet};

use cli::dead::FUNCTIONS;
use local::template::Template;
use serde_json::{Value, json};

use super::cli::{ask, at, listening, on, scrip};
use super::cli_operators::at_a_terminal;
use crate::rules::docs::there_is;
use crate::support::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_part_of_a_local_sweep_is_put_back_and_swept() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    shop.stack.action("acme", "a video", "dynamic_video", 1).await;
    shop.stack.relay().await;
    shop.stack.set_clock("2026-11-24T12:00:00Z");
    let base = &listening(&shop, |_| ()).await;
    let dead = shop.stack.mappings.dead();
    let now = shop.stack.context().clock.now();
    let part = recharge::SweepPart::all(recharge::Task::Recharge, 1).next().expect("a part");
    let part: Value = serde_json::from_str(&part.message()).expect("JSON");
    dead.bury("recharge", now, part);
    dead.bury("recharge", now, json!({ "requestPayload": { "task": "expiring" } }));
    dead.bury("relay", now, json!({ "DynamoDBBatchInfo": {} }));
    let listed = on(base, &["dead", "list"]).await;
    for part in ["a part of a sweep", "task expiring", "a range", "3 dead letters\n", "[dead-3]"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let unknown = scrip(&[&at(base), "dead", "list", "--source", "sweep"], &[]).await;
    let known = format!("there are: {}", FUNCTIONS.join(", "));
    assert!(unknown.code == Some(1) && unknown.complains.contains(&known), "{unknown:?}");
    let queues = Template::load().value()["Resources"].as_object().expect("resources").clone();
    let dead_letters = queues.keys().filter_map(|name| name.strip_suffix("DeadLetters"));
    assert_eq!(dead_letters.collect::<BTreeSet<_>>(), BTreeSet::from(FUNCTIONS));
    let before = shop.stack.announced().len();
    let replayed = on(base, &["dead", "replay", "--source", "recharge"]).await;
    assert_eq!(replayed, "replayed 2 of 2 dead letters\n");
    shop.stack.mappings.drain().await;
    let swept = &shop.stack.announced()[before..];
    assert_eq!(swept.len(), 1, "{swept:#?}");
    assert_eq!(swept[0]["detail-type"], "CreditsRecharged");
    let ended = scrip(&[&at(base), "dead", "replay"], &[]).await;
    assert!(ended.code == Some(1) && ended.says.contains("its records are gone"), "{ended:?}");
    if there_is("script") {
        let kept = at_a_terminal(base, "dead drop", "n").await;
        assert!(kept.contains("drop 1? ") && kept.contains("nothing was dropped"), "{kept}");
        assert_eq!(dead.all().len(), 1);
    }
    on(base, &["dead", "drop", "--yes"]).await;
    assert!(dead.all().is_empty());
    assert_eq!(on(base, &["dead", "list"]).await, "0 dead letters\n");
}

/// The details of events by their ids, without those of thresholds and of debits.
fn by_id(events: &[Value]) -> BTreeMap<String, Value> {
    let left_out = ["CreditsLow", "CreditsExhausted", "CreditsExpiring", "CreditsDebited"];
    let told = events.iter().filter(|event| !left_out.iter().any(|o| event["detail-type"] == *o));
    told.map(|event| (event["detail"]["id"].as_str().expect("an id").to_owned(), event.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_from_the_ledger_are_those_that_were_announced() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    let holds = "/v1/accounts/acme/holds";
    for turn in 0..4 {
        for kind in ["kept", "captured", "released"] {
            let body = format!(r#"{{"credits":"{}"}}"#, turn + 2);
            let held = stack.post(holds, &format!("{kind}-{turn}"), &body).await;
            let hold = format!("{holds}/{}", held.text("/id"));
            match kind {
                "kept" => continue,
                "captured" => {
                    let body = r#"{"credits":"1"}"#;
                    stack.post(&format!("{hold}/capture"), &format!("c-{turn}"), body).await
                }
                _ => stack.post(&format!("{hold}/release"), &format!("r-{turn}"), "{}").await,
            };
        }
        stack.grant("acme", &format!("gift-{turn}"), "5").await;
        for debit in 0..30 {
            stack.debit("acme", &format!("job-{turn}-{debit}"), "1").await;
        }
        // The holds that are kept lapse, and a week's credits arrive.
        stack.set_clock(&format!("2026-12-{:02}T12:00:00Z", 1 + 7 * turn));
        stack.debit("acme", &format!("week-{turn}"), "1").await;
    }
    shop.buy("acme", "order", "starter").await;
    stack.relay().await;
    let first = stack.announced();
    let lapsed =
        |event: &Value| event["detail"]["how"] == "lapsed" && event["detail"]["credits"] != "0";
    assert!(first.iter().filter(|event| lapsed(event)).count() >= 4, "{first:#?}");
    let base = &listening(&shop, |_| ()).await;
    let sent = on(base, &["announce", "acme", "--from-seq", "1"]).await;
    assert!(sent.starts_with("entries 1 to "), "{sent}");
    let again = &stack.announced()[first.len()..];
    assert_eq!(by_id(again), by_id(&first));
    assert_eq!(again.len(), by_id(&first).len());
    // A range that begins after the holds that lapse in it reads back to where they began.
    let middle = first.iter().find(|event| lapsed(event)).expect("a lapse");
    let seq = middle["detail"]["seq"].to_string();
    let before = stack.announced().len();
    on(base, &["announce", "acme", "--from-seq", &seq, "--to-seq", &seq]).await;
    let alone = &stack.announced()[before..];
    assert!(alone.iter().any(|event| event == middle), "{alone:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_of_another_site_reaches_dead_letters_functions_or_the_bus() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    let now = shop.stack.context().clock.now();
    shop.stack.mappings.dead().bury("relay", now, json!({ "DynamoDBBatchInfo": {} }));
    let target = ("x-amz-target", "AWSEvents.PutEvents");
    for path in ["/_local/dead/dead-1/drop", "/_local/functions/recharge", "/_local/messaging"] {
        for (headers, status) in [
            (vec![("content-type", "text/plain"), target], 415),
            (vec![target], 415),
            (vec![("content-type", "application/json"), ("origin", "https://evil.example")], 403),
        ] {
            let answer = ask(base, "POST", path, &headers, r#"{"task":"recharge"}"#).await;
            assert_eq!(answer.0, status, "{path} {headers:?}: {answer:?}");
        }
    }
    assert_eq!(shop.stack.mappings.dead().all().len(), 1);
    assert!(shop.stack.mappings.runs().is_empty());
    let json = [("content-type", "application/json")];
    let missing = ask(base, "POST", "/_local/dead/dead-9/drop", &json, "{}").await;
    assert_eq!(missing.0, 404);
    let unknown = ask(base, "POST", "/_local/functions/debit", &json, "{}").await;
    assert_eq!(unknown.0, 502);
}
