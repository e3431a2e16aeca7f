//! What a tagged version wrote is read by today's code as it was read by that version.
//!
//! `tests/fixtures/v<version>` holds the items of both tables after a life that writes every kind
//! of entry and row, and what was read from them. At a tag, before the version in `Cargo.toml` is
//! raised, write them with `UPDATE_EXPECT=1 cargo test -p tests --test it last_tag::`. What is
//! there is never written again: delete a folder to make it anew.

mod life;

use std::path::PathBuf;

use expect_test::expect_file;
use serde_json::{Map, Value, json};
use shared::clock::Clock;

use crate::support::wire::Items;
use crate::support::{KEYS, Stack, counting, instant, items, ledger, of};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The folders of the tagged versions.
fn versions() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(fixtures()).expect("fixtures");
    let folders = folders.map(|folder| folder.expect("a folder").path());
    let is_version = |folder: &PathBuf| folder.join("accounts.json").exists();
    let mut folders: Vec<_> = folders.filter(is_version).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no version is read");
    folders
}

fn stored(folder: &std::path::Path) -> [Items; 2] {
    ["accounts", "ledger"].map(|table| {
        let text = std::fs::read_to_string(folder.join(format!("{table}.json"))).expect("items");
        serde_json::from_str(&text).expect("JSON")
    })
}

/// A new kind is missing here until the life writes it.
#[tokio::test]
async fn the_life_of_the_fixtures_writes_every_kind() {
    let items = life::items().await;
    assert_eq!(life::kinds(&items), life::all());
    let folder = fixtures().join(concat!("v", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("UPDATE_EXPECT").is_none() || folder.exists() {
        return;
    }
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, items) in ["accounts", "ledger"].iter().zip(items) {
        let lines: Vec<String> = items.iter().map(Value::to_string).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        std::fs::write(folder.join(format!("{name}.json")), text).expect("written");
    }
}

#[test]
fn the_fixtures_have_every_kind_that_their_version_wrote() {
    // Kinds that are new today are not in the fixtures of an older version.
    let all = life::all();
    for folder in versions() {
        let found = life::kinds(&stored(&folder));
        let last = folder.ends_with(concat!("v", env!("CARGO_PKG_VERSION")));
        for ((what, found), (_, all)) in found.iter().zip(&all) {
            assert!(found.is_subset(all), "{what} of {folder:?} that today's code does not know");
            let mut written = all.clone();
            written.retain(|kind| !life::SINCE_THE_TAG.contains(&kind.as_str()));
            assert!(!last || *found == written, "{what} that are not in {folder:?}");
        }
    }
}

/// A stack whose tables hold what the version wrote, at the end of the life.
async fn loaded([accounts, ledger]: &[Items; 2]) -> Stack {
    let now = instant(life::ENDS);
    let stack = Stack::drawing(now, counting(1 << 40)).await;
    items::put(&stack.tables(), accounts, ledger).await;
    // A function that starts now: it reads the catalog of the tables.
    stack.beside(Clock::new(move || now)).await.with_keys(KEYS)
}

/// Usage as 0.1.0 showed it: it had no models.
fn without_models(mut usage: Value) -> Value {
    for day in usage["days"].as_array_mut().expect("days") {
        let models = day.as_object_mut().and_then(|day| day.shift_remove("models"));
        assert_eq!(models, Some(json!([])));
    }
    usage
}

/// An entry as 0.1.0 showed it: the actor of an operator's entry was called its user.
fn with_actors_as_users(entry: Value) -> Value {
    let Value::Object(fields) = entry else { panic!("{entry} is no entry") };
    let name = |name: String| if name == "actor" { "user".to_owned() } else { name };
    fields.into_iter().map(|(field, value)| (name(field), value)).collect()
}

/// The same after the repair that an upgrade asks for: it writes the rows of the directory.
async fn upgraded(items: &[Items; 2]) -> Stack {
    let stack = loaded(items).await;
    let acts = cli::repair::run(stack.context(), None, None, false).await.expect("repaired");
    assert!(acts.iter().all(|act| act.difference.kind.name() == "directory"), "{acts:?}");
    stack
}

#[tokio::test]
async fn what_a_tagged_version_wrote_reads_as_it_did() {
    for folder in versions() {
        let items = stored(&folder);
        let stack = upgraded(&items).await;
        let audited = ::audit::report(stack.context(), None, None, |_| ()).await;
        assert_eq!(audited.expect("an audit").differences, [], "{folder:?}");
        let mut read = Map::new();
        for account in life::accounts(&items[0]) {
            let usage = stack.get(&of(&account, "/usage?from=2026-11-18&to=2026-11-25")).await;
            let entries = ledger(&stack.functions, &account).await.expect("a ledger");
            let entries: Vec<_> = entries.into_iter().map(with_actors_as_users).collect();
            let balance = stack.balance(&account).await;
            assert_eq!((balance.status, usage.status), (200, 200), "{account}");
            let page = crate::page::html::page(&stack, &account, "").await.0.status;
            read.insert(
                account,
                json!({ "balance": balance.body, "usage": without_models(usage.body), "page": page,
                    "entries": entries }),
            );
        }
        let parked = stack.get("/v1/payments?state=parked").await;
        // The fields that version 0.1.0 answered.
        let payments = parked.body["payments"].as_array().expect("payments").iter();
        let fields =
            |one: &Value| json!({ "id": one["id"], "at": one["at"], "problem": one["problem"] });
        let payments: Vec<Value> = payments.map(fields).collect();
        let parked = json!({ "payments": payments, "next_cursor": parked.body["next_cursor"] });
        read.insert("parked payments".to_owned(), parked);
        let text = serde_json::to_string_pretty(&read).expect("JSON");
        expect_file![folder.join("read.json")].assert_eq(&format!("{text}\n"));
    }
}

/// An open hold that a tagged version wrote takes each step, also as the first that is asked.
#[tokio::test]
async fn a_hold_of_a_tagged_version_takes_every_step() {
    for folder in versions() {
        let items = stored(&folder);
        for (word, body) in [
            ("capture", r#"{"credits":"2","final":false}"#),
            ("capture", r#"{"credits":"2"}"#),
            ("extend", r#"{"expires_in_s":86400}"#),
            ("release", "{}"),
        ] {
            let stack = upgraded(&items).await;
            let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
            let held = entries.iter().rev().find(|entry| entry["kind"] == "held");
            let id = held.and_then(|entry| entry["id"].as_str()).expect("a hold");
            let path = of("acme", &format!("/holds/{id}/{word}"));
            let done = stack.post(&path, "first", body).await;
            assert_eq!(done.status, 201, "{word} {body}: {done:?}");
            let path = of("acme", &format!("/holds/{id}/release"));
            let released = stack.post(&path, "then", "{}").await;
            assert_eq!(released.status, if done.text("/balance/held") == "0" { 409 } else { 201 });
            let audited = ::audit::report(stack.context(), None, None, |_| ()).await;
            assert_eq!(audited.expect("an audit").differences, [], "{word} {body}");
        }
    }
}

#[tokio::test]
async fn accounts_of_a_tagged_version_go_on() {
    for folder in versions() {
        let items = stored(&folder);
        let stack = upgraded(&items).await;
        for account in life::accounts(&items[0]) {
            let before = stack.balance(&account).await.body["available"].clone();
            let debit = stack.debit(&account, "by today's code", "0.000001").await;
            match (account.as_str(), before.as_str()) {
                ("torn", _) => assert_eq!(debit.code(), "account_frozen"),
                (_, Some("0")) => assert_eq!(debit.code(), "insufficient_credits", "{account}"),
                _ => assert_eq!(debit.status, 201, "{account}: {debit:?}"),
            }
        }
        let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
        let latest = |kind: &str| {
            let found = entries.iter().rev().find(|entry| entry["kind"] == kind);
            found.and_then(|entry| entry["id"].as_str()).expect("an entry").to_owned()
        };
        // The first debit is in a segment, and advances lie between: a history is replayed.
        let first = entries.iter().find(|entry| entry["kind"] == "debit").expect("a debit");
        let first = first["id"].as_str().expect("an id");
        let refund = r#"{"credits":"0.5","reason":"it failed"}"#;
        for debit in [first, &latest("debit")] {
            let path = of("acme", &format!("/debits/{debit}/refund"));
            let body = if debit == first { refund } else { &refund.replace("0.5", "0.000001") };
            let refunded = stack.post(&path, &format!("refund {debit}"), body).await;
            assert_eq!(refunded.status, 201, "{refunded:?}");
        }
        let path = of("acme", &format!("/holds/{}/capture", latest("held")));
        let captured = stack.post(&path, "capture", r#"{"credits":"2"}"#).await;
        assert_eq!(captured.status, 201, "{captured:?}");
        // A key that was used then is known.
        let again = stack.debit("acme", "first video", "3").await;
        assert_eq!(again.headers["idempotent-replayed"], "true");
        let audited = ::audit::report(stack.context(), None, None, |_| ()).await;
        assert_eq!(audited.expect("an audit").differences, [], "{folder:?}");
    }
}
