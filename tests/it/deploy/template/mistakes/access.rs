//! Mistakes in routes, permissions and secrets.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
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
    (
        "routes are closed",
        "GET /v1/me/balance: its refusals are counted as another caller's",
        "Page/Properties/Events/MyBalance/Properties/Auth",
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
];
