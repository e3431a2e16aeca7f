//! Mistakes in the door for service keys.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};
use crate::deploy::template::CONDITIONS;

const CHECK: &str = "keys have a door of their own";

pub(super) const MISTAKES: &[Mistake] = &[
    (
        CHECK,
        "POST /v1/accounts/{account}/grants is at the door, and no scope allows it",
        "ServiceDebitRoute/Properties/RouteKey",
        || json!("POST /v1/accounts/{account}/grants"),
    ),
    (CHECK, "/quotes is not at the door", "ServiceQuoteRoute", NOTHING),
    (CHECK, "is answered by", "ServiceQuoteRoute/Properties/Target", || {
        json!("integrations/${ServiceBalanceIntegration}")
    }),
    (CHECK, "is answered by", "ServiceDebitIntegration/Properties/IntegrationUri", || {
        json!("Debit.Arn")
    }),
    (CHECK, "ServiceHoldRoute is no part", "ServiceHoldRoute/Condition", NOTHING),
    (CHECK, "ServiceHoldRoute is no part", "ServiceHoldRoute/Properties/ApiId", || json!("Api")),
    (CHECK, "more than the gateway", "ServiceDebitPermission/Properties/Principal", || json!("*")),
    (CHECK, "no part", "ServiceDebitPermission/Properties/SourceArn", NOTHING),
    (CHECK, "may not call Balance", "ServiceBalancePermission", NOTHING),
    (
        CHECK,
        "Debit: it should know",
        "Debit/Properties/Environment/Variables/SERVICE_KEYS_ARN",
        NOTHING,
    ),
    (
        CHECK,
        "Page: it should know",
        "Page/Properties/Environment/Variables/SERVICE_KEYS_ARN",
        || json!("ServiceSecret"),
    ),
    (CHECK, "is lost when the door is shut", "ServiceSecret/Condition", || json!("HasServiceKeys")),
    (CHECK, "watches a door that is not there", "KeysOverAlarm/Condition", NOTHING),
    (CHECK, "did not ask", "/Parameters/ServiceKeys/Default", || json!("true")),
    (CHECK, "reach the aliases", "SettingsVersion/Properties/Content", || json!("template 1")),
    (CHECK, "customers are sent", "ServiceStage/Properties/StageVariables", NOTHING),
    ("routes are closed", "beside the routes", "ServiceHoldRoute/Properties/ApiId", || {
        json!("Api")
    }),
    ("routes are closed", "beside the routes", "ServiceDebitPermission/Condition", NOTHING),
    (
        "the gateway throttles",
        "ServiceStage: no ThrottlingRateLimit",
        "ServiceStage/Properties/DefaultRouteSettings/ThrottlingRateLimit",
        || json!(100_000),
    ),
    (
        "the gateway throttles",
        "ServiceStage: the limits of another door",
        "ServiceStage/Properties/DefaultRouteSettings/ThrottlingBurstLimit",
        || json!("RequestsBurst"),
    ),
    (
        "access logs say no secret",
        "ServiceStage: the log says $context.authorizer",
        "ServiceStage/Properties/AccessLogSettings/Format",
        || json!(r#"{"key":"$context.authorizer.key"}"#),
    ),
    (
        "access logs say no secret",
        "ServiceStage: requests are not logged",
        "ServiceStage/Properties/AccessLogSettings",
        NOTHING,
    ),
    (
        "callers are told apart",
        "KeyAccess allows",
        "KeyAccess/Properties/PolicyDocument/Statement/1/Condition",
        NOTHING,
    ),
    (CONDITIONS, "ServiceHoldRoute refers to ServiceApi", "ServiceHoldRoute/Condition", NOTHING),
    (CONDITIONS, "Debit refers to ServiceApi", "Debit/Properties/Description", || {
        json!("ServiceApi")
    }),
];
