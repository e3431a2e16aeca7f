//! Each crate depends on exactly the crates that its sources name, and all tests are one program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

/// Dependencies of `cli` that its sources do not name: they enable the features that `local` has,
/// and `scrip_is_built_of_what_cargo_run_has_built` requires them.
const FOR_FEATURES: [&str; 6] =
    ["aws_lambda_events", "hyper", "hyper-util", "num-traits", "tower", "uuid"];

/// A package's name in sources, if it differs.
fn called(package: &str) -> String {
    match package {
        "dynoxide-rs" => "dynoxide".to_owned(),
        _ => package.replace('-', "_"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the sections of a manifest whose heading ends with `heading`.
fn named<'a>(manifest: &'a str, heading: &str) -> Vec<&'a str> {
    let mut within = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            within = section.trim_end_matches(']').ends_with(heading);
        } else if within && let Some((name, _)) = line.split_once(['=', '.']) {
            names.push(name.trim());
        }
    }
    names.into_iter().filter(|name| !name.starts_with('#')).collect()
}

/// The code below a folder, without its comments.
fn code(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            code(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| found.extend([line, "\n"]));
        }
    }
}

/// The dependencies of a manifest that nothing in `code` names.
fn unused<'a>(manifest: &'a str, code: &str) -> Vec<&'a str> {
    let names = named(manifest, "dependencies").into_iter();
    names
        .filter(|name| {
            let named = format!(r"(?m)(^|[^\w:])(::)?{}::", called(name));
            !Regex::new(&named).expect("a pattern").is_match(code)
        })
        .collect()
}

/// The folders of the workspace's crates.
fn members(workspace: &str) -> impl Iterator<Item = &str> {
    let members = workspace.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    members.expect("members").split('"').skip(1).step_by(2)
}

#[test]
fn every_dependency_is_used() {
    let workspace = read(&root().join("Cargo.toml"));
    let mut used = BTreeSet::new();
    for member in members(&workspace) {
        let folder = root().join(member);
        let manifest = read(&folder.join("Cargo.toml"));
        let mut sources = String::new();
        code(&folder, &mut sources);
        let mut unused = unused(&manifest, &sources);
        unused.retain(|name| member != "cli" || !FOR_FEATURES.contains(name));
        assert_eq!(unused, Vec::<&str>::new(), "{member}");
        used.extend(named(&manifest, "dependencies").into_iter().map(str::to_owned));
    }
    assert!(used.len() > 30, "{used:?}");
    // The workspace lists no version of a package that no crate uses.
    let of_workspace = named(&workspace, "workspace.dependencies").into_iter();
    let kept: Vec<&str> = of_workspace.filter(|name| !used.contains(*name)).collect();
    assert_eq!(kept, Vec::<&str>::new());
}

#[test]
fn an_unused_dependency_is_found() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde-json.workspace = true\n\
                    http = \"1\"\n[dev-dependencies]\nproptest = { workspace = true }\n";
    assert_eq!(unused(manifest, "serde_json::json!({}); proptest::proptest!()"), ["http"]);
    assert_eq!(unused(manifest, "my_http::get(); serde_json::to_string"), ["http", "proptest"]);
}

/// Otherwise cargo links an empty test program for each library and function, which adds minutes to
/// a first `cargo test`.
#[test]
fn only_the_tests_crate_is_built_for_tests() {
    let workspace = read(&root().join("Cargo.toml"));
    for member in members(&workspace).filter(|member| *member != "tests") {
        let folder = root().join(member);
        let manifest = read(&folder.join("Cargo.toml"));
        let folders = std::fs::read_dir(folder.join("src")).expect("a folder of sources");
        let folders = folders.map(|entry| entry.expect("an entry").path());
        let programs = folders.chain([folder.join("src")]);
        let programs = programs.filter(|folder| folder.join("main.rs").exists()).count();
        let left_out = manifest.lines().filter(|line| *line == "test = false").count();
        assert_eq!(left_out, 1 + programs, "{member}");
        let mut sources = String::new();
        code(&folder.join("src"), &mut sources);
        assert!(!sources.contains("#[test]"), "{member} has a test that nobody runs");
    }
}

/// The number of crates that `cargo run`, the tests, and `scrip` build: newcomers and operators
/// wait for them. Raise a number only on purpose, and say in the commit what the crates are for.
const CRATES: [(&str, usize); 3] =
    [("-p local -e normal,build", 274), ("--workspace", 299), ("-p cli -e normal,build", 242)];

/// The crates of a graph with their features, one per line.
fn graph(arguments: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} [{f}]"]);
    cargo.args(arguments.split(' ')).current_dir(root());
    let printed = cargo.output().expect("cargo");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).expect("text");
    let lines = printed.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.filter(|line| line.contains(" v")).map(str::to_owned).collect()
}

#[test]
fn dependency_graphs_stay_within_their_limits() {
    for (arguments, most) in CRATES {
        let crates = graph(arguments);
        assert_eq!(crates.len(), most, "cargo tree {arguments}: {crates:#?}");
    }
}

/// `scrip` also serves deployed stacks and is installed where no stack runs.
#[test]
fn scrip_contains_nothing_of_the_local_stack() {
    let crates = graph(CRATES[2].0);
    let is_there = |name: &str| crates.iter().any(|line| line.starts_with(&format!("{name} v")));
    assert!(is_there("shared") && is_there("indicatif"), "{crates:#?}");
    for of_the_stack in
        ["local", "scrip-client", "dynoxide-rs", "rusqlite", "libsqlite3-sys", "axum"]
    {
        assert!(!is_there(of_the_stack), "{of_the_stack}");
    }
}

/// A newcomer's first build has nothing that only callers use.
#[test]
fn cargo_run_does_not_build_the_client() {
    let crates = graph(CRATES[0].0);
    let client = crates.iter().find(|line| line.starts_with("scrip-client v"));
    assert_eq!(client, None);
}

/// Otherwise `cargo run -p cli` and `cargo install --path cli --debug` build the SDK again after
/// `cargo run`.
#[test]
fn scrip_is_built_of_what_cargo_run_has_built() {
    let (run, scrip) = (graph(CRATES[0].0), graph(CRATES[2].0));
    let name = |line: &str| line.split(" v").next().map(str::to_owned);
    let names: BTreeSet<_> = run.iter().map(|line| name(line)).collect();
    let again: Vec<&String> =
        scrip.difference(&run).filter(|line| names.contains(&name(line))).collect();
    assert_eq!(again, Vec::<&String>::new());
}

/// Otherwise `cargo test` builds them a second time after `cargo run`.
#[test]
fn the_tests_use_every_crate_of_cargo_run_with_the_same_features() {
    let (run, tests) = (graph(CRATES[0].0), graph(CRATES[1].0));
    let again: Vec<&String> = run.difference(&tests).collect();
    assert_eq!(again, Vec::<&String>::new());
}
