//! `--json` of the commands that work on tables, queues and the catalog: one document for scripts,
//! nothing else on the standard output, and the exit codes of the same commands without it.

use serde_json::{Value, json};
use shared::domain::Catalog;

use super::cli::{at, listening, scrip};
use super::cli_stack::InAws;
use crate::support::catalogs::in_folder;
use crate::support::shop::Shop;

/// The document that a command prints, which ends with `code`.
async fn document(base: &str, words: &[&str], code: i32) -> Value {
    let ended = scrip(&[&[&*at(base)], words, &["--json"]].concat(), &[]).await;
    assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
    serde_json::from_str(&ended.says).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_their_repair_and_a_clean_audit_are_one_document_each() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    shop.stack.open("acme", "free").await;
    shop.stack.relay().await;
    // Relay is a day late with the row by which the account is found.
    shop.stack.grant("acme", "gift", "5").await;
    let freeze = "/v1/accounts/acme/freeze";
    shop.stack.post(freeze, "freeze", r#"{"reason":"a key has leaked"}"#).await;
    shop.stack.set_clock("2026-11-20T12:00:00Z");
    let audited = document(base, &["audit", "--no-stripe"], 1).await;
    let [difference] = &audited["differences"].as_array().expect("a list")[..] else {
        panic!("{audited:#}")
    };
    assert_eq!(audited["seen"], 1);
    let about = ["account", "difference", "parked"].map(|field| &difference[field]);
    assert_eq!(about, [&json!("acme"), &json!("directory"), &json!(false)], "{audited:#}");
    let texts = ["about", "words", "expected", "found"];
    assert!(texts.iter().all(|field| difference[*field].is_string()), "{audited:#}");
    let mut act = difference.clone();
    act["done"] = json!("repaired");
    for dry_run in [true, false] {
        let words = ["repair", "--no-stripe", "--dry-run"];
        let repaired = document(base, &words[..if dry_run { 3 } else { 2 }], 0).await;
        assert_eq!(repaired, json!({ "dry_run": dry_run, "acts": [act] }));
    }
    let audited = document(base, &["audit", "--no-stripe"], 0).await;
    assert_eq!(audited, json!({ "seen": 1, "differences": [] }));
    let nobody = scrip(&[&at(base), "audit", "--account", "nobody", "--json"], &[]).await;
    assert_eq!((nobody.code, nobody.says.as_str()), (Some(1), ""), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_a_status_and_dead_letters_are_one_document_each() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    shop.stack.action("acme", "a video", "dynamic_video", 1).await;
    shop.stack.relay().await;
    let base = &listening(&shop, |_| ()).await;
    shop.stack.set_clock("2026-11-24T12:00:00Z");
    let swept = json!({ "seen": 1, "done": 1, "broken": 0 });
    assert_eq!(document(base, &["recharge", "--dry-run"], 0).await, swept);
    assert_eq!(document(base, &["recharge"], 0).await, swept);
    shop.stack.mappings.fire("recharge").await.expect("swept");
    let now = shop.stack.context().clock.now();
    // What a caller calls its users is in the body, and in no listing.
    let record = json!({
        "record": { "dynamodb": { "Keys": { "a": { "S": "acme" } }, "NewImage": "ada" } },
        "error": "no such field",
    });
    shop.stack.mappings.dead().bury("relay", now, record);
    let listed = document(base, &["dead", "list"], 0).await;
    let letter = json!({
        "id": "dead-1", "function": "Relay", "sent_at": now,
        "what": "a stream record of account acme: no such field",
    });
    assert_eq!(listed, json!({ "dead_letters": [letter] }));
    let none = document(base, &["dead", "list", "--source", "audit"], 0).await;
    assert_eq!(none, json!({ "dead_letters": [] }));
    let status = document(base, &["status"], 0).await;
    assert_eq!(status["stack"], json!({ "origin": base }));
    assert_eq!(status["work"][0]["name"], "recharge");
    assert!(status["work"][0]["found"].is_object(), "{status:#}");
    assert_eq!(status["dead_letters"], json!([{ "function": "Relay", "count": 1 }]));
    let none = json!({ "count": 0, "or_more": false, "oldest": null });
    assert_eq!(status["parked_payments"], none);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_deployed_stack_has_its_counts_and_versions() {
    let there = InAws::start().await;
    there.aws.function("Debit");
    there.aws.queue("AuditDeadLetters");
    {
        let mut known = there.aws.known();
        let monday = || "2026-11-23T00:05:00Z".to_owned();
        known.metrics.insert("SweepsFinished".to_owned(), vec![(monday(), "32.0".to_owned())]);
        known.metrics.insert("AccountsSeen".to_owned(), vec![(monday(), "7.0".to_owned())]);
        let path = "/2015-03-31/functions/scrip-test-Debit-1A2B";
        known.lambda.insert(format!("{path}/configuration"), json!({ "LastModified": "then" }));
        let alias = json!({ "Name": "live", "FunctionVersion": "12" });
        known.lambda.insert(format!("{path}/aliases"), json!({ "Aliases": [alias] }));
    }
    let says = there.on(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&says).expect("one document");
    let stack =
        json!({ "name": "scrip-test", "region": "eu-central-1", "status": "UPDATE_COMPLETE" });
    assert_eq!(status["stack"], stack);
    let sweep = json!({
        "name": "sweep", "last": "2026-11-23T00:05:00.000Z",
        "found": { "seen": 7, "advanced": 0, "broken": 0 },
    });
    assert_eq!(status["work"][0], sweep);
    assert_eq!(status["work"][1], json!({ "name": "reconcile", "last": null, "found": {} }));
    assert_eq!(status["dead_letters"], json!([{ "function": "Audit", "count": 0 }]));
    let live = json!({ "name": "live", "version": "12", "others": {} });
    let debit = json!({ "name": "Debit", "changed": "then", "aliases": [live] });
    assert_eq!(status["functions"], json!([debit]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_differences_of_a_catalog_are_one_document_with_the_values_of_both() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    let file = in_folder("json", Catalog::DEFAULT.replacen("version = 1", "version = 2", 1));
    let path = file.path().to_str().expect("a path in UTF-8");
    let diff = document(base, &["catalog", "diff", path], 0).await;
    let version = json!({ "key": "version", "in_force": 1, "file": 2 });
    assert_eq!(diff, json!({ "differences": [version] }));
}
