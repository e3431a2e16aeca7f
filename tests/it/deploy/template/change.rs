//! Checks of change: a new version of a function, a pause, and restored tables.

use regex::Regex;
use serde_json::{Value, json};

use super::reading::{Complaints, events, functions, of_type, resources, texts};

/// The functions whose failure callers see at once. A new version of them is on trial first.
const TRIED: [&str; 4] = ["Debit", "Balance", "Page", "Webhook"];

/// A new version of these functions gets a part of the requests while an alarm watches it, and
/// nobody calls them past their alias.
pub(super) fn new_versions_are_tried(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let of_all = functions(template);
    for name in TRIED {
        let Some((_, function)) = of_all.iter().find(|(function, _)| *function == name) else {
            continue;
        };
        let preference = &function["DeploymentPreference"];
        if function["AutoPublishAlias"] != "live" || preference["Type"] != "Canary" {
            complaints.push(format!("{name}: a new version gets all requests at once"));
        }
        let alarm = preference["Alarms"][0].as_str().unwrap_or_default();
        let alarm = &resources(template)[alarm]["Properties"]["Metrics"];
        for metric in ["Errors", "Failures", "Unknowns"] {
            let version = json!({
                "Name": "ExecutedVersion",
                "Value": format!("{name}.Version.Version"),
            });
            let function = json!({ "Name": "FunctionName", "Value": name });
            let watched = alarm.as_array().into_iter().flatten().any(|stat| {
                let stat = &stat["MetricStat"]["Metric"];
                let of = stat["Dimensions"].as_array();
                let of = |dimension| of.is_some_and(|of| of.contains(dimension));
                stat["MetricName"] == metric && of(&version) && of(&function)
            });
            if !watched {
                complaints.push(format!("{name}: {metric} of a new version take nothing back"));
            }
        }
        let mut said = Vec::new();
        texts(template, &mut said);
        let past = [format!("{name}.Arn"), format!("${{{name}.Arn}}")];
        if said.iter().any(|said| *said == past[0] || said.contains(&past[1])) {
            complaints.push(format!("{name} is called past its alias"));
        }
    }
    complaints
}

/// A parameter that is in a function's variables changes the number of the settings, which is in
/// the variables and in the description of each version: a version keeps its variables.
pub(super) fn parameters_reach_the_alias(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let of = of_type(template, "AWS::AppConfig::HostedConfigurationVersion");
    let Some((settings, version)) = of.first() else {
        return vec!["the settings have no number".to_owned()];
    };
    let content = version["Properties"]["Content"].as_str().unwrap_or_default();
    let parameters = template["Parameters"].as_object().expect("parameters");
    let named = Regex::new(r"\$\{([A-Za-z]+)\}").expect("a pattern");
    for (name, function) in functions(template) {
        let variables = &function["Environment"]["Variables"];
        let mut said = Vec::new();
        texts(variables, &mut said);
        let within = said.iter().flat_map(|said| named.captures_iter(said));
        let within: Vec<String> = within.map(|found| found[1].to_owned()).collect();
        for said in said.iter().copied().chain(within.iter().map(String::as_str)) {
            if parameters.contains_key(said) && !content.contains(&format!("${{{said}}}")) {
                complaints.push(format!("{name}: a changed {said} does not reach its alias"));
            }
        }
        if variables["SETTINGS_VERSION"] != format!("{settings}.VersionNumber") {
            complaints.push(format!("{name}: a version with other settings is the same one"));
        }
        let described = function["VersionDescription"].as_str().unwrap_or_default();
        if function.get("AutoPublishAlias").is_some()
            && !described.contains(&format!("${{{settings}.VersionNumber}}"))
        {
            complaints.push(format!("{name}: other settings make no new version"));
        }
    }
    complaints
}

/// Every function that may write to a table stands still while the stack is paused: it has no
/// instances, and nothing is sent to it, which would be given up at once.
pub(super) fn a_pause_stops_what_writes(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, function) in functions(template) {
        let mut said = Vec::new();
        texts(&function["Policies"], &mut said);
        let writes = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
        if !said.iter().any(|said| writes.contains(said)) {
            continue;
        }
        let reserved = &function["ReservedConcurrentExecutions"];
        if reserved[0] != "IsPaused" || reserved[1] != 0 {
            complaints.push(format!("{name} writes during a pause"));
        }
        for (event, described) in events(&function) {
            let properties = &described["Properties"];
            let stopped = match described["Type"].as_str().unwrap_or_default() {
                "HttpApi" => true,
                "ScheduleV2" => properties["State"] == json!(["IsPaused", "DISABLED", "ENABLED"]),
                _ => properties["Enabled"] == json!(["IsPaused", false, true]),
            };
            if !stopped {
                complaints.push(format!("{name}, {event} goes on during a pause"));
            }
        }
    }
    complaints
}

/// A table of the stack is named only where a restored one may take its place: in the parameters
/// with its name and its ARN, and in the mappings of its stream.
pub(super) fn tables_can_be_restored(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (table, _) in of_type(template, "AWS::DynamoDB::Table") {
        let chosen =
            |value: Value| json!([format!("Restores{table}"), value, format!("{table}.Arn")]);
        let restored = format!("Restored{table}Table");
        let place = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/";
        let arn = chosen(json!(format!("{place}${{{restored}}}")));
        let name = json!([format!("Restores{table}"), restored, table]);
        let held = |place: &str| &resources(template)[place]["Properties"]["Value"];
        if *held(&format!("{table}TableName")) != name || *held(&format!("{table}TableArn")) != arn
        {
            complaints.push(format!("{table}: a restored table does not take its place"));
        }
        let mut rest = template.clone();
        for place in ["TableName", "TableArn"] {
            rest["Resources"][format!("{table}{place}")] = Value::Null;
        }
        let stream = json!([
            format!("Restores{table}"),
            format!("Restored{table}StreamArn"),
            format!("{table}.StreamArn"),
        ]);
        without(&mut rest, &stream);
        let mut said = Vec::new();
        texts(&rest, &mut said);
        let own = Regex::new(&format!(r"^{table}(\.\w+)?$|\$\{{{table}(\.\w+)?\}}"));
        let own = own.expect("a pattern");
        for said in said.iter().filter(|said| own.is_match(said)) {
            let said = if said.len() < 40 { said } else { "a text" };
            complaints.push(format!("{table}: {said} is not a restored table's"));
        }
    }
    complaints
}

/// Removes every value that equals `unwanted`.
fn without(value: &mut Value, unwanted: &Value) {
    if value == unwanted {
        *value = Value::Null;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, unwanted)),
        Value::Object(fields) => fields.values_mut().for_each(|field| without(field, unwanted)),
        _ => (),
    }
}
