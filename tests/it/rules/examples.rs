//! The examples of the contract: every operation has them, and each matches its schema.

use serde_json::Value;

use crate::support::contract::{self, fits, resolve};

/// Checks the examples of a body against its schema. Returns how many there are.
fn check(of: &str, content: &'static Value) -> usize {
    let several = content["examples"].as_object().into_iter().flatten();
    let several = several.map(|(_, example)| &example["value"]);
    let examples: Vec<&Value> = content.get("example").into_iter().chain(several).collect();
    for example in &examples {
        if let Err(problem) = fits(&content["schema"], example, "example") {
            panic!("{of}: {problem}");
        }
    }
    examples.len()
}

#[test]
fn every_operation_has_examples_that_match_its_schema() {
    let mut examples = 0;
    for (route, operation) in contract::operations() {
        let of = format!("{} {}", route.method, route.path);
        let body = operation.get("requestBody").map(|body| resolve(body));
        for content in body.into_iter().flat_map(|body| body["content"].as_object()).flatten() {
            let there = check(&of, content.1);
            assert!(there > 0, "{of}: the request has no example");
            examples += there;
        }
        let responses = operation["responses"].as_object().expect("responses");
        for (status, response) in responses {
            let of = format!("{of}: {status}");
            let content = resolve(response).get("content").and_then(Value::as_object);
            for (kind, content) in content.into_iter().flatten() {
                let there = check(&of, content);
                // Pages and files need no example; data does.
                let data = kind.contains("json") || kind.contains("csv");
                assert!(!data || there > 0, "{of} {kind}: no example");
                examples += there;
            }
        }
    }
    assert!(examples > 100, "{examples} examples");
}
