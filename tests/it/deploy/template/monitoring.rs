//! Checks of monitoring: alarms and the dashboard.

use regex::Regex;
use serde_json::Value;
use shared::metrics::Metric;

use super::reading::{Complaints, dashboard_body, events, functions, of_type, resources, texts};

/// The namespace of a stack's metrics, so that it has its own alarms.
const NAMESPACE: &str = "Scrip/${AWS::StackName}";

/// Whether the functions emit the metric, or a filter of their log does.
fn is_counted(template: &Value, metric: &str) -> bool {
    let filters = of_type(template, "AWS::Logs::MetricFilter").into_iter();
    let mut filtered = filters.map(|(_, f)| &f["Properties"]["MetricTransformations"][0]);
    Metric::ALL.iter().any(|counted| format!("{counted:?}") == metric)
        || filtered.any(|f| f["MetricName"] == metric && f["MetricNamespace"] == NAMESPACE)
}

/// Every alarm says what it means and goes to the parameter's topic; every critical metric has one.
pub(super) fn alarms_are_heard(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    let heard = serde_json::json!(["HasAlarmTopic", ["AlarmTopicArn"], "AWS::NoValue"]);
    for (name, alarm) in &alarms {
        if alarm["Properties"]["AlarmActions"] != heard {
            complaints.push(format!("{name} is heard by nobody"));
        }
        if alarm["Properties"]["AlarmDescription"].as_str().is_none_or(|text| text.len() < 50) {
            complaints.push(format!("{name} does not say what to do"));
        }
    }
    let watches = |metric: &str, of: &str| {
        alarms.iter().any(|(_, alarm)| {
            let mut found = Vec::new();
            texts(alarm, &mut found);
            found.contains(&metric) && (of.is_empty() || found.contains(&of))
        })
    };
    let mut needed = vec![("PaymentParked", String::new()), ("Refusals", String::new())];
    needed.extend([("Unknowns", String::new()), ("Failures", String::new())]);
    for (name, _) in of_type(template, "AWS::SQS::Queue") {
        needed.push(("ApproximateNumberOfMessagesVisible", format!("{name}.QueueName")));
    }
    for (name, _) in of_type(template, "AWS::DynamoDB::Table") {
        needed.push(("WriteThrottleEvents", name.to_owned()));
    }
    for (name, function) in functions(template) {
        if events(&function).iter().any(|(_, event)| event["Type"] == "DynamoDB") {
            needed.push(("IteratorAge", name.to_owned()));
        }
    }
    for (metric, of) in needed {
        if !watches(metric, &of) {
            complaints.push(format!("nobody hears of {metric} {of}"));
        }
    }
    complaints
}

/// Errors and throttles of each function have alarms, and lines of the dashboard.
pub(super) fn every_function_is_watched(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    let dashboards = of_type(template, "AWS::CloudWatch::Dashboard");
    for (name, _) in functions(template) {
        for metric in ["Errors", "Throttles"] {
            let alarmed = alarms.iter().any(|(_, alarm)| {
                let metrics = alarm["Properties"]["Metrics"].as_array().into_iter().flatten();
                metrics
                    .map(|m| &m["MetricStat"]["Metric"])
                    .any(|m| m["MetricName"] == metric && m["Dimensions"][0]["Value"] == name)
            });
            if !alarmed {
                complaints.push(format!("{metric} of {name} are no alarm"));
            }
            let line = format!(r#"["AWS/Lambda","{metric}","FunctionName","${{{name}}}"]"#);
            let shown =
                dashboards.iter().any(|(_, dashboard)| dashboard_body(dashboard).contains(&line));
            if !shown {
                complaints.push(format!("{metric} of {name} are not on the dashboard"));
            }
        }
    }
    complaints
}

/// Every alarm and every line of the dashboard uses a
/// metric that is emitted, by resources that exist.
pub(super) fn metrics_are_known(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    if variables["METRICS_NAMESPACE"] != NAMESPACE {
        complaints.push("functions count where no alarm looks".to_owned());
    }
    let unknown = |of: &str, metric: &Value| {
        let known = metric.as_str().is_some_and(|metric| is_counted(template, metric));
        (!known).then(|| format!("{of}: nobody counts {metric}"))
    };
    for (name, alarm) in of_type(template, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let metrics = properties["Metrics"].as_array().into_iter().flatten();
        for metric in metrics.map(|m| &m["MetricStat"]["Metric"]).chain([properties]) {
            match metric["Namespace"].as_str() {
                Some(NAMESPACE) => complaints.extend(unknown(name, &metric["MetricName"])),
                Some(of) if !of.starts_with("AWS/") => {
                    complaints.push(format!("{name}: nobody counts in {of}"));
                }
                _ => {}
            }
        }
    }
    let filled = Regex::new(r"\$\{([A-Za-z]+)[.}]").expect("a pattern");
    for (name, dashboard) in of_type(template, "AWS::CloudWatch::Dashboard") {
        let body = dashboard_body(dashboard);
        let read: Value = serde_json::from_str(&body).unwrap_or_default();
        let widgets = read["widgets"].as_array().cloned().unwrap_or_default();
        for line in widgets.iter().flat_map(|w| w["properties"]["metrics"].as_array().cloned()) {
            for line in line.iter().filter(|line| line[0] == NAMESPACE) {
                complaints.extend(unknown(name, &line[1]));
            }
        }
        for filled in filled.captures_iter(&body).map(|found| found[1].to_owned()) {
            if resources(template).get(&filled).is_none() {
                complaints.push(format!("{name}: there is no {filled}"));
            }
        }
        if widgets.is_empty() {
            complaints.push(format!("{name} is not a dashboard"));
        }
    }
    complaints
}
