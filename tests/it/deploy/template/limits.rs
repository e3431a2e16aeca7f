//! Checks of limits: requests of a route, instances of a function, and what a parameter takes.

use regex::Regex;
use serde_json::Value;

use super::reading::{Complaints, events, functions, of_type, texts};

/// The limits of an open route, by its parameters.
const STRANGERS: [(&str, &str); 2] = [
    ("ThrottlingBurstLimit", "StrangerRequestsBurst"),
    ("ThrottlingRateLimit", "StrangerRequestsPerSecond"),
];

/// The open routes.
fn open_routes(template: &Value) -> Vec<String> {
    let mut open = Vec::new();
    for (_, function) in functions(template) {
        for (_, event) in events(&function) {
            let properties = &event["Properties"];
            if event["Type"] == "HttpApi" && properties["Auth"]["Authorizer"] == "NONE" {
                let [method, path] =
                    ["Method", "Path"].map(|name| properties[name].as_str().unwrap_or_default());
                open.push(format!("{method} {path}"));
            }
        }
    }
    open
}

/// Work from a queue takes no more instances than a parameter says: debits need the others.
pub(super) fn queues_take_few_instances(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, function) in functions(template) {
        for (event, described) in events(&function).iter().filter(|(_, e)| e["Type"] == "SQS") {
            let limit = &described["Properties"]["ScalingConfig"]["MaximumConcurrency"];
            if limit != "QueueConcurrency" {
                complaints.push(format!("{name}, {event}: takes every instance"));
            }
        }
    }
    // Lambda allows no fewer than 2.
    let parameter = &template["Parameters"]["QueueConcurrency"];
    if parameter["MinValue"] != 2 || parameter["Default"].as_u64().is_none_or(|few| few > 5) {
        complaints.push("QueueConcurrency: not from 2, or more than 5 by default".to_owned());
    }
    complaints
}

/// The defaults reserve no instances: a new AWS account has none to reserve.
pub(super) fn a_new_aws_account_suffices(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, function) in functions(template) {
        // While the stack is paused a function has none.
        let reserved = match function["ReservedConcurrentExecutions"].as_array() {
            Some(choice) if choice[0] == "IsPaused" => &choice[2],
            _ => &function["ReservedConcurrentExecutions"],
        };
        let mut said = Vec::new();
        texts(reserved, &mut said);
        let by = said.iter().find(|text| text.ends_with("Concurrency"));
        let by = by.map(|parameter| &template["Parameters"][parameter]["Default"]);
        if !reserved.is_null()
            && reserved != "AWS::NoValue"
            && by.is_none_or(|default| *default != 0)
        {
            complaints.push(format!("{name} reserves instances by default"));
        }
    }
    complaints
}

/// A parameter for an ARN takes full ARNs only: a statement of IAM with a part of one allows
/// nothing.
pub(super) fn arns_are_full(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, parameter) in template["Parameters"].as_object().into_iter().flatten() {
        if !name.ends_with("Arn") {
            continue;
        }
        let pattern = parameter["AllowedPattern"].as_str().unwrap_or_default();
        let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$")) else { continue };
        let partly = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe", "stripe", "*"];
        if pattern.as_str().len() < 20 || partly.iter().any(|part| pattern.is_match(part)) {
            complaints.push(format!("{name} takes a part of an ARN"));
        }
    }
    complaints
}

/// The gateway accepts no more requests than the stack is meant to serve, and the limits are
/// parameters. Open routes have limits of their own.
pub(super) fn the_gateway_throttles(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (kind, before) in
        [("AWS::Serverless::HttpApi", ""), ("AWS::ApiGatewayV2::Stage", "Service")]
    {
        for (name, door) in of_type(template, kind) {
            let limits = &door["Properties"]["DefaultRouteSettings"];
            for (limit, by) in
                [("ThrottlingBurstLimit", "Burst"), ("ThrottlingRateLimit", "PerSecond")]
            {
                let parameter = limits[limit].as_str().unwrap_or_default();
                if template["Parameters"][parameter]["MinValue"] != 1 {
                    complaints.push(format!("{name}: no {limit} by a parameter"));
                } else if parameter != format!("{before}Requests{by}") {
                    complaints.push(format!("{name}: the limits of another door"));
                }
            }
        }
    }
    for (name, api) in of_type(template, "AWS::Serverless::HttpApi") {
        let settings = &api["Properties"]["RouteSettings"];
        let open = open_routes(template);
        for route in &open {
            // `!If [condition, limits, AWS::NoValue]`, or the limits themselves.
            let limits = match &settings[route] {
                Value::Array(parts) => &parts[1],
                limits => limits,
            };
            if STRANGERS.iter().any(|(limit, parameter)| limits[limit] != *parameter) {
                complaints.push(format!("{name}: strangers are not limited on {route}"));
            }
        }
        for (route, _) in settings.as_object().into_iter().flatten() {
            if !open.contains(route) {
                complaints.push(format!("{name}: a limit of {route}, which is not open"));
            }
        }
    }
    complaints
}

#[test]
fn the_settings_reserve_no_instances() {
    let settings = include_str!("../../../../samconfig.toml");
    let reserves = Regex::new(r#"(?m)^\s*"\w+Concurrency=[1-9]"#).expect("a pattern");
    let reserved = reserves.find_iter(settings).map(|m| m.as_str().trim());
    let reserved: Vec<&str> = reserved.filter(|set| !set.contains("QueueC")).collect();
    assert_eq!(reserved, Vec::<&str>::new(), "a new AWS account has none to reserve");
}
