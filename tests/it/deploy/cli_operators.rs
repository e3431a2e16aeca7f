//! `scrip` on a running stack: what an operator asks, changes and is refused.
//! `docs/operating/daily-questions.md` plays the questions of every day.

use std::process::Command;

use clap::CommandFactory as _;
use cli::options::Options;
use serde_json::Value;

use super::cli::{Ended, at, listening, on, scrip};
use crate::protocol::restart::programs;
use crate::rules::docs::there_is;
use crate::support::Stack;
use crate::support::shop::Shop;

async fn refused(base: &str, words: &[&str], code: i32) -> String {
    let Ended { code: ended, says, complains } = scrip(&[&[&*at(base)], words].concat(), &[]).await;
    assert_eq!((ended, says.as_str()), (Some(code), ""), "{words:?}: {complains}");
    complains
}

/// What `scrip` says to a person at a terminal who gives this answer.
pub(super) async fn at_a_terminal(base: &str, words: &str, answer: &str) -> String {
    let line = format!("{} {} {words}", programs().join("scrip").display(), at(base));
    let shell = format!("printf '{answer}\\n' | script -qec '{line}' /dev/null");
    let asked = move || Command::new("sh").args(["-c", &shell]).output();
    let asked = tokio::task::spawn_blocking(asked).await.expect("no panic").expect("a shell");
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

/// The credits that an account has.
async fn available(stack: &Stack, account: &str) -> String {
    stack.balance(account).await.text("/available").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_found_by_name_label_plan_gate_and_id() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    for (account, plan, name) in
        [("acme", "pro", "Acme Ltd"), ("beta", "free", "Beta\u{202e} Works")]
    {
        let words = ["account", "open", account, "--plan", plan, "--name", name, "--yes"];
        on(base, &[&words[..], &["--label", "north"]].concat()).await;
    }
    let freeze = ["account", "freeze", "beta", "--reason", "a key has leaked", "--yes"];
    on(base, &freeze).await;
    shop.stack.relay().await;
    let all = on(base, &["account", "find"]).await;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(
        lines,
        [
            "ACCOUNT  NAME                LABELS  PLAN          GATE            DEBT",
            "acme     Acme Ltd            north   pro, active   open               0",
            r"beta     Beta\u{202e} Works  north   free, active  account_frozen     0",
            "2 accounts",
        ]
    );
    for (words, found) in [
        (&["acme l"][..], "acme"),
        (&["work"], "beta"),
        (&["north", "--plan", "pro"], "acme"),
        (&["--gate", "account_frozen"], "beta"),
        (&["be"], "beta"),
    ] {
        let json = on(base, &[&["account", "find", "--json"], words].concat()).await;
        let json: Value = serde_json::from_str(&json).expect("one document");
        let found_ids: Vec<_> = json["accounts"].as_array().expect("a list").iter().collect();
        assert!(found_ids.len() == 1 && found_ids[0]["account"] == found, "{words:?}: {json}");
    }
    assert_eq!(on(base, &["account", "find", "--debt"]).await, "0 accounts\n");
    let shown = on(base, &["account", "show", "beta"]).await;
    assert!(shown.contains("account_frozen: it spends nothing until"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_once_and_its_plan_is_changed_only_where_it_is() {
    let shop = Shop::streamed().await;
    let base = &listening(&shop, |_| ()).await;
    let open = ["account", "open", "acme", "--plan", "free", "--yes", "--key", "open-1"];
    let opened = on(base, &open).await;
    assert!(opened.starts_with("opened acme: available 25 (entry 1, id "), "{opened}");
    assert_eq!(on(base, &open).await, opened);
    let again = refused(base, &open[..6], 1).await;
    assert_eq!(
        again,
        "scrip: there is an account acme already: `scrip account plan` changes its plan\n"
    );
    let missing = refused(base, &["account", "plan", "acmee", "pro", "--yes"], 1).await;
    assert_eq!(missing, "scrip: there is no account acmee: `scrip account open` opens one\n");
    assert_eq!(shop.stack.balance("acmee").await.status, 404);
    let changed = on(base, &["account", "plan", "acme", "pro", "--yes"]).await;
    assert!(changed.starts_with("acme is on pro, active (entry 2, id "), "{changed}");
    let renamed = on(base, &["account", "name", "acme", "--name", "Acme Ltd", "--yes"]).await;
    assert_eq!(renamed, "renamed acme\n");
    let show = on(base, &["account", "show", "acme"]).await;
    assert!(show.contains("name       Acme Ltd\n") && show.contains("pro, active"), "{show}");
    let nobody = refused(base, &["account", "name", "acmee", "--name", "A", "--yes"], 1).await;
    assert!(nobody.contains("there is no such account"), "{nobody}");
    let nothing = refused(base, &["account", "name", "acme", "--yes"], 2).await;
    assert_eq!(nothing, "scrip: say --name, --label or --no-labels\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_yes() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    let base = &listening(&shop, |_| ()).await;
    let grant = ["grant", "acme", "500", "--reason", "contract 118"];
    let unattended = refused(base, &grant, 2).await;
    assert!(unattended.contains("--yes") && unattended.contains("--dry-run"), "{unattended}");
    let would = on(base, &[&grant[..], &["--dry-run"]].concat()).await;
    assert_eq!(
        would,
        "would grant 500 credits to acme\n                  BEFORE  AFTER\n\
         account             acme   acme\n\
         available             25    525\nnew manual grant       0    500\n"
    );
    assert_eq!(available(&shop.stack, "acme").await, "25");
    if !there_is("script") {
        return;
    }
    // A person at a terminal is shown the same, and asked.
    for (answer, after) in [("n", "25"), ("", "25"), ("y", "525")] {
        let text = at_a_terminal(base, "grant acme 500 --reason contract", answer).await;
        assert!(text.contains("grant 500 credits to acme? [y/N]"), "{text}");
        assert!(text.contains("available             25    525"), "{text}");
        assert_eq!(text.contains("nothing was changed"), after == "25", "{text}");
        assert_eq!(available(&shop.stack, "acme").await, after);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_with_the_same_key_happens_once() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.debit("acme", "job", "10").await;
    let base = &listening(&shop, |_| ()).await;
    let grant = ["grant", "acme", "500", "--reason", "gift", "--yes", "--key", "gift-1"];
    assert_eq!(on(base, &grant).await, on(base, &grant).await);
    let listed = on(base, &["ledger", "acme", "--kind", "debit", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("one document");
    let debit = listed["entries"][0]["id"].as_str().expect("an id").to_owned();
    let part = ["refund", "acme", &debit, "4", "--reason", "a part", "--yes"];
    assert!(on(base, &part).await.starts_with("returned 4 of 4 to acme: available 2994"));
    // All that is left; repeated with its key, it is the same six and no refusal.
    let rest = ["refund", "acme", &debit, "--reason", "the rest", "--yes", "--key", "rest-1"];
    let returned = on(base, &rest).await;
    assert!(returned.starts_with("returned 6 of 6 to acme: available 3000"), "{returned}");
    assert_eq!(on(base, &rest).await, returned);
    let again = refused(base, &rest[..6], 1).await;
    assert_eq!(again, format!("scrip: {debit} is refunded already\n"));
    let other = refused(base, &["refund", "acme", "nope", "--reason", "x", "--yes"], 1).await;
    assert_eq!(other, "scrip: the account acme has no entry nope\n");
    let reused =
        refused(base, &["grant", "acme", "7", "--reason", "gift", "--yes", "--key", "gift-1"], 1)
            .await;
    assert!(reused.starts_with("scrip: Operation reused: "), "{reused}");
    assert!(reused.contains("(operation_reused"), "{reused}");
    assert_eq!(available(stack, "acme").await, "3000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_many_pages_is_one_table_one_document_and_one_csv() {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "pro").await;
    for number in 0..230 {
        let user = if number % 2 == 0 { "ada" } else { "grace" };
        let body = format!(r#"{{"credits":"0.5","user":"{user}"}}"#);
        let path = "/v1/accounts/acme/debits";
        shop.stack.post(path, &format!("job-{number}"), &body).await;
    }
    let base = &listening(&shop, |_| ()).await;
    let table = on(base, &["ledger", "acme"]).await;
    let numbers: Vec<&str> =
        table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!((numbers[1], numbers[231], numbers[232]), ("1", "231", "231"), "{table}");
    let sums: Vec<&str> = table.lines().rev().take(3).collect();
    assert_eq!(
        sums,
        [
            "all                115    230",
            "-       grace     57.5    115",
            "-       ada       57.5    115"
        ]
    );
    let json: Value =
        serde_json::from_str(&on(base, &["ledger", "acme", "--json"]).await).expect("one document");
    let entries = json["entries"].as_array().expect("entries");
    assert_eq!((entries.len(), &entries[0]["seq"]), (231, &Value::from(231)));
    let csv = on(base, &["ledger", "acme", "--csv", "--user", "ada"]).await;
    assert_eq!(csv.lines().filter(|line| line.starts_with("\u{feff}seq,")).count(), 1);
    assert!(csv.lines().count() == 116 && !csv.contains("\nseq,"), "{csv}");
    let none = on(base, &["ledger", "acme", "--until", "2026-11-17"]).await;
    assert_eq!(none, "0 entries\n");
    // A day is meant to its end.
    let day = on(base, &["ledger", "acme", "--since", "2026-11-18", "--until", "2026-11-18"]).await;
    assert!(day.contains("231 entries"), "{day}");
    let usage =
        on(base, &["usage", "acme", "--since", "2026-11-18", "--until", "2026-11-18"]).await;
    assert!(
        usage.ends_with("115 credits from 2026-11-18 to the day before 2026-11-19\n"),
        "{usage}"
    );
}

#[test]
fn every_command_has_help_with_an_example_that_is_taken() {
    let mut program = Options::command();
    program.build();
    let mut commands: Vec<&clap::Command> = program.get_subcommands().collect();
    let quoted = regex::Regex::new(r"'([^']*)'|(\S+)").expect("a pattern");
    while let Some(command) = commands.pop() {
        let name = command.get_bin_name().unwrap_or_default().to_owned();
        if command.get_name() == "help" {
            continue;
        }
        assert!(command.get_about().is_some(), "{name}");
        if command.has_subcommands() {
            commands.extend(command.get_subcommands());
            continue;
        }
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> =
            example.lines().filter_map(|line| line.strip_prefix("  scrip ")).collect();
        assert!(!examples.is_empty(), "{name}: {example}");
        for line in examples {
            let words = line.replace(" > ", " # ");
            let words = words.split(" # ").next().expect("a command");
            let words = quoted
                .captures_iter(words)
                .map(|found| found.get(1).or(found.get(2)).expect("a word").as_str().to_owned());
            let words = ["scrip".to_owned()].into_iter().chain(words);
            let taken = Options::command().try_get_matches_from(words);
            assert!(taken.is_ok(), "{line}: {taken:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = scrip(&["completions", shell], &[]).await;
        assert!(ended.code == Some(0) && ended.says.contains("session-keys"), "{shell}");
    }
}
