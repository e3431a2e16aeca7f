//! The rules of the architecture, checked by reading the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use local::template::Template;
use shared::domain::Catalog;
use shared::http::routes::ROUTES;

use super::arrows;
use crate::support::catalogs::publish;
use crate::support::contract;
use crate::support::{Stack, request};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every Rust file below a folder of the workspace, with its text without comments.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let code: Vec<&str> =
                    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let name = path.strip_prefix(root()).expect("below").display().to_string();
                found.push((name, code.join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

fn assert_absent(folder: &str, words: &[&str], except: &[&str]) {
    for (name, code) in sources(folder) {
        if except.iter().any(|part| name.contains(part)) {
            continue;
        }
        for word in words {
            assert!(!code.contains(word), "{name} must not contain {word:?}");
        }
    }
}

/// The layers of `shared/src`: each names only those before it.
const LAYERS: [&str; 19] = [
    "domain",
    "decide",
    "clock",
    "secrets",
    "store",
    "stripe",
    "config",
    "telemetry",
    "metrics",
    "token",
    "service_key",
    "session",
    "failure",
    "context",
    "bus",
    "queue",
    "query",
    "command",
    "http",
];

/// The files below a folder of sources, by their relative paths.
fn package(folder: &str) -> Vec<(String, String)> {
    let inside = |name: &str| name.trim_start_matches(folder).trim_start_matches('/').to_owned();
    sources(folder).into_iter().map(|(name, code)| (inside(&name), code)).collect()
}

#[test]
fn layers_point_one_way() {
    let files = package("shared/src");
    let layer = |file: &str| -> &str {
        let name = file.split(['/', '.']).next().expect("a name");
        LAYERS
            .into_iter()
            .find(|layer| *layer == name)
            .unwrap_or_else(|| panic!("{file}: no layer"))
    };
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    for (from, named) in arrows::arrows(&files) {
        for to in named.into_iter().filter(|_| from != "lib.rs") {
            let (above, below) = (layer(from), layer(to));
            assert!(rank(below) <= rank(above), "{from} names {to}: {above} must not know {below}");
        }
    }
}

/// The folders of packages, in their order: each names only those before it.
const PACKAGES: [&str; 9] =
    ["shared", "clients", "examples", "functions", "console", "local", "cli", "bench", "tests"];

/// The packages of the workspace, by folder.
fn members() -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let (_, list) = manifest.split_once("members = [").expect("members");
    let (list, _) = list.split_once(']').expect("an end");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn packages_point_one_way() {
    let rank = |member: &str| {
        let folder = member.split('/').next().expect("a folder");
        PACKAGES.iter().position(|known| *known == folder).unwrap_or_else(|| panic!("{member}?"))
    };
    let members = members();
    let manifest = |member: &str| {
        let manifest = root().join(member).join("Cargo.toml");
        std::fs::read_to_string(manifest).expect("a manifest")
    };
    let name = |member: &str| {
        let manifest = manifest(member);
        let (_, rest) = manifest.split_once("name = \"").expect("a name");
        rest.split('"').next().expect("its end").to_owned()
    };
    for member in &members {
        let manifest = manifest(member);
        let named: BTreeSet<&str> =
            manifest.lines().filter_map(|l| l.split(['.', ' ']).next()).collect();
        for other in members.iter().filter(|other| *other != member) {
            let names = named.contains(&*name(other));
            assert!(!names || rank(other) < rank(member), "{member} must not know {other}");
        }
    }
}

#[test]
fn the_files_of_a_package_form_no_cycle() {
    let mut circles = Vec::new();
    let folders = members().into_iter().map(|member| format!("{member}/src"));
    for folder in folders.chain(["tests/it".to_owned()]) {
        let files = package(&folder);
        let arrows = arrows::arrows(&files);
        let found = arrows::circles(arrows).into_iter();
        circles.extend(found.map(|circle| format!("{folder}: {}", circle.join(" → "))));
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn decisions_are_pure() {
    let impure = [
        "async ",
        "tokio",
        "aws_",
        "std::env",
        "std::fs",
        "std::net",
        "getrandom",
        "tracing",
        "lambda_",
        "SystemTime",
        "Utc::now",
        "Instant::now",
    ];
    assert_absent("shared/src/domain", &impure, &[]);
    assert_absent("shared/src/decide", &impure, &[]);
}

#[test]
fn no_floats_near_credits() {
    assert_absent("shared/src", &["f64", "f32"], &[]);
    assert_absent("functions", &["f64", "f32"], &[]);
    assert_absent("clients/rust/src", &["f64", "f32"], &[]);
}

#[test]
fn only_the_store_names_dynamodb() {
    let words = ["aws_sdk_dynamodb", "AttributeValue", "update_item", "put_item"];
    // The context makes the client, and passes it on.
    assert_absent("shared/src", &words, &["src/store/", "src/context.rs"]);
    assert_absent("functions", &words, &[]);
    // A request that writes has a condition, and one file makes it.
    let writes = ["update_item()", "put_item()", "transact_write_items()", "delete_item()"];
    assert_absent("shared/src", &writes, &["src/store/commit.rs"]);
    assert_absent("shared/src", &["delete_item", "batch_write_item"], &[]);
}

/// The names of attributes belong to `store/table.rs`. No other layer uses them, as constants or as
/// text.
#[test]
fn only_the_store_names_attributes() {
    let table = std::fs::read_to_string(root().join("shared/src/store/table.rs")).expect("a file");
    let constants = table
        .lines()
        .filter_map(|line| line.trim().split_once("const ")?.1.split_once(": &str = "));
    let names = constants.map(|(_, name)| name.trim_end_matches(';'));
    // Words that are also in the contract: `"order"`, `"at"`.
    let words =
        |name: &&str| matches!(name.trim_matches('"'), "order" | "payment" | "event" | "at");
    let names: BTreeSet<&str> = names.filter(|name| !words(name)).collect();
    assert!(names.len() >= 20, "{names:?}");
    for folder in ["shared/src", "functions"] {
        for (file, code) in sources(folder) {
            if file.contains("src/store/") {
                continue;
            }
            for name in &names {
                let used = [format!("get({name})"), format!("[{name}]"), format!("insert({name}")];
                let used = used.iter().find(|used| code.contains(*used));
                assert_eq!(used, None, "{file} names an attribute of the store");
            }
            assert!(!code.contains("store::table"), "{file} must not know the names of attributes");
        }
    }
}

#[test]
fn only_http_picks_a_status() {
    assert_absent("shared/src", &[".status(", "StatusCode"], &["src/http/"]);
    assert_absent("functions", &[".status(", "StatusCode"], &[]);
}

#[test]
fn nothing_local_is_deployed() {
    let words = ["/_local", "dynoxide", "axum"];
    assert_absent("shared/src", &words, &[]);
    assert_absent("functions", &words, &[]);
    assert!(!include_str!("../../../template.yaml").contains("_local"));
}

/// The maximum number of lines of a file.
const MAX_LINES: usize = 400;

#[test]
fn files_have_at_most_400_lines_and_lines_100_columns() {
    for folder in members() {
        for (name, code) in sources(&folder) {
            let text = std::fs::read_to_string(root().join(&name)).expect("a source");
            // The mutants and the auditor are lists: of changes, and of checks.
            let lines = text.lines().count();
            let listed = name.starts_with("tests/src/simulation/");
            assert!(lines <= MAX_LINES || listed, "{name}: {lines} lines are about several things");
            let long = code.lines().find(|line| line.chars().count() > 100);
            assert_eq!(long, None, "{name}");
        }
    }
}

#[tokio::test]
async fn routes_are_the_same_in_template_code_and_contract() {
    let name = |method: &str, path: &str| format!("{method} {path}");
    let routes = Template::load().routes();
    let in_template: BTreeSet<String> =
        routes.iter().map(|route| name(&route.method, &route.path)).collect();
    let operations = contract::operations();
    let in_contract: BTreeSet<String> =
        operations.iter().map(|(route, _)| name(&route.method, &route.path)).collect();
    assert_eq!(in_template, in_contract);
    let allowed = |(path, methods): &(&str, &str)| -> Vec<String> {
        methods.split(", ").map(|method| name(method, path)).collect()
    };
    let in_allow: BTreeSet<String> = ROUTES.iter().flat_map(allowed).collect();
    assert_eq!(in_template, in_allow, "shared/src/http/routes.rs");
    // In the code: no route of the template gets the answer "no such route".
    let stack = Stack::noon().await;
    // Without a logo there is none to serve.
    let logo = "[brand]\nlogo = '<svg xmlns=\"http://www.w3.org/2000/svg\"/>'";
    let catalog = Catalog::DEFAULT.replacen("version = 1", "version = 2", 1);
    publish(&stack, &format!("{catalog}\n{logo}\n")).await;
    for route in routes {
        let path = route.path.replace("{account}", "acme").replace("{file}", "icon.svg");
        let path = path.replace("{id}", "01a20132-08af-7fb3-8350-6bdcd05e3b83");
        let path = path.replace("{subject}", "user:ada");
        let answer = stack.send(request(&route.method, &path, None, "")).await;
        assert_ne!(answer.body["code"], "not_found", "{} {path}", route.method);
    }
    // Every path that a function answers is in the template: each match arm has its route.
    for (file, code) in sources("functions") {
        for arm in code.split("[\"v1\", ").skip(1) {
            let parts = arm.split(']').next().expect("an end").split(", ");
            let path: Vec<String> = parts
                .map(|part| match part.strip_prefix('"') {
                    Some(word) => word.trim_end_matches('"').to_owned(),
                    None => format!("{{{part}}}"),
                })
                .collect();
            let path = format!("/v1/{}", path.join("/"));
            let known = in_template.iter().any(|route| route.ends_with(&format!(" {path}")));
            assert!(known, "{file} answers {path}, which the template does not route");
        }
    }
}

/// The walkthrough in ARCHITECTURE.md shows the one request of a debit exactly.
#[tokio::test]
async fn the_walkthrough_shows_the_request_as_sent() {
    let stack = Stack::still("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let id = stack.id(0).to_string();
    assert_eq!(stack.action("acme", &id, "custom_image", 3).await.status, 201);
    let mut sent = stack.wire.last_request("UpdateItem");
    // The SDK sends the values in any order.
    if let Some(values) = sent["ExpressionAttributeValues"].as_object_mut() {
        let mut sorted: Vec<_> = std::mem::take(values).into_iter().collect();
        sorted.sort_by_key(|(name, _)| (name.len(), name.clone()));
        values.extend(sorted);
    }
    let sent = serde_json::to_string_pretty(&sent).expect("JSON");
    let shown = include_str!("../../../ARCHITECTURE.md").contains(&sent);
    assert!(shown, "ARCHITECTURE.md does not show:\n{sent}");
}

#[test]
fn every_refusal_is_in_the_contract_and_the_reference() {
    let refusal = include_str!("../../../shared/src/domain/refusal.rs");
    let codes: Vec<&str> =
        refusal.lines().filter_map(|l| l.trim().split("=> \"").nth(1)?.split('"').next()).collect();
    assert!(codes.len() >= 10, "{codes:?}");
    for code in codes {
        let constant = format!("const: {code} }}");
        assert!(include_str!("../../../openapi.yaml").contains(&constant), "{code}: openapi.yaml");
        let errors = include_str!("../../../docs/reference/errors.md");
        assert!(errors.contains(&format!("| `{code}` |")), "{code}: errors.md");
    }
}
