//! Helpers of the checks: how to read a template, and how to complain.

use serde_json::{Map, Value};

/// Complaints, in sentences. Empty: the template is right.
pub(super) type Complaints = Vec<String>;

/// The resources of one type, by name.
pub(super) fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = resources(template).iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), resource))
        .collect()
}

pub(super) fn resources(template: &Value) -> &Map<String, Value> {
    template["Resources"].as_object().expect("the template has resources")
}

/// The functions, by name: the properties of each, merged over the global ones.
pub(super) fn functions(template: &Value) -> Vec<(&str, Value)> {
    let of_all = &template["Globals"]["Function"];
    let functions = of_type(template, "AWS::Serverless::Function").into_iter();
    functions.map(|(name, function)| (name, over(of_all, &function["Properties"]))).collect()
}

/// `own` merged over `common`, as SAM merges the two.
pub(super) fn over(common: &Value, own: &Value) -> Value {
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

/// The triggers of a function: the name of each event, and the event.
pub(super) fn events(function: &Value) -> Vec<(&str, &Value)> {
    let events = function["Events"].as_object().into_iter().flatten();
    events.map(|(name, event)| (name.as_str(), event)).collect()
}

/// The text of a dashboard, with the values that its `!Sub` has names for.
pub(super) fn dashboard_body(dashboard: &Value) -> String {
    match &dashboard["Properties"]["DashboardBody"] {
        Value::Array(parts) => match &parts[..] {
            [Value::String(body), Value::Object(values)] => {
                let mut body = body.clone();
                for (name, value) in values {
                    body =
                        body.replace(&format!("${{{name}}}"), value.as_str().unwrap_or_default());
                }
                body
            }
            _ => String::new(),
        },
        body => body.as_str().unwrap_or_default().to_owned(),
    }
}

/// The texts below a value.
pub(super) fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => (),
    }
}

/// One value, or each of a list, as texts.
pub(super) fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}
