//! Checks of the saved queries: they ask every log, by fields that its lines have.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::reading::{Complaints, list, of_type};

/// The document that says what to fill in.
const DOCUMENT: &str = include_str!("../../../../docs/operating/questions.md");

/// The fields of log lines and documents of metrics, and the words of the query language that the
/// queries use. `deploy::correlation` holds the fields.
const KNOWN: [&str; 24] = [
    "@timestamp",
    "version",
    "request",
    "route",
    "account",
    "operation",
    "status",
    "code",
    "level",
    "fields.message",
    "fields.account",
    "Latency",
    "fields",
    "filter",
    "sort",
    "asc",
    "desc",
    "or",
    "and",
    "like",
    "ispresent",
    "limit",
    "not",
    "in",
];

/// Each question of the document is a saved query over all logs of the stack, and asks for fields
/// that there are.
pub(super) fn questions_are_saved(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let logs: BTreeSet<&str> =
        of_type(template, "AWS::Logs::LogGroup").iter().map(|(name, _)| *name).collect();
    let format = template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"].as_str();
    let access: Value = serde_json::from_str(format.unwrap_or_default()).unwrap_or_default();
    let word = Regex::new(r#""[^"]*"|[@A-Za-z_][@A-Za-z_.]*"#).expect("a pattern");
    let queries = of_type(template, "AWS::Logs::QueryDefinition");
    for (name, query) in &queries {
        let properties = &query["Properties"];
        let asked: BTreeSet<&str> = list(&properties["LogGroupNames"]).into_iter().collect();
        for log in logs.difference(&asked) {
            complaints.push(format!("{name} does not ask {log}"));
        }
        let text = properties["QueryString"].as_str().unwrap_or_default();
        for word in word.find_iter(text).map(|word| word.as_str()) {
            let known = word.starts_with('"') || KNOWN.contains(&word);
            if !known && access.get(word).is_none() {
                complaints.push(format!("{name}: no line has {word}"));
            }
        }
        let called = properties["Name"].as_str().unwrap_or_default();
        let called = called.rsplit('/').next().unwrap_or_default();
        if !DOCUMENT.contains(&format!("`{called}`")) {
            complaints
                .push(format!("docs/operating/questions.md does not say what {called} is for"));
        }
    }
    if queries.len() != 3 {
        complaints.push("a question of docs/operating/questions.md is not saved".to_owned());
    }
    complaints
}
