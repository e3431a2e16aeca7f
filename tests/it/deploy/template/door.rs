//! Checks of the door for service keys: the routes that a scope allows, and no others; and only in
//! a stack that asks for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::http::routes::SCOPES;

use super::reading::{Complaints, events, functions, list, of_type, resources};

/// The condition of the door.
const CONDITION: &str = "HasServiceKeys";
/// The API of the door, the secret that its keys are sealed with, and the parameter.
const API: &str = "ServiceApi";
const SECRET: &str = "ServiceSecret";
const PARAMETER: &str = "ServiceKeys";
/// The types of what makes the door.
const PARTS: [&str; 5] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::Lambda::Permission",
];

/// Whether a resource is a part of the door, and is there with it only.
pub(super) fn is_of_the_door(name: &str, resource: &Value) -> bool {
    let properties = &resource["Properties"];
    let from = properties["SourceArn"].as_str().unwrap_or_default();
    let of_it = name == API || properties["ApiId"] == API || from.contains("${ServiceApi}/");
    resource["Condition"] == CONDITION && of_it
}

/// The door has the routes that a scope allows, each to the function that answers it at the first
/// door. What makes it is there only with it, and only its functions know the keys.
pub(super) fn keys_have_a_door_of_their_own(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let behind = functions_by_route(template);
    let mut routes = BTreeSet::new();
    let mut called = BTreeSet::new();
    for kind in PARTS {
        for (name, part) in of_type(template, kind) {
            if !is_of_the_door(name, part) {
                complaints.push(format!("{name} is no part of the door for service keys"));
            }
            let properties = &part["Properties"];
            if kind != "AWS::ApiGatewayV2::Route" {
                continue;
            }
            let route = properties["RouteKey"].as_str().unwrap_or_default().to_owned();
            let target = properties["Target"].as_str().unwrap_or_default();
            let integration =
                target.strip_prefix("integrations/${").and_then(|t| t.strip_suffix('}'));
            let integration = integration.map_or(&Value::Null, |name| &resources(template)[name]);
            let to = integration["Properties"]["IntegrationUri"].as_str().unwrap_or_default();
            match behind.get(&route) {
                Some((function, address)) if to == address => {
                    called.insert(*function);
                }
                _ => complaints.push(format!("{name}: {route} is answered by {to:?}")),
            }
            routes.insert(route);
        }
    }
    let scoped: BTreeSet<String> = SCOPES.iter().map(|(route, _)| (*route).to_owned()).collect();
    let more = routes.difference(&scoped);
    complaints.extend(more.map(|route| format!("{route} is at the door, and no scope allows it")));
    let fewer = scoped.difference(&routes);
    complaints.extend(fewer.map(|route| format!("{route} is not at the door for service keys")));
    opened_to_the_gateway_alone(template, &called, &mut complaints);
    known_to_its_functions_alone(template, &called, &mut complaints);
    let parameter = &template["Parameters"][PARAMETER];
    if parameter["Default"] != "false" || parameter["AllowedValues"] != json!(["true", "false"]) {
        complaints.push(format!("{PARAMETER}: the door is open to who did not ask for it"));
    }
    complaints
}

/// The function of each route at the first door, and the address that it is called at: its alias,
/// or itself if it has none.
fn functions_by_route(template: &Value) -> BTreeMap<String, (&str, String)> {
    let mut behind = BTreeMap::new();
    for (name, function) in functions(template) {
        let alias = function.get("AutoPublishAlias").is_some();
        let address = format!("{name}.{}", if alias { "Alias" } else { "Arn" });
        for (_, event) in events(&function).iter().filter(|(_, e)| e["Type"] == "HttpApi") {
            let [method, path] = ["Method", "Path"].map(|part| event["Properties"][part].as_str());
            let route = format!("{} {}", method.unwrap_or_default(), path.unwrap_or_default());
            behind.insert(route, (name, address.clone()));
        }
    }
    behind
}

/// The gateway may call each function behind the door, and nobody else may by it.
fn opened_to_the_gateway_alone(
    template: &Value,
    called: &BTreeSet<&str>,
    complaints: &mut Complaints,
) {
    let mut opened = BTreeSet::new();
    for (name, permission) in of_type(template, "AWS::Lambda::Permission") {
        let properties = &permission["Properties"];
        if properties["Principal"] != "apigateway.amazonaws.com"
            || properties["Action"] != "lambda:InvokeFunction"
        {
            complaints.push(format!("{name}: more than the gateway may call a function"));
        }
        let function = properties["FunctionName"].as_str().unwrap_or_default();
        opened.insert(function.split('.').next().unwrap_or_default());
    }
    let shut = called.difference(&opened);
    complaints.extend(shut.map(|name| format!("the gateway may not call {name} at the door")));
}

/// The functions behind the door read the secret, and no others; without the door they have none.
fn known_to_its_functions_alone(
    template: &Value,
    called: &BTreeSet<&str>,
    complaints: &mut Complaints,
) {
    for (name, function) in functions(template) {
        let reads = function["Policies"].as_array().into_iter().flatten().any(|policy| {
            let mut statements = policy["Statement"].as_array().into_iter().flatten();
            statements.any(|statement| list(&statement["Resource"]).contains(&SECRET))
        });
        let knows = function["Environment"]["Variables"]["SERVICE_KEYS_ARN"] == SECRET;
        if (reads, knows) != (called.contains(name), called.contains(name)) {
            complaints
                .push(format!("{name}: it should know service keys just if it is behind them"));
        }
    }
    // A deploy that shuts the door deletes what has the condition, and nothing brings a secret back.
    if resources(template).get(SECRET).is_none_or(|secret| secret.get("Condition").is_some()) {
        complaints.push(format!("{SECRET} is lost when the door is shut"));
    }
    let alarms = of_type(template, "AWS::CloudWatch::Alarm").into_iter();
    let alarms = alarms.filter(|(_, alarm)| alarm["Properties"]["MetricName"] == "KeysOver");
    let free = alarms.filter(|(_, alarm)| alarm["Condition"] != CONDITION);
    complaints.extend(free.map(|(name, _)| format!("{name} watches a door that is not there")));
    let settings = of_type(template, "AWS::AppConfig::HostedConfigurationVersion");
    let content = settings.first().and_then(|(_, s)| s["Properties"]["Content"].as_str());
    if !content.unwrap_or_default().contains(&format!("${{{PARAMETER}}}")) {
        complaints.push(format!("a changed {PARAMETER} does not reach the aliases"));
    }
    // The customers' page is at the first door: links that are made at this one lead there.
    let [(_, stage)] = of_type(template, "AWS::ApiGatewayV2::Stage")[..] else {
        return complaints.push("the door has no stage, or several".to_owned());
    };
    let first = "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}";
    if stage["Properties"]["StageVariables"]["PUBLIC_URL"] != first {
        complaints.push("customers are sent to the door for service keys".to_owned());
    }
}
