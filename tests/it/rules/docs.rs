//! The documents: their commands print the shown output, their links have targets, the reference
//! lists the contract, each alarm has its section, and the tests that SECURITY.md names exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;
use tests::proof;

use crate::protocol::restart::programs;
use crate::support::Stack;

/// The maximum number of lines between commands and the JSON that they print.
const MAX_LINES_BETWEEN: usize = 5;

/// A block of commands, and the output that is printed below it.
struct Block {
    commands: String,
    shown: Option<Shown>,
}

enum Shown {
    /// The body of the last answer: its shape is compared.
    Json(Value),
    /// All that is printed, but for ids and times.
    Text(String),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents, by their paths from the root: those in the root and all in `docs`.
pub(super) fn documents() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root(), root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && folder != root() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&path).expect("a text");
                let name = path.strip_prefix(root()).expect("below").display().to_string();
                found.insert(name, text);
            }
        }
    }
    found
}

/// The operator's program on the local stack, as documents write it.
const SCRIP: &str = "scrip --local ";

/// A text without what every run has of its own: ids and times, and so many spaces.
fn without_ids(text: &str) -> String {
    let id = r"scrip_session_\S+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    let own = format!(r"{id}|\d{{4}}-\d\d-\d\d(T[\d:.]+Z)?|  +");
    let own = Regex::new(&own).expect("a pattern");
    let replaced = own.replace_all(text.trim(), |found: &regex::Captures<'_>| match &found[0] {
        spaces if spaces.starts_with(' ') => "  ".to_owned(),
        time if time.len() < 36 && !time.starts_with("scrip") => "TIME".to_owned(),
        _ => "ID".to_owned(),
    });
    replaced.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The blocks of a document that send requests to the local stack.
fn blocks(document: &str) -> Vec<Block> {
    let mut parts = document.split("```");
    let mut blocks: Vec<Block> = Vec::new();
    // Text and code alternate; JSON directly after a block of commands is its output.
    parts.next();
    let mut between = String::new();
    while let Some(code) = parts.next() {
        let after = parts.next().unwrap_or_default();
        let (kind, code) = code.split_once('\n').unwrap_or((code, ""));
        match kind {
            "sh" if code.contains("curl ") || code.lines().any(|line| line.starts_with(SCRIP)) => {
                blocks.push(Block { commands: code.to_owned(), shown: None });
            }
            "json" if between.lines().count() <= MAX_LINES_BETWEEN => {
                if let Some(block) = blocks.last_mut() {
                    let shown = serde_json::from_str(code);
                    let shown = shown.unwrap_or_else(|error| panic!("{error}: {code}"));
                    block.shown = Some(Shown::Json(shown));
                }
            }
            "text" if between.lines().count() <= MAX_LINES_BETWEEN => {
                if let Some(block) = blocks.last_mut() {
                    block.shown = Some(Shown::Text(code.to_owned()));
                }
            }
            _ => {}
        }
        assert!(!after.contains("curl -"), "a curl is outside of a block: {after}");
        between = after.to_owned();
    }
    blocks
}

/// Whether a program is on this machine.
///
/// # Panics
/// If it is missing with `CI=true`: there the commands must run.
pub(crate) fn there_is(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    assert!(there || std::env::var("CI").as_deref() != Ok("true"), "CI has no {program}");
    if !there {
        println!("NOT RUN: there is no {program} on this machine");
    }
    there
}

/// Panics unless both have the same fields, each with a value of the same kind.
fn assert_same_shape(shown: &Value, answered: &Value, at: &str) {
    match (shown, answered) {
        (Value::Object(shown), Value::Object(answered)) => {
            let names = |fields: &serde_json::Map<String, Value>| {
                fields.keys().cloned().collect::<BTreeSet<String>>()
            };
            assert_eq!(names(shown), names(answered), "{at}");
            for (name, value) in shown {
                assert_same_shape(value, &answered[name], &format!("{at}.{name}"));
            }
        }
        (Value::Array(shown), Value::Array(answered)) if shown.is_empty() => {
            assert!(answered.is_empty(), "{at}: {answered:?}");
        }
        (Value::Array(shown), Value::Array(answered)) => {
            let first = shown.first().zip(answered.first());
            let (shown, answered) = first.unwrap_or_else(|| panic!("{at}: empty"));
            assert_same_shape(shown, answered, &format!("{at}[0]"));
        }
        _ => {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(shown), kind(answered), "{at}: {shown} and {answered}");
        }
    }
}

/// A shell runs the commands of each document, with another address, against its own stack, seeded
/// like `cargo run`. Each prints the output that the document shows below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_in_the_documents_print_what_is_shown() {
    if !["bash", "curl", "sed"].into_iter().all(there_is) {
        return;
    }
    let (mut statuses, mut shown) = (BTreeSet::new(), 0);
    for (name, document) in documents() {
        let blocks = blocks(&document);
        if blocks.is_empty() {
            continue;
        }
        let (stack, _, base) = Stack::served(None, &[]).await;
        local::seed::seed(&stack.functions).await.expect("accounts");
        let script: Vec<String> = blocks
            .iter()
            .map(|block| format!("echo '=== block'\n{}", block.commands))
            .map(|commands| commands.replace("http://127.0.0.1:3000", &base))
            .map(|commands| commands.replace(SCRIP, &format!("scrip --local={base} ")))
            .collect();
        let script = format!("set -eu\nPATH={}:$PATH\n{}", programs().display(), script.join("\n"));
        let run = move || Command::new("bash").args(["-c", &script]).output();
        let ran = tokio::task::spawn_blocking(run).await.expect("no panic").expect("a shell");
        let printed = String::from_utf8(ran.stdout).expect("text").replace('\r', "");
        let printed = printed.replace(&base, "http://127.0.0.1:3000");
        let complaints = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{name}: {printed}\n{complaints}");
        let printed: Vec<&str> = printed.split("=== block\n").skip(1).collect();
        assert_eq!(printed.len(), blocks.len(), "{name}");
        for (block, printed) in blocks.iter().zip(printed) {
            let answers: Vec<&str> = printed.split("HTTP/1.1 ").skip(1).collect();
            for answer in &answers {
                statuses.insert(answer[..3].to_owned());
            }
            let Some(expected) = &block.shown else { continue };
            shown += 1;
            let expected = match expected {
                Shown::Json(expected) => expected,
                Shown::Text(expected) => {
                    assert_eq!(without_ids(printed), without_ids(expected), "{}", block.commands);
                    continue;
                }
            };
            let answer = answers.last().unwrap_or_else(|| panic!("no answer: {}", block.commands));
            let (_, body) = answer.split_once("\n\n").expect("a body");
            let body = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
            assert_same_shape(expected, &body, &block.commands);
        }
    }
    let all = ["200", "201", "402"].map(str::to_owned);
    assert_eq!(statuses, all.into(), "something was answered otherwise");
    assert!(shown >= 7, "{shown} answers are shown");
}

/// The anchor of a heading, as the hosting makes it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_in_the_documents_lead_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let documents = documents();
    let mut wrong = Vec::new();
    for (name, document) in &documents {
        let folder = root().join(name).parent().expect("a folder").to_owned();
        for found in link.captures_iter(document) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(name) } else { folder.join(file) };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let there = heading.is_empty()
                || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
            if !path.exists() || !there {
                wrong.push(format!("{name}: {target}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_reference_lists_every_operation_of_the_contract_and_no_other() {
    let contract = include_str!("../../../openapi.yaml");
    let contract: Value = serde_saphyr::from_str(contract).expect("openapi.yaml is YAML");
    let mut operations = BTreeSet::new();
    for (path, item) in contract["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("methods").keys();
        let methods = methods
            .filter(|name| ["delete", "get", "put", "post", "options"].contains(&name.as_str()));
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let reference = include_str!("../../../docs/reference/api.md").replace('`', "");
    let rows = reference.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (method, path) = (cells.next()?.trim(), cells.next()?.trim());
        (path.starts_with('/')).then(|| format!("{method} {path}"))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), operations);
}

#[test]
fn each_alarm_has_a_section_and_each_section_an_alarm() {
    let template = include_str!("../../../template.yaml");
    let template: Value = serde_saphyr::from_str(template).expect("template.yaml is YAML");
    let resources = template["Resources"].as_object().expect("resources").iter();
    let alarms = resources.filter(|(_, one)| one["Type"] == "AWS::CloudWatch::Alarm");
    let alarms: BTreeSet<&str> = alarms.map(|(name, _)| name.as_str()).collect();
    let runbook = include_str!("../../../docs/operating/alarms.md");
    let (_, after) = runbook.split_once("\n## Alarms\n").expect("a section");
    let (of_alarms, _) = after.split_once("\n## ").expect("another section");
    let sections: BTreeSet<&str> =
        of_alarms.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(alarms, sections);
    for section in of_alarms.split("\n### ").skip(1) {
        assert!(section.lines().count() > 3, "it says nothing: {section}");
    }
}

/// Whether a path, as `cargo test` prints it, is a module of the tests or a test with its
/// attribute.
fn is_module_or_test(path: &str) -> bool {
    let of =
        |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("it").join(path.replace("::", "/"));
    let module = |path: &str| {
        let file = std::fs::read_to_string(of(path).with_extension("rs"));
        file.or_else(|_| std::fs::read_to_string(of(path).join("mod.rs")))
    };
    let Some((parent, test)) = path.rsplit_once("::") else { return module(path).is_ok() };
    let defined = format!(r"#\[(tokio::)?test(\([^)]*\))?\]\s+(async )?fn {test}\(");
    let defined = Regex::new(&defined).expect("a pattern");
    module(path).is_ok() || module(parent).is_ok_and(|source| defined.is_match(&source))
}

#[test]
fn tests_named_in_the_documents_exist() {
    let named = Regex::new(r"`((?:api|deploy|money|page|protocol|rules)(?:::[a-z_0-9]+)+)`");
    let named = named.expect("a pattern");
    let mut missing = Vec::new();
    for (name, document) in documents() {
        let found = named.captures_iter(&document).map(|found| found[1].to_owned());
        let unknown = found.filter(|path| !is_module_or_test(path));
        missing.extend(unknown.map(|path| format!("{name}: {path}")));
    }
    assert_eq!(missing, Vec::<String>::new());
    // Each risk has a test that holds it.
    let security = &documents()["SECURITY.md"];
    let risks: Vec<&str> = security.lines().filter(|line| line.starts_with("| API")).collect();
    assert_eq!(risks.len(), 10);
    for risk in risks {
        assert!(named.is_match(risk), "nothing holds {risk}");
    }
}

#[test]
fn contributing_lists_every_proof_with_its_two_sizes() {
    let contributing = include_str!("../../../CONTRIBUTING.md");
    let number = |size: u64| match size {
        u64::MAX => "all".to_owned(),
        size => size.to_string(),
    };
    for size in proof::ALL {
        let start = format!("| `{}` | ", size.variable);
        let row = contributing.lines().find(|line| line.starts_with(&start));
        let ends = format!(" | {} | {} |", number(size.small), number(size.full));
        assert!(row.is_some_and(|row| row.ends_with(&ends)), "{}: {row:?}", size.variable);
    }
}

#[test]
fn contributing_names_every_recipe_of_the_justfile() {
    let contributing = include_str!("../../../CONTRIBUTING.md");
    let recipes = include_str!("../../../justfile").lines().filter_map(|line| {
        let begins = line.starts_with(|first: char| first.is_ascii_lowercase());
        line.split([' ', ':']).next().filter(|_| begins)
    });
    let named = |recipe: &str| {
        ["just ", "`"].iter().any(|before| contributing.contains(&format!("{before}{recipe}")))
    };
    let missing: Vec<&str> = recipes.filter(|recipe| !named(recipe)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
