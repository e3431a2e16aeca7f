//! Logs: which lines a function writes by default, and that each stays one line.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::telemetry::{self, VERSION};
use tracing::Level;

use crate::support::log::Log;
use crate::support::shop::Shop;
use crate::support::{Stack, request};

#[test]
fn functions_tell_their_own_news_and_the_warnings_of_libraries() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let folders = std::fs::read_dir(root).expect("functions").map(|folder| folder.expect("one"));
    let mut deployed: Vec<_> =
        folders.map(|folder| folder.file_name().into_string().expect("a name")).collect();
    deployed.push("shared".to_owned());
    assert_eq!(BTreeSet::from_iter(deployed), telemetry::DEPLOYED.map(str::to_owned).into());
    let usual = telemetry::function_levels(None);
    for ours in ["audit", "shared::command::session"] {
        assert!(usual.would_enable(ours, &Level::INFO), "{ours}");
        assert!(!usual.would_enable(ours, &Level::DEBUG), "{ours}");
    }
    for theirs in ["hyper_util::client", "lambda_runtime", "aws_config"] {
        assert!(usual.would_enable(theirs, &Level::WARN), "{theirs}");
        assert!(!usual.would_enable(theirs, &Level::INFO), "{theirs}");
    }
    assert!(!telemetry::function_levels(Some("error")).would_enable("shared", &Level::WARN));
}

#[tokio::test]
async fn a_debit_that_goes_well_logs_nothing_and_others_log_the_version() {
    let log = Log::default();
    let _guard = log.listen();
    let told = |log: &Log| -> Vec<Value> {
        let text = log.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let usual = telemetry::function_levels(None);
        let seen = |line: &Value| {
            let level = line["level"].as_str().expect("a level").parse().expect("a level");
            usual.would_enable(line["target"].as_str().expect("a target"), &level)
        };
        lines.filter(seen).collect()
    };
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..40 {
        stack.action("acme", &format!("{n}"), "rich_text", 1).await;
    }
    assert_eq!(told(&log), Vec::<Value>::new());
    stack.get("/enter?t=scrip_session_test.AAAA").await;
    let told = told(&log);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["version"], &told[0]["level"]), (&json!(VERSION), &json!("INFO")));
}

/// Texts with which a caller could start a log line, colour a terminal, or fill a disk.
fn hostile() -> [String; 4] {
    [
        "injected\n{\"level\":\"ERROR\",\"message\":\"all is lost\"}".to_owned(),
        "injected\r\n\u{1b}[31mred\u{1b}[0m \u{9b}1m \u{2028} \u{202e}".to_owned(),
        format!("injected{}", "x".repeat(64 * 1024 - 8)),
        "injected\"}{${jndi:ldap://injected}%n%s<script>\\".to_owned(),
    ]
}

/// A longer log line would contain the caller's input.
const LONGEST_LINE: usize = 4 * 1024;

#[tokio::test]
async fn a_log_line_stays_one_line_whatever_a_caller_sends() {
    let log = Log::default();
    let _guard = log.listen();
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    for (n, hostile) in hostile().into_iter().enumerate() {
        let escaped = Value::from(hostile.as_str()).to_string();
        let path: String = hostile.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let header = Value::from(hostile.replace(|c: char| c.is_control(), " "));
        let header = header.as_str().expect("text").to_owned();
        let bodies = [
            format!(r#"{{"credits":"1","user":{escaped}}}"#),
            format!(r#"{{"credits":"1","reference":{escaped}}}"#),
            format!(r#"{{"action":{escaped},"quantity":1}}"#),
            format!(r#"{{{escaped}:1}}"#),
            hostile.clone(),
        ];
        for body in &bodies {
            stack.post("/v1/accounts/acme/debits", &format!("{n}"), body).await;
            stack.post("/v1/accounts/acme/grants", &format!("{n}"), body).await;
            stack.send(request("POST", "/v1/accounts/acme/sessions", None, body)).await;
            shop.take_notice(body).await;
            shop.take_notice(&format!(r#"{{"id":"evt_{n}","object":"event","type":{escaped}}}"#))
                .await;
            let event = format!(r#"{{"id":{escaped},"object":"event","type":"charge.refunded"}}"#);
            shop.take_notice(&event).await;
        }
        let path = &path[..path.len().min(3 * 4096)];
        for path in [format!("/v1/accounts/{path}/balance"), format!("/enter?t={path}")] {
            stack.get(&path).await;
        }
        let body = r#"{"credits":"1"}"#;
        stack.post("/v1/accounts/acme/debits", &header, body).await;
        for name in ["authorization", "cookie", "origin", "stripe-signature", "user-agent"] {
            let mut request = request("GET", "/v1/me/balance", None, "");
            let value = http::HeaderValue::from_bytes(header.as_bytes()).expect("a header");
            request.headers_mut().insert(name, value);
            stack.send(request).await;
        }
    }
    // Each line was checked when it was written: it is one line of JSON.
    let text = log.text();
    let ours = |line: &&str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let target = line["target"].as_str().unwrap_or_default().to_owned();
        ["shared", "webhook", "debit", "accounts"].iter().any(|name| target.starts_with(name))
    };
    let ours: Vec<&str> = text.lines().filter(ours).collect();
    assert!(ours.len() > 20, "{} lines", ours.len());
    for line in ours {
        assert!(line.len() <= LONGEST_LINE, "{} bytes: {}", line.len(), &line[..1000]);
    }
}
