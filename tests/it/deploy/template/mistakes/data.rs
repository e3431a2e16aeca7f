//! Mistakes in stored data and logs.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "tables are kept",
        "Accounts: can be deleted",
        "Accounts/Properties/DeletionProtectionEnabled",
        || json!(false),
    ),
    ("tables are kept", "Ledger: goes with", "Ledger/DeletionPolicy", NOTHING),
    ("tables are kept", "Ledger: goes when", "Ledger/UpdateReplacePolicy", || json!("Delete")),
    (
        "tables are kept",
        "cannot be restored",
        "Accounts/Properties/PointInTimeRecoverySpecification",
        NOTHING,
    ),
    ("tables are kept", "to run out of", "Accounts/Properties/BillingMode", || {
        json!("PROVISIONED")
    }),
    ("what is stored is encrypted", "Ledger", "Ledger/Properties/SSESpecification", NOTHING),
    ("what is stored is encrypted", "Sweep", "Sweep/Properties/SqsManagedSseEnabled", || {
        json!(false)
    }),
    ("queues are over TLS", "Sweep takes messages", "SweepPolicy", NOTHING),
    (
        "queues are over TLS",
        "RelayDeadLetters takes messages",
        "RelayDeadLettersPolicy/Properties/PolicyDocument/Statement/0/Effect",
        || json!("Allow"),
    ),
    (
        "queues are over TLS",
        "more than one policy",
        "Another",
        || json!({ "Type": "AWS::SQS::QueuePolicy" }),
    ),
    ("logs end", "PageLogs goes with", "PageLogs/DeletionPolicy", || json!("Delete")),
    ("logs end", "DebitLogs is not kept", "DebitLogs/Properties/RetentionInDays", NOTHING),
    ("logs end", "Relay: a log that Lambda makes", "Relay/Properties/LoggingConfig", NOTHING),
    ("logs end", "not JSON", "/Globals/Function/LoggingConfig/LogFormat", || json!("Text")),
    ("logs end", "not traced", "/Globals/Function/Tracing", NOTHING),
    ("events are archived", "Bus: a missed event", "BusArchive/Properties/RetentionDays", || {
        json!(1)
    }),
    (
        "access logs say no secret",
        "says $context.error.message",
        "Api/Properties/AccessLogSettings/Format",
        || json!(r#"{"error":"$context.error.message"}"#),
    ),
    ("access logs say no secret", "not logged", "Api/Properties/AccessLogSettings", NOTHING),
    (
        "access logs say no secret",
        "says $context.path?",
        "Api/Properties/AccessLogSettings/Format",
        || json!(r#"{"path":"$context.path?$request.querystring"}"#),
    ),
];
