//! Mistakes in policies for callers, and in their roles.

use serde_json::{Value, json};

use super::mistake::{Mistake, NOTHING};
use crate::deploy::template::callers::API;

/// A resource of a policy.
fn route(pattern: &str) -> Value {
    json!(format!("{API}{pattern}"))
}

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "callers are told apart",
        "PUT /v1/accounts/{account} is allowed to nobody",
        "OperatorAccess/Properties/PolicyDocument/Statement/0/Resource/4",
        || route("PUT/v1/nothing"),
    ),
    (
        "callers are told apart",
        "| `POST /v1/accounts/{account}/grants` | yes | | | | yes |",
        "SpendAccess/Properties/PolicyDocument/Statement/1/Resource/0",
        || route("POST/v1/accounts/*"),
    ),
    (
        "callers are told apart",
        "| `lambda:InvokeFunction` | | | | | |",
        "SpendAccess/Properties/PolicyDocument/Statement/0",
        NOTHING,
    ),
    (
        "callers are told apart",
        "| `cloudformation:DescribeStacks` | | yes | yes | yes | |",
        "OperatorAccess/Properties/PolicyDocument/Statement/1",
        NOTHING,
    ),
    (
        "callers are told apart",
        "ReadAccess allows",
        "ReadAccess/Properties/PolicyDocument/Statement/0/Resource/0",
        || json!("arn:aws:execute-api:r:a:another/$default/GET/v1/accounts/*"),
    ),
    (
        "no id opens another route",
        "SpendAccess: POST /v1/accounts/{account}/freeze as /v1/accounts/x/debits",
        "SpendAccess/Properties/PolicyDocument/Statement/1/Resource/0",
        || route("POST/v1/accounts/*/debits*"),
    ),
    (
        "policies have names",
        "ReadAccess is not named",
        "ReadAccess/Properties/ManagedPolicyName",
        || json!("${AWS::StackName}-ReadAccess"),
    ),
    ("policies have names", "RefundAccess is no output", "/Outputs/RefundAccess", NOTHING),
    (
        "roles trust the accounts of the parameter",
        "SpendRole: others may assume it",
        "SpendRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal",
        || json!({ "AWS": "*" }),
    ),
    (
        "roles trust the accounts of the parameter",
        "ReadRole is there for nobody",
        "ReadRole/Condition",
        NOTHING,
    ),
    (
        "roles trust the accounts of the parameter",
        "OperatorRole has the policies [\"OperatorAccess\"]",
        "ReadRole/Properties/ManagedPolicyArns/0",
        || json!("OperatorAccess"),
    ),
    (
        "roles trust the accounts of the parameter",
        "SessionAccess has no role",
        "SessionRole",
        NOTHING,
    ),
    (
        "roles trust the accounts of the parameter",
        "RefundRole allows more",
        "RefundRole/Properties/Policies",
        || json!([]),
    ),
    (
        "roles trust the accounts of the parameter",
        "takes more than ids",
        "/Parameters/TrustedAccounts/AllowedPattern",
        || json!(".*"),
    ),
];
