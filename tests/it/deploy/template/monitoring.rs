//! Checks of monitoring: alarms and the dashboard.

use regex::Regex;
use serde_json::{Value, json};
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

/// What counts its ends, and must have one within a time, in hours; reconcile only if there is one,
/// and the relay only if there is work.
const HEARTBEATS: [(&str, u64); 4] = [
    ("SweepsFinished", 26),
    ("ReconcilesFinished", 1),
    ("AuditsFinished", 30),
    ("RelayBatches", 1),
];

/// Every alarm says what it means and goes to the topic, when it starts and when it is over;
/// somebody can subscribe; every critical metric has an alarm.
pub(super) fn alarms_are_heard(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    let topic = json!(["OwnsAlarmTopic", "AlarmTopic", "AlarmTopicArn"]);
    for (name, alarm) in &alarms {
        if alarm["Properties"]["AlarmActions"] != json!([topic]) {
            complaints.push(format!("{name} is heard by nobody"));
        }
        if alarm["Properties"]["OKActions"] != json!([topic]) {
            complaints.push(format!("{name} does not say when it is over"));
        }
        if alarm["Properties"]["AlarmDescription"].as_str().is_none_or(|text| text.len() < 50) {
            complaints.push(format!("{name} does not say what to do"));
        }
    }
    let subscribed = of_type(template, "AWS::SNS::Subscription").into_iter().any(|(_, to)| {
        to["Properties"]["TopicArn"] == topic && to["Properties"]["Endpoint"] == "AlarmEmail"
    });
    if !subscribed {
        complaints.push("AlarmEmail gets no alarms".to_owned());
    }
    let watches = |metric: &str, of: &str| {
        alarms.iter().any(|(_, alarm)| {
            let mut found = Vec::new();
            texts(alarm, &mut found);
            found.contains(&metric) && (of.is_empty() || found.contains(&of))
        })
    };
    let mut needed = vec![("PaymentParked", String::new()), ("Refusals", String::new())];
    if resources(template).contains_key("Reconcile") {
        needed.extend([("PaymentsParked", String::new()), ("WebhookMissed", String::new())]);
    }
    if resources(template).contains_key("ServiceApi") {
        needed.push(("KeysOver", String::new()));
    }
    needed.extend([("Unknowns", String::new()), ("Failures", String::new())]);
    for (name, queue) in of_type(template, "AWS::SQS::Queue") {
        needed.push(("ApproximateNumberOfMessagesVisible", format!("{name}.QueueName")));
        // It sets its own period: a dead-letter queue, whose messages are deleted after that.
        if queue["Properties"].get("MessageRetentionPeriod").is_some() {
            needed.push(("ApproximateAgeOfOldestMessage", format!("{name}.QueueName")));
        }
    }
    for (name, _) in of_type(template, "AWS::DynamoDB::Table") {
        needed.push(("WriteThrottleEvents", format!("{name}TableName.Value")));
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

/// What must run by itself is missed when it does not: an alarm takes no data for a breach.
pub(super) fn absence_is_heard(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    for (metric, hours) in HEARTBEATS {
        if metric == "ReconcilesFinished" && !resources(template).contains_key("Reconcile") {
            continue;
        }
        let heard = alarms.iter().map(|(_, alarm)| &alarm["Properties"]).any(|alarm| {
            let metrics = alarm["Metrics"].as_array().into_iter().flatten();
            let metrics: Vec<&Value> = metrics.map(|metric| &metric["MetricStat"]).collect();
            let named = |name: &str| {
                metrics.iter().find(|stat| stat["Metric"]["MetricName"] == *name).copied()
            };
            let period_s = named(metric).and_then(|stat| stat["Period"].as_u64()).unwrap_or(0);
            let within_s = period_s * alarm["EvaluationPeriods"].as_u64().unwrap_or(0);
            let absent = alarm["ComparisonOperator"] == "LessThanThreshold"
                && alarm["TreatMissingData"] == "breaching";
            (1..=3600 * hours).contains(&within_s) && (absent || named("Debits").is_some())
        });
        if !heard {
            complaints.push(format!("nobody misses {metric}"));
        }
    }
    complaints
}

/// Metrics arrive minutes late, and an expression fills what is not there yet: an alarm that looks
/// at the newest period alone would never go off.
pub(super) fn late_metrics_are_seen(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, alarm) in of_type(template, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let mut found = Vec::new();
        texts(properties, &mut found);
        let is_filled = found.iter().any(|text| text.contains("FILL("));
        let periods = properties["Metrics"].as_array().into_iter().flatten();
        let longest_s = periods.filter_map(|m| m["MetricStat"]["Period"].as_u64()).max();
        let needed = properties["DatapointsToAlarm"].as_u64();
        let is_patient = needed < properties["EvaluationPeriods"].as_u64() && needed.is_some();
        if is_filled && longest_s.is_some_and(|s| s <= 300) && !is_patient {
            complaints.push(format!("{name}: a late metric is taken for none"));
        }
    }
    complaints
}

/// Errors and throttles of each function have alarms, and lines of the dashboard, which also shows
/// what runs by itself and how long starts take.
pub(super) fn every_function_is_watched(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let mut shown = Vec::new();
    for (_, dashboard) in of_type(template, "AWS::CloudWatch::Dashboard") {
        texts(dashboard, &mut shown);
    }
    let mut needed = vec!["SweepsFinished", "AuditsFinished", "AuditDifference", "initDurationMs"];
    if resources(template).contains_key("Reconcile") {
        needed.push("WebhookMissed");
    }
    for what in needed {
        if !shown.iter().any(|shown| shown.contains(what)) {
            complaints.push(format!("{what} is not on the dashboard"));
        }
    }
    let alarms = of_type(template, "AWS::CloudWatch::Alarm");
    let dashboards = of_type(template, "AWS::CloudWatch::Dashboard");
    for (name, _) in functions(template) {
        for metric in ["Errors", "Throttles"] {
            let alarmed = alarms.iter().any(|(_, alarm)| {
                let metrics = alarm["Properties"]["Metrics"].as_array().into_iter().flatten();
                metrics.map(|m| &m["MetricStat"]["Metric"]).any(|m| {
                    // All its versions: one alone is another alarm's.
                    let all = json!([{ "Name": "FunctionName", "Value": name }]);
                    m["MetricName"] == metric && m["Dimensions"] == all
                })
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
