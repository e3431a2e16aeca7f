//! Mistakes in limits.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
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
    (
        "the gateway throttles",
        "strangers are not limited on GET /v1/me/usage",
        "Api/Properties/RouteSettings/GET ~1v1~1me~1usage",
        NOTHING,
    ),
    (
        "the gateway throttles",
        "a limit of GET /nowhere",
        "Api/Properties/RouteSettings/GET ~1nowhere",
        || json!({}),
    ),
    (
        "queues take few instances",
        "Audit, Part: takes every",
        "Audit/Properties/Events/Part/Properties/ScalingConfig",
        NOTHING,
    ),
    ("queues take few instances", "more than 5", "/Parameters/QueueConcurrency/Default", || {
        json!(100)
    }),
    (
        "a new AWS account suffices",
        "Debit reserves",
        "/Parameters/DebitConcurrency/Default",
        || json!(100),
    ),
    (
        "a new AWS account suffices",
        "Page reserves",
        "Page/Properties/ReservedConcurrentExecutions",
        || json!(10),
    ),
    ("ARNs are full", "AlarmTopicArn takes", "/Parameters/AlarmTopicArn/AllowedPattern", NOTHING),
    ("ARNs are full", "StripeKeyArn takes", "/Parameters/StripeKeyArn/AllowedPattern", || {
        json!("arn:aws[a-z-]*:secretsmanager:.+")
    }),
];
