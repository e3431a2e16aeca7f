//! Checks answers against the contract, `openapi.yaml`.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use local::template::Route;
use regex::Regex;
use serde_json::{Map, Value};
use shared::telemetry::VERSION;

use super::answer::Answer;

/// The contract, read once.
pub fn contract() -> &'static Value {
    static CONTRACT: OnceLock<Value> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        serde_saphyr::from_str(include_str!("../../../openapi.yaml")).expect("openapi.yaml is YAML")
    })
}

/// The operations of the contract: method, path and description.
pub fn operations() -> &'static [(Route, &'static Value)] {
    static OPERATIONS: OnceLock<Vec<(Route, &'static Value)>> = OnceLock::new();
    OPERATIONS.get_or_init(read_operations)
}

fn read_operations() -> Vec<(Route, &'static Value)> {
    let paths = contract()["paths"].as_object().expect("the contract has paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        let methods = item.as_object().expect("a path has methods");
        for (method, operation) in methods.iter().filter(|(_, o)| o.get("responses").is_some()) {
            let function = String::new();
            let route = Route { method: method.to_uppercase(), path: path.clone(), function };
            operations.push((route, operation));
        }
    }
    operations
}

/// Checks an answer of the whole stack: that it names its request, and against the contract.
pub fn check_served(method: &str, path: &str, answer: &Answer) {
    let named = answer.headers.contains_key("x-scrip-request");
    assert!(named, "{method} {path} has no id to ask the logs by: {answer:?}");
    check(method, path, answer);
}

/// Checks an answer against the contract: the header of every answer, and a documented status,
/// content type and body.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let operations = operations();
    let Some((_, operation)) = operations.iter().find(|(route, _)| route.matches(method, path))
    else {
        let known = operations.iter().any(|(route, _)| route.matches(&route.method, path));
        let expected = if known { 405 } else { 404 };
        assert_eq!(answer.status, expected, "{method} {path} is not in the contract: {answer:?}");
        return;
    };
    let version = answer.headers.get("scrip-version").map(http::HeaderValue::as_bytes);
    assert_eq!(version, Some(VERSION.as_bytes()), "{method} {path}: {answer:?}");
    let response = &operation["responses"][answer.status.to_string()];
    let response = resolve(response);
    assert!(response.is_object(), "{method} {path}: {} is not in the contract", answer.status);
    let Some(content) = response.get("content") else {
        assert_eq!(answer.body, Value::Null, "{method} {path}: a body that is not documented");
        return;
    };
    let kind = answer.headers["content-type"].to_str().expect("text");
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{method} {path}: {kind} is not in the contract");
    if let Err(problem) = fits(schema, &answer.body, "body") {
        panic!("{method} {path}: {problem}\n{answer:?}");
    }
}

/// The target of a `$ref`, or the value itself.
pub fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(path) => {
            let found = contract().pointer(path.trim_start_matches('#'));
            resolve(found.unwrap_or_else(|| panic!("openapi.yaml: no {path}")))
        }
        None => value,
    }
}

/// Whether `value` fits `schema`, by the part of JSON Schema that the contract uses.
pub fn fits(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    let wrong = |kind: &str| Err(format!("{at}: {kind}: {value}"));
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong(&format!("is not {}", schema["const"]));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        return wrong("is not one of the values");
    }
    if schema.get("not").is_some_and(|not| fits(not, value, at).is_ok()) {
        return wrong("is what it must not be");
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(word).and_then(Value::as_array) {
            let tried: Vec<_> = choices.iter().map(|choice| fits(choice, value, at)).collect();
            let fitting = tried.iter().filter(|result| result.is_ok()).count();
            if fitting == 0 || (word == "oneOf" && fitting > 1) {
                return Err(format!("{at}: {fitting} of {word} fit: {tried:?}"));
            }
        }
    }
    let is_a = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("openapi.yaml: type {other} is not one we check"),
    };
    let fits_type = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is_a),
        Some(kind) => kind.as_str().is_some_and(is_a),
    };
    if !fits_type {
        return wrong(&format!("is not of type {}", schema["type"]));
    }
    match value {
        Value::Object(fields) => fits_object(schema, fields, at),
        Value::Array(items) => {
            let schema = schema.get("items");
            let mut each = items.iter().zip(0..);
            each.try_for_each(|(item, n)| match schema {
                Some(schema) => fits(schema, item, &format!("{at}[{n}]")),
                None => Ok(()),
            })
        }
        Value::String(text) => {
            let length = text.chars().count() as u64;
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
            let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
            if !(least..=most).contains(&length) {
                return wrong("is too short or too long");
            }
            match schema.get("pattern").and_then(Value::as_str) {
                Some(pattern) if !matches(pattern, text) => wrong(&format!("is not {pattern}")),
                _ => Ok(()),
            }
        }
        Value::Number(number) => {
            let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
            match number.as_i64().is_some_and(|number| number < least) {
                true => wrong("is too small"),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn fits_object(
    schema: &'static Value,
    fields: &Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    static NONE: OnceLock<Map<String, Value>> = OnceLock::new();
    let none = NONE.get_or_init(Map::new);
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(none);
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => fits(schema, value, &format!("{at}.{name}"))?,
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                return Err(format!("{at}: {name} is not documented"));
            }
            None => {}
        }
    }
    Ok(())
}

fn matches(pattern: &str, text: &str) -> bool {
    static PATTERNS: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut patterns = PATTERNS.lock().expect("no one panics with the lock");
    let compile = || Regex::new(pattern).expect("openapi.yaml: a pattern is a regex");
    patterns.entry(pattern.to_owned()).or_insert_with(compile).is_match(text)
}
