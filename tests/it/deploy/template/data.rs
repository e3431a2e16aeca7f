//! Checks of stored data: tables, logs, queues and their settings.

use serde_json::{Value, json};

use super::reading::{Complaints, events, functions, of_type, resources};

/// The fields of a request that the gateway may log. Neither the query, which has the token of a
/// link, nor a header; and no text of an error, in which a quote would end the JSON.
const LOGGED: &[&str] = &[
    "$context.requestId",
    "$context.requestTimeEpoch",
    "$context.routeKey",
    "$context.status",
    "$context.responseLength",
    "$context.responseLatency",
    "$context.identity.userArn",
    "$context.identity.sourceIp",
    "$context.integrationLatency",
    "$context.integration.integrationStatus",
    "$context.error.responseType",
    "$context.path",
];

/// No table is lost: not with the stack, not by a replacement, not by a mistake, and none has a
/// fixed capacity.
pub(super) fn tables_are_kept(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let mut ask = |name: &str, holds: bool, kind: &str| {
        if !holds {
            complaints.push(format!("{name}: {kind}"));
        }
    };
    for (name, table) in of_type(template, "AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        let recovery = &properties["PointInTimeRecoverySpecification"];
        ask(name, table["DeletionPolicy"] == "Retain", "goes with its stack");
        ask(name, table["UpdateReplacePolicy"] == "Retain", "goes when it is replaced");
        ask(name, properties["DeletionProtectionEnabled"] == true, "can be deleted");
        ask(name, recovery["PointInTimeRecoveryEnabled"] == true, "cannot be restored");
        ask(name, properties["BillingMode"] == "PAY_PER_REQUEST", "has a capacity to run out of");
    }
    complaints
}

/// Tables and queues are encrypted at rest; log groups and secrets always are.
pub(super) fn what_is_stored_is_encrypted(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, table) in of_type(template, "AWS::DynamoDB::Table") {
        if table["Properties"]["SSESpecification"]["SSEEnabled"] != true {
            complaints.push(format!("{name} is not encrypted by a key of this AWS account"));
        }
    }
    for (name, queue) in of_type(template, "AWS::SQS::Queue") {
        if queue["Properties"]["SqsManagedSseEnabled"] != true {
            complaints.push(format!("{name} is not encrypted"));
        }
    }
    complaints
}

/// Each queue refuses requests without TLS, and its policy says nothing else.
pub(super) fn queues_are_over_tls(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let policies = of_type(template, "AWS::SQS::QueuePolicy");
    for (name, _) in of_type(template, "AWS::SQS::Queue") {
        let denied = json!([{
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": format!("{name}.Arn"),
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }]);
        let denies = policies.iter().map(|(_, policy)| &policy["Properties"]).any(|policy| {
            policy["Queues"] == json!([name]) && policy["PolicyDocument"]["Statement"] == denied
        });
        if !denies {
            complaints.push(format!("{name} takes messages in plain text"));
        }
    }
    if policies.len() > of_type(template, "AWS::SQS::Queue").len() {
        complaints.push("a queue has more than one policy".to_owned());
    }
    complaints
}

/// The events of a bus can be sent again for 14 days.
pub(super) fn events_are_archived(template: &Value) -> Complaints {
    let archives = of_type(template, "AWS::Events::Archive");
    let mut buses = of_type(template, "AWS::Events::EventBus");
    buses.retain(|(bus, _)| {
        !archives.iter().map(|(_, archive)| &archive["Properties"]).any(|archive| {
            archive["SourceArn"] == format!("{bus}.Arn")
                && archive["RetentionDays"] == 14
                && archive.get("EventPattern").is_none()
        })
    });
    buses.iter().map(|(bus, _)| format!("{bus}: a missed event is lost")).collect()
}

/// Every function logs JSON to a group that is kept for the time of the parameter, even when the
/// stack is deleted, and is traced.
pub(super) fn logs_end(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, group) in of_type(template, "AWS::Logs::LogGroup") {
        if group["Properties"]["RetentionInDays"] != "LogRetentionDays" {
            complaints.push(format!("{name} is not kept for LogRetentionDays"));
        }
        // It has a name, which a create that failed must leave free.
        if group["DeletionPolicy"] != "RetainExceptOnCreate"
            || group["UpdateReplacePolicy"] != "Retain"
        {
            complaints.push(format!("{name} goes with its stack"));
        }
    }
    for (name, function) in functions(template) {
        let group = function["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default();
        if resources(template).get(group).is_none_or(|g| g["Type"] != "AWS::Logs::LogGroup") {
            complaints.push(format!("{name}: a log that Lambda makes, and keeps for ever"));
        }
        if function["LoggingConfig"]["LogFormat"] != "JSON" {
            complaints.push(format!("{name}: a log that is not JSON"));
        }
        if function["Tracing"] != "Active" {
            complaints.push(format!("{name} is not traced"));
        }
    }
    complaints
}

/// Chosen names contain the stack's name, so that a second stack of the same AWS account and region
/// can have its own.
pub(super) fn stages_share_an_account(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let named = ["Name", "TableName", "QueueName", "FunctionName", "LogGroupName", "PolicyName"];
    let named = named.into_iter().chain(["ManagedPolicyName", "RoleName", "DashboardName"]);
    let named: Vec<&str> = named.chain(["AlarmName", "TopicName", "StageName"]).collect();
    for (resource, described) in resources(template) {
        // A filter names the group that it reads, a record the domain of the parameter, a stage its
        // place in an API, and a permission the function that may be called.
        let properties = match described["Type"].as_str() {
            Some(
                "AWS::Logs::MetricFilter"
                | "AWS::Route53::RecordSet"
                | "AWS::ApiGatewayV2::Stage"
                | "AWS::Lambda::Permission",
            ) => continue,
            _ => described["Properties"].as_object().into_iter().flatten(),
        };
        for (property, name) in properties.filter(|(property, _)| named.contains(&&***property)) {
            if name.as_str().is_none_or(|name| !name.contains("${AWS::StackName}")) {
                complaints.push(format!("{resource}: {property} is {name} in every stack"));
            }
        }
    }
    for (function, properties) in functions(template) {
        for (event, described) in events(&properties) {
            // SAM names a schedule after the function and the event.
            let schedule = described["Type"] == "ScheduleV2";
            if schedule && described["Properties"]["OmitName"] != true {
                complaints.push(format!("{function}: {event} is the same name in every stack"));
            }
        }
    }
    complaints
}

/// The gateway logs every request as JSON, with only the fields listed above.
pub(super) fn access_logs_say_no_secret(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let doors = ["AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Stage"];
    for (name, door) in doors.into_iter().flat_map(|kind| of_type(template, kind)) {
        let settings = &door["Properties"]["AccessLogSettings"];
        let group = settings["DestinationArn"].as_str().and_then(|arn| arn.strip_suffix(".Arn"));
        let group = group.and_then(|group| resources(template).get(group));
        if group.is_none_or(|group| group["Type"] != "AWS::Logs::LogGroup") {
            complaints.push(format!("{name}: requests are not logged"));
        }
        let format = settings["Format"].as_str().unwrap_or_default();
        if !serde_json::from_str(format).is_ok_and(|line: Value| line.is_object()) {
            complaints.push(format!("{name}: the log of requests is not JSON: {format}"));
        }
        for said in format.split('"').filter(|part| part.contains('$')) {
            if !LOGGED.contains(&said) {
                complaints.push(format!("{name}: the log says {said}"));
            }
        }
    }
    complaints
}
