//! `scrip --stack NAME`: commands on a deployed stack that says itself what is in it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::cli::{Ended, scrip};
use super::fake_aws::{FakeAws, KEY, REGION, SECRET};
use crate::support::Stack;

/// A stack in AWS, as far as `scrip` sees it: its tables are those of a local stack.
pub(super) struct InAws {
    pub(super) stack: Stack,
    pub(super) aws: FakeAws,
    /// The address of its tables.
    tables: String,
}

impl InAws {
    pub(super) async fn start() -> InAws {
        let (stack, _, base) = Stack::served(None, &[]).await;
        let aws = FakeAws::start().await;
        for (name, value) in [
            ("AccountsTable", "scrip-accounts"),
            ("LedgerTable", "scrip-ledger"),
            ("BusName", "scrip-test-bus"),
        ] {
            aws.known().outputs.insert(name.to_owned(), value.to_owned());
        }
        InAws { stack, aws, tables: format!("{base}/_local/dynamodb") }
    }

    /// The environment that names no caller.
    pub(super) fn nobody(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ENDPOINT_URL", &self.aws.base),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.tables),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// The environment of the operator.
    pub(super) fn operator(&self) -> Vec<(&str, &str)> {
        let keys =
            [("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        [self.nobody(), keys.to_vec()].concat()
    }

    /// Runs a command on the stack as the operator.
    pub(super) async fn run(&self, words: &[&str]) -> Ended {
        scrip(&[&["--stack", "scrip-test"], words].concat(), &self.operator()).await
    }

    /// Runs a command that must succeed. Returns its output.
    pub(super) async fn on(&self, words: &[&str]) -> String {
        let ended = self.run(words).await;
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        ended.says
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_names_its_own_tables_and_its_region_may_be_given() {
    let there = InAws::start().await;
    there.stack.open("acme", "pro").await;
    let shown = there.on(&["inspect", "acme"]).await;
    assert!(shown.starts_with("account acme, "), "{shown}");
    let services: Vec<_> = there.aws.known().services.iter().cloned().collect();
    assert_eq!(services, ["cloudformation"]);
    // The region of an option precedes that of the environment.
    let mut elsewhere = there.operator();
    elsewhere.retain(|(name, _)| *name != "AWS_REGION");
    elsewhere.push(("AWS_REGION", "us-east-1"));
    let words = ["inspect", "acme", "--stack", "scrip-test", "--region", REGION];
    assert_eq!(scrip(&words, &elsewhere).await.code, Some(0));
    let wrong = scrip(&words[..4], &elsewhere).await;
    assert!(wrong.complains.contains("the credentials are wrong"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_reach_its_stack_says_what_to_do() {
    let there = InAws::start().await;
    let words = ["--stack", "scrip-test", "inspect", "acme"];
    let refused = async |words: &[&str], environment: &[(&str, &str)], parts: &[&str]| {
        let ended = scrip(words, environment).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in parts {
            assert!(ended.complains.contains(part), "{part}: {ended:?}");
        }
        let secret = ended.complains.contains(SECRET);
        assert!(!secret && ended.complains.lines().count() == 1, "{ended:?}");
    };
    let nobody = [there.nobody(), vec![("AWS_REGION", REGION)]].concat();
    let login = ["no AWS credentials", "aws sso login", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"];
    refused(&words, &nobody, &login).await;
    let mut nowhere = there.operator();
    nowhere.retain(|(name, _)| *name != "AWS_REGION");
    refused(&words, &nowhere, &["no AWS region", "--region", "AWS_REGION"]).await;
    let operator = there.operator();
    let other = ["--stack", "other", "inspect", "acme"];
    refused(&other, &operator, &["there is no stack other in eu-central-1"]).await;
    there.aws.known().denied = Some("DescribeStacks".to_owned());
    refused(&words, &operator, &["DescribeStacks", "role does not allow it"]).await;
    there.aws.known().denied = None;
    there.aws.known().outputs.remove("LedgerTable");
    refused(&words, &operator, &["no output LedgerTable", "stack of Scrip"]).await;
    let ended = scrip(&["--stack", "a", "--local", "audit"], &operator).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

/// A folder with a program that is called `aws` and does `what`.
fn aws_cli(what: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("scrip-aws-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("aws");
    std::fs::write(&program, format!("#!/bin/sh\n{what}\n")).expect("a file");
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&program, mode).expect("a program");
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_logged_in_with_the_aws_cli_needs_no_keys() {
    let there = InAws::start().await;
    there.stack.open("acme", "pro").await;
    let exported = json!({
        "Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET,
        "Expiration": "2099-01-01T00:00:00+00:00",
    });
    let asked = r#"[ "$*" = "configure export-credentials --format process" ] || exit 3"#;
    let folder = aws_cli(&format!("{asked}\necho '{exported}'"));
    let path = folder.to_str().expect("a path").to_owned();
    let environment =
        [there.nobody(), vec![("AWS_REGION", REGION), ("PATH", path.as_str())]].concat();
    let words = ["--stack", "scrip-test", "inspect", "acme"];
    let shown = scrip(&words, &environment).await;
    assert!(shown.code == Some(0) && shown.says.starts_with("account acme, "), "{shown:?}");
    aws_cli("echo 'Error loading SSO Token: Token has expired' >&2; exit 255");
    let expired = scrip(&words, &environment).await;
    assert!(expired.complains.contains("Token has expired"), "{expired:?}");
    std::fs::remove_dir_all(folder).expect("the test's own folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_without_stripe_says_so() {
    let there = InAws::start().await;
    let ended = there.run(&["reconcile"]).await;
    assert!(ended.complains.contains("has no Stripe: StripeKeyArn is empty"), "{ended:?}");
    let key = ("StripeKeyArn".to_owned(), "arn:of:the:key".to_owned());
    there.aws.known().parameters.extend([key]);
    // Its secret is read with the operator's identity.
    let ended = there.run(&["reconcile"]).await;
    assert!(ended.complains.contains("a secret could not be read"), "{ended:?}");
    assert!(there.aws.known().services.contains("secretsmanager"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_runs_is_not_restored_and_its_own_tables_are_not_repaired() {
    let there = InAws::start().await;
    let to = ["restore", "--to", "2026-11-18T11:00:00Z"];
    let ended = there.run(&to).await;
    assert!(ended.code == Some(1) && ended.complains.contains("Paused=true first"), "{ended:?}");
    there.aws.known().parameters.insert("Paused".to_owned(), "true".to_owned());
    let own = ["--accounts-table", "scrip-accounts"];
    for words in
        [[&to[..], &own].concat(), vec!["restore", "--from-tables", "scrip-accounts", "other"]]
    {
        let ended = there.run(&words).await;
        let refused = ended.complains.contains("tables that the stack uses");
        assert!(ended.code == Some(1) && refused, "{words:?}: {ended:?}");
    }
}

/// A part of an audit, as its function queues it.
fn audit_part() -> Value {
    let part = ::audit::AuditPart::new(::audit::AuditWork::Orphans { after: None });
    serde_json::from_str(&part.message()).expect("JSON")
}

/// A stream record of an account.
fn record(number: &str) -> Value {
    json!({ "dynamodb": {
        "SequenceNumber": number, "Keys": { "a": { "S": "acme" } }, "NewImage": { "a": 1 },
    } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_every_kind_are_listed_replayed_and_dropped() {
    let there = InAws::start().await;
    let aws = &there.aws;
    let [relay, recharge, audit, debit] = ["Relay", "Recharge", "Audit", "Debit"].map(|function| {
        aws.function(function);
        aws.queue(&format!("{function}DeadLetters"))
    });
    let (sweep, audits) = (aws.queue("Sweep"), aws.queue("Audits"));
    let part = json!({ "task": "recharge", "segment": 3, "of": 32 });
    let rest = audit_part();
    let payload = json!({ "account": "acme", "user": "ada" });
    let version = "arn:aws:lambda:eu-central-1:000000000000:function:debit:live";
    let mut lost = record("3");
    lost["dynamodb"]["NewImage"] = Value::Null;
    aws.put(&relay, "one", &json!({ "record": record("1"), "error": "no balance" }));
    let stream = "arn:aws:dynamodb:eu-central-1:0:table/scrip-accounts/stream/1";
    let range = json!({ "batchSize": 7, "streamArn": stream });
    aws.put(&relay, "two", &json!({ "DynamoDBBatchInfo": range }));
    aws.put(&relay, "three", &json!({ "record": lost, "error": "no balance" }));
    aws.put(&recharge, "four", &part);
    aws.put(&recharge, "five", &json!({ "task": "recharge" }));
    aws.put(&audit, "six", &rest);
    aws.put(
        &debit,
        "seven",
        &json!({
            "requestContext": { "functionArn": version }, "requestPayload": payload,
        }),
    );
    aws.put(&debit, "eight", &json!("of nobody"));

    let listed = there.on(&["dead", "list"]).await;
    for line in [
        "Relay      a stream record of account acme: no balance  [one]",
        "Relay      a range of 7 stream records of scrip-accounts  [two]",
        r#"a part of a sweep: {"task":"recharge","segment":3,"of":32}  [four]"#,
        r#"a schedule: {"task":"recharge"}  [five]"#,
        r#"a part of an audit: {"orphans":{"after":null}}  [six]"#,
        "Debit      an invocation  [seven]",
        "a message of an unknown form  [eight]",
        "8 dead letters\n",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    // Nothing stays hidden, and nobody's name is printed.
    assert!(!listed.contains("ada"), "{listed}");
    for queue in [&relay, &recharge, &audit, &debit] {
        assert!(aws.left(queue).iter().all(|(_, hidden)| !hidden), "{queue}");
    }

    // Only those that relay could process are gone.
    aws.known().answer = json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] });
    let ended = there.run(&["dead", "replay", "--source", "relay"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in ["Relay could not process it", "scrip announce acme --from-seq N", "its records"] {
        assert!(ended.says.contains(part), "{part}: {ended:?}");
    }
    assert!(ended.says.ends_with("replayed 0 of 3 dead letters\n"), "{ended:?}");
    aws.known().answer = json!({ "batchItemFailures": [] });
    there.run(&["dead", "replay"]).await;
    let left = |queue: &str| {
        let left = aws.left(queue).into_iter();
        left.map(|(id, hidden)| {
            assert!(!hidden, "{id}");
            id
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(left(&relay), ["two", "three"]);
    assert_eq!((left(&recharge), left(&audit)), (vec![], vec![]));
    assert_eq!(left(&debit), ["eight"]);
    let sent = |queue: &str| aws.known().queues[queue][0].body.clone();
    assert_eq!([sent(&sweep), sent(&audits)], [part.to_string(), rest.to_string()]);
    let invoked = aws.known().invoked.split_off(1);
    let path = |of: &str| format!("/2015-03-31/functions/scrip-test-{of}-1A2B/invocations");
    let invocations = [
        (format!("{}?Qualifier=live", path("Debit")), "Event".to_owned(), payload),
        (path("Relay"), "RequestResponse".to_owned(), json!({ "Records": [record("1")] })),
        (path("Recharge"), "Event".to_owned(), json!({ "task": "recharge" })),
    ];
    for invocation in &invocations {
        assert!(invoked.contains(invocation), "{invocation:?}: {invoked:#?}");
    }

    // Where nobody can be asked nothing is dropped.
    let ended = there.run(&["dead", "drop"]).await;
    assert!(ended.code == Some(2) && ended.complains.contains("say --yes"), "{ended:?}");
    assert_eq!(left(&relay).len() + left(&debit).len(), 3);
    let dropped = there.on(&["dead", "drop", "--yes", "--id", "tw"]).await;
    assert!(dropped.ends_with("dropped 1 dead letters\n"), "{dropped}");
    assert_eq!((left(&relay), left(&debit).len()), (vec!["three".to_owned()], 1));
    there.on(&["dead", "drop", "--yes", "--source", "DebitDeadLetters"]).await;
    assert_eq!(left(&debit).len(), 0);
    let wrong = there.run(&["dead", "list", "--source", "balance"]).await;
    assert!(wrong.complains.contains("there are: Audit, Debit, Recharge, Relay"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_deployed_stack_go_to_its_own_bus() {
    let there = InAws::start().await;
    there.stack.open("acme", "pro").await;
    there.stack.debit("acme", "job", "1").await;
    let sent = there.on(&["announce", "acme", "--from-seq", "1"]).await;
    assert_eq!(sent, "entries 1 to 2 of acme: 1 events\n");
    there.aws.known().parameters.insert("AnnounceDebits".to_owned(), "true".to_owned());
    let sent = there.on(&["announce", "acme", "--from-seq", "2", "--to-seq", "2"]).await;
    assert_eq!(sent, "entries 2 to 2 of acme: 1 events\n");
    let events = std::mem::take(&mut there.aws.known().events);
    let types: Vec<_> = events.iter().map(|event| event["DetailType"].clone()).collect();
    assert_eq!(types, ["CreditsRecharged", "CreditsDebited"]);
    assert!(events.iter().all(|event| event["EventBusName"] == "scrip-test-bus"), "{events:?}");
    for (range, says) in [
        (&["--from-seq", "0"][..], "the entries of acme are 1 to 2"),
        (&["--from-seq", "1", "--to-seq", "3"], "the entries of acme are 1 to 2"),
    ] {
        let ended = there.run(&[&["announce", "acme"], range].concat()).await;
        assert!(ended.code == Some(1) && ended.complains.contains(says), "{ended:?}");
    }
}
