//! What is deployed must be as safe as the code: each check reads the template and complains.
//!
//! A check is a function from the template to sentences, so that `wrong` can show each one a
//! template that was changed for the worse, and no check is one that never complains.

mod access;
mod data;
mod failures;
mod sight;
mod wrong;

use local::template::Template;
use serde_json::{Map, Value};

/// Complaints, in sentences. None: it is as it must be.
type Complaints = Vec<String>;
type Check = fn(&Value) -> Complaints;

/// Every check of the template alone, by its name.
const CHECKS: [(&str, Check); 16] = [
    ("routes are closed", access::routes_are_closed),
    ("routes are the contract's", access::routes_are_the_contracts),
    ("callers are told apart", access::callers_are_told_apart),
    ("permissions are narrow", access::permissions_are_narrow),
    ("no secret is written", access::no_secret_is_written),
    ("the gateway throttles", access::the_gateway_throttles),
    ("tables are kept", data::tables_are_kept),
    ("what is stored is encrypted", data::what_is_stored_is_encrypted),
    ("logs end", data::logs_end),
    ("access logs say no secret", data::access_logs_say_no_secret),
    ("stages share an account", data::stages_share_an_account),
    ("failures go somewhere", failures::failures_go_somewhere),
    ("what goes on may go on", failures::what_goes_on_may_go_on),
    ("alarms are heard", sight::alarms_are_heard),
    ("every function is watched", sight::every_function_is_watched),
    ("metrics are known", sight::metrics_are_known),
];

#[test]
fn the_template_is_as_it_must_be() {
    let template = Template::load();
    for (name, check) in CHECKS {
        assert_eq!(check(template.value()), Complaints::new(), "{name}");
    }
}

/// The resources of one type, by name.
fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = resources(template).iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), resource))
        .collect()
}

fn resources(template: &Value) -> &Map<String, Value> {
    template["Resources"].as_object().expect("the template has resources")
}

/// The functions, by name: what each says, over what all of them say.
fn functions(template: &Value) -> Vec<(&str, Value)> {
    let of_all = &template["Globals"]["Function"];
    let functions = of_type(template, "AWS::Serverless::Function").into_iter();
    functions.map(|(name, function)| (name, over(of_all, &function["Properties"]))).collect()
}

/// `own`, and of `common` what it does not say, as SAM joins the two.
fn over(common: &Value, own: &Value) -> Value {
    match (common, own) {
        (Value::Object(common), Value::Object(own)) => {
            let mut joined = common.clone();
            for (name, own) in own {
                let value = over(common.get(name).unwrap_or(&Value::Null), own);
                joined.insert(name.clone(), value);
            }
            Value::Object(joined)
        }
        _ => own.clone(),
    }
}

/// What invokes a function: the name of each event, and the event.
fn events(function: &Value) -> Vec<(&str, &Value)> {
    let events = function["Events"].as_object().into_iter().flatten();
    events.map(|(name, event)| (name.as_str(), event)).collect()
}

/// The texts below a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => (),
    }
}

/// One value, or each of a list, as texts.
fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}
