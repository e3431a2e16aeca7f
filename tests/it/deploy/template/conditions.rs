//! Checks of conditions: a stack without an optional part refers to nothing of it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use local::template::decided;
use regex::Regex;
use serde_json::{Map, Value};

use super::reading::{Complaints, events, functions, resources, texts};

/// Where a condition does not hold, nothing that is left refers to a resource that is left out, or
/// has settings of a route that is left out: CloudFormation would refuse to deploy it.
pub(super) fn what_is_left_out_is_missed_by_nothing(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let known = template["Conditions"].as_object().cloned().unwrap_or_default();
    for (name, resource) in resources(template) {
        if resource["Condition"].as_str().is_some_and(|condition| !known.contains_key(condition)) {
            complaints.push(format!("{name}: there is no condition {}", resource["Condition"]));
        }
    }
    for condition in known.keys() {
        // Where it does not hold, no `!And` of it does.
        let ends = |(_, of): &(&String, &Value)| {
            of.as_array().is_some_and(|of| of.iter().any(|part| part == condition))
        };
        let with = known.iter().filter(ends).map(|(name, _)| name).chain([condition]);
        let left = with.fold(template.clone(), |left, name| decided(&left, name, false));
        let out: BTreeSet<&str> = resources(template)
            .keys()
            .filter(|name| !resources(&left).contains_key(*name))
            .map(String::as_str)
            .collect();
        if out.is_empty() {
            continue;
        }
        for part in ["Globals", "Resources", "Outputs"] {
            for (name, value) in left[part].as_object().unwrap_or(&Map::new()) {
                for missed in references(value).filter(|text| out.contains(&**text)) {
                    complaints.push(format!("{name} refers to {missed} without {condition}"));
                }
            }
        }
        let routes = routes(&left);
        for (name, resource) in resources(&left) {
            let settings = resource["Properties"]["RouteSettings"].as_object();
            for route in settings.unwrap_or(&Map::new()).keys().filter(|r| !routes.contains(*r)) {
                complaints.push(format!("{name}: {route} has settings without {condition}"));
            }
        }
    }
    complaints
}

/// The names that the texts below a value may refer to: of `!Ref Name`, `!GetAtt Name.Arn` and
/// `${Name}` in a `!Sub`.
fn references(value: &Value) -> impl Iterator<Item = String> {
    static FILLED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\$\{([A-Za-z]+)[.}]").expect("a pattern"));
    let mut all = Vec::new();
    texts(value, &mut all);
    let mut found = Vec::new();
    for text in all {
        found.push(text.split('.').next().unwrap_or_default().to_owned());
        found.extend(FILLED.captures_iter(text).map(|name| name[1].to_owned()));
    }
    found.into_iter()
}

fn routes(template: &Value) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for (_, function) in functions(template) {
        for (_, event) in events(&function) {
            let [method, path] = ["Method", "Path"].map(|name| event["Properties"][name].as_str());
            if let (Some(method), Some(path)) = (method, path) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    routes
}
