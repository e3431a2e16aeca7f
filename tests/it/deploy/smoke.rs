//! The smoke test is written for a deployed stack. Here it runs against the local one.

use std::path::Path;
use std::process::Command;

use crate::rules::docs::there_is;
use crate::support::{Answer, Stack};

/// How a run of the smoke test ended.
struct Smoke {
    passed: bool,
    printed: String,
    /// The balance of the account that it opened, afterwards.
    left: Answer,
}

/// Runs the smoke test against a stack of its own; None without Python.
async fn smoke(options: &[&str]) -> Option<Smoke> {
    if !there_is("python3") {
        return None;
    }
    let (stack, _, base) = Stack::served(None, &[]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/smoke.py");
    let mut program = Command::new("python3");
    program.arg(script).args(["--url", &base]).args(options);
    let ran = tokio::task::spawn_blocking(move || program.output());
    let ran = ran.await.expect("no panic").expect("a program");
    let printed = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).expect("text"));
    let printed = printed.concat();
    let account = printed.split_whitespace().find(|word| word.starts_with("smoke-"));
    let left = stack.balance(account.expect("it names its account")).await;
    Some(Smoke { passed: ran.status.success(), printed, left })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smoke_test_passes_on_the_local_stack_and_leaves_no_credits() {
    let Some(smoke) = smoke(&[]).await else { return };
    assert!(smoke.passed, "{}", smoke.printed);
    assert!(smoke.printed.ends_with("14 passed, 0 failed, 4 skipped\n"), "{}", smoke.printed);
    assert_eq!(smoke.left.body["available"], "0");
    assert_eq!(smoke.left.body["gate"], "account_frozen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smoke_test_fails_with_a_wrong_webhook_secret_and_leaves_no_credits() {
    let Some(smoke) = smoke(&["--webhook-secret", "whsec_of_another_endpoint"]).await else {
        return;
    };
    assert!(!smoke.passed, "{}", smoke.printed);
    let why = "FAILED  expected a webhook that accepts this secret.";
    assert!(smoke.printed.contains(why), "{}", smoke.printed);
    assert!(smoke.printed.contains("customers who pay are not credited"), "{}", smoke.printed);
    assert_eq!(smoke.left.body["available"], "0");
}
