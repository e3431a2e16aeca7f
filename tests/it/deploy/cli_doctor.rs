//! `scrip doctor` and `scrip status`: what is wrong before a deploy, and what a stack did last.

use std::path::{Path, PathBuf};

use cli::doctor::{REQUESTS_PER_SECOND, RESERVATIONS};
use local::template::Template;
use serde_json::{Value, json};

use super::cli::{Ended, listening, on, scrip};
use super::cli_stack::InAws;
use crate::support::shop::Shop;

const KEY: &str = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:stripe-Ab12Cd";
const SIGNING: &str = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:hook-Ef34Gh";
const LIMITS: &str = "/2016-08-19/account-settings/";
/// Tools that answer as those that were tried.
const TOOLS: [(&str, &str); 4] = [
    ("sam", "SAM CLI, version 1.170.0"),
    ("cargo", "cargo-lambda 1.9.0"),
    ("zig", "0.14.0"),
    ("rustup", "aarch64-unknown-linux-gnu"),
];

/// A folder with the tools, and a samconfig.toml with these overrides.
struct Clone(PathBuf);

impl Clone {
    fn new(name: &str, overrides: &[String]) -> Clone {
        let folder = std::env::temp_dir().join(format!("scrip-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let clone = Clone(folder);
        TOOLS.iter().for_each(|(tool, says)| clone.tool(tool, says));
        let text = format!(
            "version = 0.1\n[default.validate.parameters]\nlint = true\n\
             [prod.deploy.parameters]\nstack_name = \"scrip-test\"\n\
             parameter_overrides = {overrides:?}\n"
        );
        std::fs::write(clone.0.join("samconfig.toml"), text).expect("a file");
        clone
    }

    fn tool(&self, name: &str, says: &str) {
        use std::os::unix::fs::PermissionsExt;
        let program = self.0.join(name);
        std::fs::write(&program, format!("#!/bin/sh\necho '{says}'\n")).expect("a file");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, mode).expect("a program");
    }

    /// Runs the doctor here, as the operator.
    async fn examined(&self, there: &InAws) -> Ended {
        let path = |path: &Path| path.to_str().expect("a path").to_owned();
        let (folder, samconfig) = (path(&self.0), path(&self.0.join("samconfig.toml")));
        let environment = [there.operator(), vec![("PATH", folder.as_str())]].concat();
        let words = ["doctor", "--config-env", "prod", "--samconfig", &samconfig];
        scrip(&words, &environment).await
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the test's own folder");
    }
}

/// What Lambda answers about its limits, with nothing reserved.
fn limits(quota: u64) -> Value {
    json!({
        "AccountLimit": {
            "ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": quota,
        },
    })
}

/// An AWS account in which all is right, and the parameters of a deploy there.
async fn healthy() -> (InAws, Vec<String>) {
    let there = InAws::start().await;
    let mut known = there.aws.known();
    known.lambda.insert(LIMITS.to_owned(), limits(1000));
    known.secrets.insert(KEY.to_owned(), "rk_live_confidential".to_owned());
    known.secrets.insert(SIGNING.to_owned(), "whsec_confidential".to_owned());
    let topic = ("AlarmTopic", "AWS::SNS::Topic", "arn:aws:sns:eu-central-1:000000000000:alarms");
    known.resources.push((topic.0.to_owned(), topic.1.to_owned(), topic.2.to_owned()));
    known.subscriptions.push(("email".to_owned(), format!("{}:1", topic.2)));
    drop(known);
    let overrides = [
        format!("StripeKeyArn={KEY}"),
        format!("StripeWebhookSecretArn={SIGNING}"),
        "DebitConcurrency=400".to_owned(),
        "CustomerConcurrency=100".to_owned(),
    ];
    (there, overrides.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_in_good_health_has_only_lines_with_ok() {
    let (there, overrides) = healthy().await;
    let examined = Clone::new("healthy", &overrides).examined(&there).await;
    assert_eq!(examined.code, Some(0), "{examined:?}");
    assert!(examined.says.lines().all(|line| line.starts_with("ok ")), "{}", examined.says);
    for part in [
        "sam: 1.170.0",
        "cargo-lambda: 1.9.0",
        "zig: 0.14.0",
        "rust target: aarch64-unknown-linux-gnu",
        "stack: scrip-test is UPDATE_COMPLETE",
        "identity: arn:aws:sts::000000000000:assumed-role/Operator/ada in eu-central-1",
        "a quota of 1000, 1000 not reserved, 600 to reserve",
        "StripeKeyArn: a key rk_live_...",
        "StripeWebhookSecretArn: 1 signing secret",
        "alarms: 1 subscribed",
    ] {
        assert!(examined.says.contains(part), "{part}: {}", examined.says);
    }
    assert!(!examined.says.contains("confidential"), "{}", examined.says);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_illness_has_a_line_that_says_what_to_do() {
    type Spoil = fn(&InAws, &Clone, &mut Vec<String>);
    let ills: [(&str, Spoil, &str); 13] = [
        ("fail", |_, clone, _| clone.tool("sam", "SAM CLI, version 1.99.0"), "aws-sam-cli>=1.170"),
        ("warn", |_, clone, _| clone.tool("rustup", "x86_64-unknown-linux-gnu"), "target add"),
        ("fail", |_, _, set| set[2] = "DebitConcurrency=800".to_owned(), "ask Service Quotas"),
        (
            "warn",
            |there, _, set| {
                there.aws.known().lambda.insert(LIMITS.to_owned(), limits(99));
                set.truncate(2);
            },
            "takes 990 requests a second with it, RequestsPerSecond is 1000: ask Service Quotas \
             for 100",
        ),
        (
            "warn",
            |_, _, set| set.push("RequestsPerSecond=10001".to_owned()),
            "takes 10000 requests a second with it, RequestsPerSecond is 10001: ask Service \
             Quotas for 1001",
        ),
        ("fail", |_, _, set| set[0] = "StripeKeyArn=".to_owned(), "set both"),
        (
            "fail",
            |_, _, set| set[0] = format!("StripeKeyArn={}", &KEY[..KEY.len() - 7]),
            "full ARN",
        ),
        ("fail", |_, _, set| set[0] = set[0].replace("eu-central-1", "us-east-1"), "region"),
        (
            "fail",
            |there, _, _| {
                there.aws.known().secrets.remove(KEY);
            },
            "who may read it",
        ),
        (
            "warn",
            |there, _, _| {
                there.aws.known().secrets.insert(KEY.to_owned(), "rk_test_1".to_owned());
            },
            "no real money moves",
        ),
        (
            "fail",
            |there, _, _| {
                there.aws.known().secrets.insert(SIGNING.to_owned(), "later".to_owned());
            },
            "webhook endpoint in Stripe",
        ),
        (
            "fail",
            |there, _, _| {
                "PendingConfirmation".clone_into(&mut there.aws.known().subscriptions[0].1);
            },
            "the mail that SNS sent",
        ),
        (
            "fail",
            |there, _, _| {
                there.aws.known().missing = Some("AWS::Scheduler::Schedule".to_owned());
            },
            "another region",
        ),
    ];
    for (place, (level, spoil, advice)) in ills.into_iter().enumerate() {
        let (there, mut overrides) = healthy().await;
        let tools = Clone::new(&format!("tools-{place}"), &[]);
        spoil(&there, &tools, &mut overrides);
        let clone = Clone::new(&format!("ill-{place}"), &overrides);
        for (tool, _) in TOOLS {
            std::fs::copy(tools.0.join(tool), clone.0.join(tool)).expect("a copy");
        }
        let examined = clone.examined(&there).await;
        let bad: Vec<&str> =
            examined.says.lines().filter(|line| !line.starts_with("ok ")).collect();
        let [line, said] = bad[..] else { panic!("{advice}: not one finding: {bad:#?}") };
        assert!(line.starts_with(level) && said.contains(advice), "{advice}: {bad:#?}");
        assert_eq!(examined.code, Some(i32::from(level == "fail")), "{examined:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_does_not_judge_a_stack_by_the_settings_of_another() {
    let samconfig = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samconfig.toml");
    let samconfig = samconfig.to_str().expect("a path");
    let words = ["doctor", "--stack", "scrip-prod", "--samconfig", samconfig];
    let ended = scrip(&words, &[]).await;
    let says = "[dev] deploys scrip-dev, not scrip-prod: give --config-env";
    assert!(ended.code == Some(1) && ended.complains.contains(says), "{ended:?}");
}

#[test]
fn the_doctor_knows_how_many_requests_the_template_lets_in() {
    let template = Template::load();
    let parameter = &template.value()["Parameters"]["RequestsPerSecond"];
    assert_eq!(parameter["Default"], REQUESTS_PER_SECOND);
}

#[test]
fn the_doctor_counts_what_the_template_reserves() {
    let template = Template::load();
    let functions = template.value()["Resources"].as_object().expect("resources").values();
    let reserved: Vec<&Value> =
        functions.map(|function| &function["Properties"]["ReservedConcurrentExecutions"]).collect();
    for (parameter, count) in RESERVATIONS {
        let named = |value: &&&Value| value.to_string().contains(&format!("\"{parameter}\""));
        assert_eq!(reserved.iter().filter(named).count() as u64, count, "{parameter}");
    }
    // The others reserve none: they get 0 while the stack is paused.
    let known = RESERVATIONS.iter().map(|(_, count)| *count).sum::<u64>();
    let paused = serde_json::json!(["IsPaused", 0, "AWS::NoValue"]);
    let some = reserved.iter().filter(|value| !value.is_null() && ***value != paused);
    assert_eq!(some.count() as u64, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_deployed_stack_is_what_its_services_say() {
    let there = InAws::start().await;
    there.aws.function("Debit");
    let dead = there.aws.queue("RelayDeadLetters");
    there.aws.queue("AuditDeadLetters");
    there.aws.put(&dead, "one", &json!({}));
    let at = |time: &str, value: &str| (time.to_owned(), value.to_owned());
    {
        let mut known = there.aws.known();
        let monday = "2026-11-23T00:05:00Z";
        known.metrics.insert("SweepsFinished".to_owned(), vec![at(monday, "32.0")]);
        let seen = vec![
            at(monday, "7.0"),
            at("2026-11-23T00:00:00Z", "5.0"),
            at("2026-11-16T00:00:00Z", "9.0"),
        ];
        known.metrics.insert("AccountsSeen".to_owned(), seen);
        let path = "/2015-03-31/functions/scrip-test-Debit-1A2B";
        let changed = json!({ "LastModified": "2026-11-20T10:00:00.000+0000" });
        known.lambda.insert(format!("{path}/configuration"), changed);
        let alias = json!({ "Name": "live", "FunctionVersion": "12", "RoutingConfig": {
            "AdditionalVersionWeights": { "13": 0.1 },
        } });
        known.lambda.insert(format!("{path}/aliases"), json!({ "Aliases": [alias] }));
    }
    let says = there.on(&["status"]).await;
    for line in [
        "stack scrip-test in eu-central-1: UPDATE_COMPLETE\n",
        "sweep: 2026-11-23T00:05:00.000Z, ",
        " ago, 12 seen, 0 advanced, 0 broken\n",
        "audit: no run in 9 d\n",
        "dead letters of Relay: 1; see scrip dead list\n",
        "dead letters of Audit: none\n",
        "function Debit: changed 2026-11-20T10:00:00.000+0000, live is version 12 with 0.1 of",
        "parked payments: none\n",
    ] {
        assert!(says.contains(line), "{line}: {says}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_local_stack_has_its_runs_and_its_dead_letters() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    let base = &listening(&shop, |_| ()).await;
    let before = on(base, &["status"]).await;
    assert!(before.contains("no scheduled work has run"), "{before}");
    shop.stack.mappings.fire("recharge").await.expect("swept");
    let now = shop.stack.context().clock.now();
    shop.stack.mappings.dead().bury("relay", now, json!({ "DynamoDBBatchInfo": {} }));
    let says = on(base, &["status"]).await;
    for part in ["recharge: 2026-11-18T12:0", "dead letters of Relay: 1", "parked payments: none"] {
        assert!(says.contains(part), "{part}: {says}");
    }
}
