//! Each mistake in a changed template is found by its check, which names the place.

use std::collections::BTreeSet;

use local::template::Template;
use serde_json::{Value, json};

use super::CHECKS;

/// A mistake: the check that must find it, a part of its complaint, the place, and the change. Null
/// removes the value at the place.
type Mistake = (&'static str, &'static str, &'static str, fn() -> Value);

const NOTHING: fn() -> Value = || Value::Null;

/// The mistakes, by check.
const MISTAKES: &[Mistake] = &[
    // Routes.
    (
        "routes are closed",
        "debits is open",
        "Debit/Properties/Events/Debit/Properties/Auth",
        || json!({ "Authorizer": "NONE" }),
    ),
    (
        "routes are closed",
        "is closed to who",
        "Webhook/Properties/Events/Webhook/Properties/Auth",
        NOTHING,
    ),
    ("routes are closed", "not closed by itself", "Api/Properties/Auth/DefaultAuthorizer", NOTHING),
    (
        "routes are closed",
        "not closed by itself",
        "Api/Properties/Auth/EnableIamAuthorizer",
        || json!(false),
    ),
    (
        "routes are closed",
        "address of its own",
        "Debit/Properties/FunctionUrlConfig",
        || json!({ "AuthType": "NONE" }),
    ),
    (
        "routes are closed",
        "beside the routes",
        "Anyone",
        || json!({ "Type": "AWS::Lambda::Permission", "Properties": { "Principal": "*" } }),
    ),
    (
        "routes are the contract's",
        "not in the contract",
        "Debit/Properties/Events/Debit/Properties/Path",
        || json!("/v1/accounts/{account}/spend"),
    ),
    (
        "routes are the contract's",
        "only in the contract",
        "AccountsFunction/Properties/Events/Waive",
        NOTHING,
    ),
    (
        "callers are told apart",
        "is allowed by []",
        "OperatorAccess/Properties/PolicyDocument/Statement/0/Resource/1",
        || json!("arn:aws:execute-api:r:a:Api/$default/POST/v1/accounts/*/nothing"),
    ),
    (
        "callers are told apart",
        "[\"ServiceAccess\", \"OperatorAccess\"]",
        "ServiceAccess/Properties/PolicyDocument/Statement/1/Resource/0",
        || json!("arn:aws:execute-api:r:a:Api/$default/POST/v1/accounts/*"),
    ),
    // Permissions.
    (
        "permissions are narrow",
        "dynamodb:* is more",
        "Debit/Properties/Policies/0/Statement/0/Action/0",
        || json!("dynamodb:*"),
    ),
    (
        "permissions are narrow",
        "more than one resource",
        "Debit/Properties/Policies/0/Statement/0/Resource",
        || json!("*"),
    ),
    (
        "permissions are narrow",
        "more than one resource",
        "Relay/Properties/Policies/0/Statement/1/Resource",
        || json!("arn:aws:events:eu-west-1:123456789012:event-bus/*"),
    ),
    ("permissions are narrow", "not written here", "Relay/Properties/Policies/0", || {
        json!("AmazonDynamoDBFullAccess")
    }),
    ("permissions are narrow", "no list", "Relay/Properties/Policies", || {
        json!("AdministratorAccess")
    }),
    (
        "permissions are narrow",
        "actions that are not listed",
        "Debit/Properties/Policies/0/Statement/0",
        || json!({ "Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "Accounts.Arn" }),
    ),
    (
        "permissions are narrow",
        "more than one resource",
        "OperatorAccess/Properties/PolicyDocument/Statement/0/Resource/0",
        || json!("arn:aws:execute-api:r:a:Api/$default/*"),
    ),
    // Secrets.
    ("no secret is written", "whsec_51", "Webhook/Properties/Environment/Variables/STRIPE", || {
        json!("whsec_51HqLyjWDarjtT1zdp7dc")
    }),
    ("no secret is written", "sk_live_", "Checkout/Properties/Description", || {
        json!("uses sk_live_4eC39HqLyjWDarjtT1zdp7dc")
    }),
    ("no secret is written", "AKIA", "Debit/Properties/Description", || {
        json!("AKIAIOSFODNN7EXAMPLE")
    }),
    ("no secret is written", "a secret is written", "SessionKeys/Properties/SecretString", || {
        json!(r#"{"id":"1","key":"q8Zr2Lw0Vn5Tb7Yc1Xm4Kd9Hf3Jg6Ps8"}"#)
    }),
    (
        "no secret is written",
        "in the environment",
        "Checkout/Properties/Environment/Variables/STRIPE_KEY",
        || json!("StripeKey"),
    ),
    (
        "no secret is written",
        "is a secret itself",
        "/Parameters/StripeKeyArn",
        || json!({ "Type": "String", "NoEcho": true }),
    ),
    // Limits.
    (
        "the gateway throttles",
        "ThrottlingRateLimit",
        "Api/Properties/DefaultRouteSettings/ThrottlingRateLimit",
        NOTHING,
    ),
    (
        "the gateway throttles",
        "ThrottlingBurstLimit",
        "Api/Properties/DefaultRouteSettings",
        NOTHING,
    ),
    // Stored data.
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
    // Logs.
    ("logs end", "DebitLogs is not kept", "DebitLogs/Properties/RetentionInDays", NOTHING),
    ("logs end", "Relay: a log that Lambda makes", "Relay/Properties/LoggingConfig", NOTHING),
    ("logs end", "not JSON", "/Globals/Function/LoggingConfig/LogFormat", || json!("Text")),
    ("logs end", "not traced", "/Globals/Function/Tracing", NOTHING),
    ("access logs say no secret", "not logged", "Api/Properties/AccessLogSettings", NOTHING),
    (
        "access logs say no secret",
        "says $context.path",
        "Api/Properties/AccessLogSettings/Format",
        || json!(r#"{"path":"$context.path?$request.querystring"}"#),
    ),
    // Failures.
    (
        "failures go somewhere",
        "Relay, Pages: what fails is lost",
        "Relay/Properties/Events/Pages/Properties/DestinationConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "records are given up long before their stream forgets them, or not before",
        "Relay/Properties/Events/Pages/Properties/MaximumRetryAttempts",
        || json!(20),
    ),
    (
        "failures go somewhere",
        "takes its batch along",
        "Relay/Properties/Events/Entries/Properties/FunctionResponseTypes",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "Recharge, Monday",
        "Recharge/Properties/Events/Monday/Properties/DeadLetterConfig",
        NOTHING,
    ),
    ("failures go somewhere", "Recharge, Part", "Sweep/Properties/RedrivePolicy", NOTHING),
    ("failures go somewhere", "comes again while", "Sweep/Properties/VisibilityTimeout", || {
        json!(300)
    }),
    (
        "failures go somewhere",
        "Reconcile, Every15Minutes",
        "Reconcile/Properties/EventInvokeConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "Debit: nothing is known",
        "Debit/Properties/EventInvokeConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "forgets sooner",
        "DeadLetters/Properties/MessageRetentionPeriod",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "nothing is known of events of S3",
        "Relay/Properties/Events/Pages/Type",
        || json!("S3"),
    ),
    (
        "what goes on may go on",
        "Audit is ended after 16 parts",
        "Audit/Properties/RecursiveLoop",
        NOTHING,
    ),
    ("stages share an account", "Bus: Name", "Bus/Properties/Name", || json!("scrip")),
    (
        "stages share an account",
        "Monday is the same name",
        "Recharge/Properties/Events/Monday/Properties/OmitName",
        NOTHING,
    ),
    // Alarms.
    (
        "alarms are heard",
        "StreamLags is heard by nobody",
        "StreamLags/Properties/AlarmActions",
        NOTHING,
    ),
    ("alarms are heard", "does not say", "StreamLags/Properties/AlarmDescription", || {
        json!("Lag.")
    }),
    ("alarms are heard", "DeadLetters.QueueName", "DeadLettersThere", NOTHING),
    ("alarms are heard", "PaymentParked", "PaymentParkedAlarm", NOTHING),
    ("alarms are heard", "IteratorAge Relay", "StreamLags", NOTHING),
    (
        "every function is watched",
        "Errors of Debit are no alarm",
        "FunctionsFail/Properties/Metrics/1",
        NOTHING,
    ),
    ("every function is watched", "Throttles of Debit are no alarm", "FunctionsThrottled", NOTHING),
    ("every function is watched", "on the dashboard", "Dashboard", NOTHING),
    (
        "metrics are known",
        "nobody counts \"Debitss\"",
        "Refused/Properties/Metrics/3/MetricStat/Metric/MetricName",
        || json!("Debitss"),
    ),
    ("metrics are known", "nobody counts in Scrip", "OutcomesUnknown/Properties/Namespace", || {
        json!("Scrip")
    }),
    (
        "metrics are known",
        "functions count where no alarm looks",
        "/Globals/Function/Environment/Variables/METRICS_NAMESPACE",
        NOTHING,
    ),
    ("metrics are known", "not a dashboard", "Dashboard/Properties/DashboardBody", || json!("{")),
];

#[test]
fn every_mistake_is_found() {
    let template = Template::load();
    for (check, said, place, value) in MISTAKES {
        let mut changed = template.value().clone();
        change(&mut changed, place, value());
        let complaints = find(check)(&changed);
        assert!(
            complaints.iter().any(|complaint| complaint.contains(said)),
            "{check}, {place}: {complaints:?}"
        );
    }
}

#[test]
fn every_check_has_a_mistake() {
    let tried: BTreeSet<&str> = MISTAKES.iter().map(|(check, ..)| *check).collect();
    assert_eq!(tried, CHECKS.iter().map(|(name, _)| *name).collect());
}

fn find(name: &str) -> super::Check {
    CHECKS.iter().find(|(check, _)| *check == name).expect("a check").1
}

/// Sets `value` at a place of the template: a path below the resources, or one from the root.
fn change(template: &mut Value, place: &str, value: Value) {
    let place = match place.strip_prefix('/') {
        Some(_) => place.to_owned(),
        None => format!("/Resources/{place}"),
    };
    let (parent, name) = place.rsplit_once('/').expect("a path");
    let parent = template.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            assert!(fields.remove(name).is_some(), "{place} is not there");
        }
        (Value::Object(fields), value) => {
            fields.insert(name.to_owned(), value);
        }
        (Value::Array(items), value) => items[name.parse::<usize>().expect("a place")] = value,
        (other, _) => panic!("{place} is within {other}"),
    }
}
