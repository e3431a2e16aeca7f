//! `scrip restore`: its requests to DynamoDB, and its audit and repair of torn copies of tables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cli::restore::{self, RestoreError};
use local::context;
use local::embedded::Embedded;
use local::template::Template;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::store::{Store, Tables};

use crate::support::shop::Shop;
use crate::support::wire::Items;
use crate::support::{Stack, instant, items};

/// The last good moment of the stories.
const TO: &str = "2026-11-18T12:00:00Z";

fn named(accounts: &str, ledger: &str) -> Tables {
    Tables { accounts: accounts.to_owned(), ledger: ledger.to_owned() }
}

/// The part of DynamoDB that the emulators do not have. It records what changes something.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The properties of each table, by what turned them on.
    tables: BTreeMap<String, Value>,
    changes: Vec<(String, Value)>,
    /// The change that fails the next time.
    fails: Option<&'static str>,
}

impl Fake {
    fn answer(&self, operation: &str, body: &Value) -> (u16, Value) {
        let mut state = self.0.lock().expect("no one panics with the lock");
        let reads = operation.starts_with("Describe") || operation.starts_with("List");
        if !reads {
            if state.fails.take_if(|fails| *fails == operation).is_some() {
                return (400, json!({ "__type": "com.amazon#AccessDeniedException" }));
            }
            state.changes.push((operation.to_owned(), body.clone()));
        }
        let arn = body["ResourceArn"].as_str().unwrap_or_default();
        let name = body["TableName"].as_str().or(body["TargetTableName"].as_str());
        let name = name.unwrap_or_else(|| arn.trim_start_matches("arn:")).to_owned();
        if operation == "RestoreTableToPointInTime" {
            state.tables.insert(name.clone(), json!({ "looks": 2 }));
        }
        let Some(table) = state.tables.get_mut(&name) else {
            return (400, json!({ "__type": "com.amazon#ResourceNotFoundException" }));
        };
        match operation {
            "UpdateTable" | "UpdateTimeToLive" | "UpdateContinuousBackups" => {
                let fields = body.as_object().expect("an object").clone();
                fields.into_iter().for_each(|(field, value)| table[field] = value);
            }
            "TagResource" => table["Tags"] = body["Tags"].clone(),
            _ => {}
        }
        // A table that was just made is not ready at the first looks.
        let looks = table["looks"].as_u64().unwrap_or(0);
        if operation == "DescribeTable" {
            table["looks"] = json!(looks.saturating_sub(1));
        }
        let on = |of: &Value, field: &str| if of[field] == true { "ENABLED" } else { "DISABLED" };
        let status = "PointInTimeRecoveryStatus";
        let recovery = &table["PointInTimeRecoverySpecification"];
        (
            200,
            match operation {
                "DescribeTimeToLive" => json!({ "TimeToLiveDescription": {
                    "TimeToLiveStatus": on(&table["TimeToLiveSpecification"], "Enabled") } }),
                "DescribeContinuousBackups" => json!({ "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": {
                        status: on(recovery, "PointInTimeRecoveryEnabled") } } }),
                "ListTagsOfResource" => json!({ "Tags": table["Tags"] }),
                "DescribeTable" => json!({ "Table": {
                    "TableName": name,
                    "TableArn": format!("arn:{name}"),
                    "TableStatus": if looks > 0 { "CREATING" } else { "ACTIVE" },
                    "StreamSpecification": table["StreamSpecification"],
                    "LatestStreamArn": table["StreamSpecification"]["StreamEnabled"].as_bool()
                        .map(|_| format!("arn:{name}/stream")),
                    "DeletionProtectionEnabled": table["DeletionProtectionEnabled"],
                } }),
                _ => json!({}),
            },
        )
    }

    fn store(&self) -> Store {
        let (fake, clock) = (self.clone(), Clock::new(|| instant(TO)));
        let engine = move |operation: &str, body: &[u8]| {
            let body = serde_json::from_slice(body).expect("JSON");
            let (status, answer) = fake.answer(operation, &body);
            (status, answer.to_string())
        };
        let client = Embedded::over(engine, clock.clone()).client();
        Store::new(context::sdk(client, "http://fake"), Tables::default(), clock)
    }

    fn changes(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.0.lock().expect("no one panics with the lock").changes)
    }
}

fn today() -> Fake {
    let fake = Fake::default();
    let tags = json!([{ "Key": "application", "Value": "scrip" },
        { "Key": "aws:cloudformation:stack-name", "Value": "scrip" }]);
    let mut state = fake.0.lock().expect("no one panics with the lock");
    for table in ["accounts", "ledger"] {
        state.tables.insert(table.to_owned(), json!({ "Tags": tags }));
    }
    drop(state);
    fake
}

#[tokio::test(start_paused = true)]
async fn a_restored_table_gets_what_the_template_gives_one() {
    let fake = today();
    let (store, from) = (fake.store(), named("accounts", "ledger"));
    let new = restore::named(&from, instant(TO));
    let mut told = Vec::new();
    let rehearsed = restore::tables(&store, (&from, &new), instant(TO), true, |_| ()).await;
    rehearsed.expect("said");
    assert_eq!(fake.changes(), [], "a rehearsal changes nothing");
    // It is interrupted after the first table: the second run does only the rest.
    fake.0.lock().expect("no one panics with the lock").fails = Some("UpdateTimeToLive");
    let mut all = Vec::new();
    for run in 0..2 {
        let tell = |line: &str| told.push(line.to_owned());
        let began = restore::tables(&store, (&from, &new), instant(TO), false, tell).await;
        began.expect("it begins");
        let done = restore::complete(&store, (&from, &new), |_| ()).await;
        assert_eq!(done.is_ok(), run == 1, "{done:?}");
        all.extend(fake.changes());
    }
    assert!(told[2].ends_with("is there already: it is used as it is"), "{told:#?}");
    let of = |wanted: &str, table: &str| -> Vec<&Value> {
        let found = all.iter().filter(|(operation, body)| {
            let names = [&body["TableName"], &body["TargetTableName"], &body["ResourceArn"]];
            operation == wanted
                && names.iter().any(|n| n.as_str().is_some_and(|n| n.ends_with(table)))
        });
        found.map(|(_, body)| body).collect()
    };
    let seconds = |table: &str| {
        let [restored] = of("RestoreTableToPointInTime", table)[..] else { panic!("{all:#?}") };
        restored["RestoreDateTime"].as_f64().expect("a time")
    };
    assert_eq!(seconds(&new.ledger) - seconds(&new.accounts), 60.0);
    for table in Template::load().tables() {
        let name = if table.name == "Accounts" { &new.accounts } else { &new.ledger };
        let properties = &table.properties;
        let updates = of("UpdateTable", name);
        assert_eq!(updates.len(), 2, "{all:#?}");
        let stream = &updates[0]["StreamSpecification"];
        assert_eq!(stream["StreamViewType"], properties["StreamSpecification"]["StreamViewType"]);
        assert_eq!(
            updates[1]["DeletionProtectionEnabled"],
            properties["DeletionProtectionEnabled"]
        );
        let to_live: Vec<_> = of("UpdateTimeToLive", name);
        let to_live = to_live.first().map(|body| &body["TimeToLiveSpecification"]);
        assert_eq!(to_live, properties.get("TimeToLiveSpecification"));
        let [recovery] = of("UpdateContinuousBackups", name)[..] else { panic!("{all:#?}") };
        let field = "PointInTimeRecoverySpecification";
        assert_eq!(recovery[field], properties[field]);
        let [tagged] = of("TagResource", name)[..] else { panic!("{all:#?}") };
        assert_eq!(tagged["Tags"], json!([{ "Key": "application", "Value": "scrip" }]));
    }
    restore::complete(&store, (&from, &new), |_| ()).await.expect("nothing is left to do");
    assert_eq!(fake.changes(), []);
    let commands = restore::deploy_commands(&store, &new, "scrip-test").await;
    let [switch, go_on] = commands.expect("commands");
    let [accounts, ledger] = [&new.accounts, &new.ledger];
    for word in [
        format!("RestoredAccountsTable={accounts}"),
        format!("RestoredAccountsStreamArn=arn:{accounts}/stream"),
        format!("RestoredLedgerTable={ledger}"),
        format!("RestoredLedgerStreamArn=arn:{ledger}/stream"),
        // While the new version is on trial, the one before must not write to the old tables.
        "Paused=true".to_owned(),
        "--stack-name scrip-test".to_owned(),
    ] {
        assert!(switch.contains(&word), "{word}: {switch}");
    }
    assert!(go_on.ends_with("--stack-name scrip-test --parameter-overrides Paused=false"));
}

/// Both tables of the stack, as they are now.
fn scanned(stack: &Stack) -> [Items; 2] {
    let names = local::tables::names();
    [names.accounts, names.ledger].map(|table| {
        let scanned = stack.wire.past(&json!({ "TableName": table }), "Scan");
        scanned["Items"].as_array().cloned().unwrap_or_default()
    })
}

/// Copies of tables beside those of the stack.
pub(super) async fn copied(stack: &Stack, suffix: &str, items: [&Items; 2]) -> Tables {
    let names = local::tables::names();
    let new = named(&format!("{}-{suffix}", names.accounts), &format!("{}-{suffix}", names.ledger));
    let tables = stack.tables();
    local::tables::create(&tables, &new).await.expect("created");
    for (name, items) in [&new.accounts, &new.ledger].into_iter().zip(items) {
        for item in items {
            let put = tables.put_item().table_name(name).set_item(Some(items::read(item)));
            put.send().await.expect("written");
        }
    }
    new
}

/// A shop, its tables as they were before and after credits arrived, entries were archived and an
/// operator's grant was made.
pub(super) async fn torn() -> (Shop, [Items; 2], [Items; 2]) {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.debit("acme", "first", "1").await;
    let before = scanned(stack);
    for n in 0..40 {
        stack.debit("acme", &format!("job {n}"), "1").await;
    }
    stack.grant("acme", "after the moment", "5").await;
    stack.relay().await;
    let after = scanned(stack);
    (shop, before, after)
}

#[tokio::test]
async fn torn_tables_are_repaired_once_it_is_agreed() {
    let (shop, before, after) = torn().await;
    let (stack, stripe) = (&shop.stack, shop.stack.functions.stripe());
    // Restored as the runbook says: the ledger to a later moment than the accounts.
    let new = copied(stack, "torn", [&before[0], &after[1]]).await;
    let context = restore::on(stack.context(), &new).await.expect("they can be read");
    let unchanged = ::audit::report(&context, None, None, |_| ()).await.expect("a report");
    let mut told = String::new();
    for (rehearsed, agrees) in [(true, true), (false, false)] {
        let tell = |line: &str| told.push_str(line);
        let checked = restore::check(&context, Some(stripe), rehearsed, || agrees, tell).await;
        assert_eq!(checked.is_ok(), rehearsed, "{checked:?}");
    }
    assert!(told.contains("would be repaired"), "{told}");
    let still = ::audit::report(&context, None, None, |_| ()).await.expect("a report");
    assert_eq!(still, unchanged, "nothing was written");
    for found in ["repaired", "the audit found 0 differences"] {
        let mut told = String::new();
        let tell = |line: &str| told.push_str(line);
        restore::check(&context, Some(stripe), false, || true, tell).await.expect("they agree");
        assert!(told.contains(found), "{told}");
    }
    // The stack itself is as it was.
    assert_eq!(scanned(stack), after);
}

#[tokio::test]
async fn a_ledger_of_an_earlier_moment_is_not_repaired() {
    let (shop, before, after) = torn().await;
    let stack = &shop.stack;
    let new = copied(stack, "early", [&after[0], &before[1]]).await;
    let context = restore::on(stack.context(), &new).await.expect("they can be read");
    let stripe = stack.functions.stripe();
    let checked = restore::check(&context, Some(stripe), false, || true, |_| ()).await;
    assert!(matches!(checked, Err(RestoreError::LedgerEarlier)), "{checked:?}");
    // A gap that was there before the backup has frozen its account: no other moment closes it.
    cli::repair::run(&context, Some(stripe), None, false).await.expect("repaired");
    let checked = restore::check(&context, Some(stripe), false, || true, |_| ()).await;
    assert!(checked.is_ok(), "{checked:?}");
}
