//! Checks of change: a new version of a function, a pause, and restored tables.

use regex::Regex;
use serde_json::{Value, json};

use super::reading::{Complaints, functions, of_type, resources, texts};

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
