//! Mistakes in the saved queries.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "questions are saved",
        "RequestQuery does not ask AccessLogs",
        "RequestQuery/Properties/LogGroupNames/0",
        || json!("DebitLogs"),
    ),
    (
        "questions are saved",
        "RequestQuery: no line has requestId",
        "RequestQuery/Properties/QueryString",
        || json!("fields @timestamp | filter requestId = \"REQUEST\""),
    ),
    (
        "questions are saved",
        "AccountQuery: no line has path",
        "Api/Properties/AccessLogSettings/Format",
        || json!(r#"{"request":"$context.requestId"}"#),
    ),
    (
        "questions are saved",
        "does not say what by chance is for",
        "RefusalQuery/Properties/Name",
        || json!("Scrip/${AWS::StackName}/by chance"),
    ),
    ("questions are saved", "is not saved", "RefusalQuery", NOTHING),
    ("stages share an account", "in every stack", "RefusalQuery/Properties/Name", || {
        json!("Scrip/by refusal")
    }),
];
