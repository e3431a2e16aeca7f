//! Usage objects of providers, and the meters that each must give. The fixtures name their sources.

use serde_json::{Value, json};
use shared::domain::provider_usage::{UsageFormat, meters};

const CORPUS: [&str; 4] = [
    include_str!("../../fixtures/provider_usage/openai_chat_completions.json"),
    include_str!("../../fixtures/provider_usage/openai_responses.json"),
    include_str!("../../fixtures/provider_usage/anthropic.json"),
    include_str!("../../fixtures/provider_usage/google.json"),
];

/// Every case of the corpus, with its format.
fn cases() -> Vec<(UsageFormat, Value)> {
    let mut cases = Vec::new();
    for file in CORPUS {
        let file: Value = serde_json::from_str(file).expect("JSON");
        let word = file["format"].as_str().expect("a format");
        let known = UsageFormat::ALL.into_iter().find(|format| format.name() == word);
        let format = known.expect("a known format");
        for case in file["cases"].as_array().expect("cases") {
            let source = case["source"].as_str().expect("a source");
            assert!(file["sources"][source].is_string(), "{}: no such source", case["case"]);
            cases.push((format, case.clone()));
        }
    }
    cases
}

#[test]
fn a_usage_object_gives_its_meters_or_names_the_field_that_is_wrong() {
    let cases = cases();
    assert!(cases.len() >= 97, "{} cases", cases.len());
    for (format, case) in cases {
        let found = match meters(&case["usage"], format) {
            Ok(meters) => json!({ "meters": meters }),
            Err(wrong) => json!({ "refused": { "field": wrong.field, "problem": wrong.problem } }),
        };
        let verdict = if case["meters"].is_object() { "meters" } else { "refused" };
        assert_eq!(found, json!({ verdict: case[verdict] }), "{}", case["case"]);
    }
}

/// Counted twice, a token is in the sum twice; left out, it is missing.
#[test]
fn meters_count_each_token_of_the_total_once() {
    let mut totals = 0;
    for (format, case) in cases() {
        let usage = &case["usage"];
        let names = ["total_tokens", "totalTokenCount", "total_token_count"];
        let total = names.iter().find_map(|name| usage[*name].as_u64());
        if let (Ok(meters), Some(total)) = (meters(usage, format), total) {
            let counted: u64 = meters.counted().map(|(_, count)| count).sum();
            assert_eq!(counted, total, "{}", case["case"]);
            totals += 1;
        }
    }
    assert!(totals >= 25, "{totals} totals");
}

/// Some of their names are the same, and mean something else.
#[test]
fn an_object_of_another_provider_is_refused_whatever_is_added_to_it() {
    let anthropics = json!({ "input_tokens": 1200, "cache_read_input_tokens": 8000,
        "output_tokens": 350, "total_tokens": 1550 });
    let openais = json!({ "prompt_tokens": 9200, "completion_tokens": 350, "input_tokens": 9200,
        "output_tokens": 350, "total_tokens": 9550 });
    let googles = json!({ "promptTokenCount": 9200, "candidatesTokenCount": 350,
        "input_tokens": 9200, "output_tokens": 350, "total_tokens": 9550 });
    for (usage, own) in [(&anthropics, "anthropic"), (&openais, "openai"), (&googles, "google")] {
        for format in UsageFormat::ALL.into_iter().filter(|format| format.name() != own) {
            let wrong = meters(usage, format).expect_err(own);
            assert_eq!(wrong.problem, format!("is a field of usage_format {own}"), "{format:?}");
        }
    }
}
