//! Mistakes in a stack without Stripe.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};
use crate::deploy::template::CONDITIONS;

pub(super) const MISTAKES: &[Mistake] = &[
    (
        CONDITIONS,
        "FunctionsFail refers to Webhook",
        "FunctionsFail/Properties/Metrics/5",
        || json!({ "MetricStat": { "Metric": { "Dimensions": [{ "Value": "Webhook" }] } } }),
    ),
    (
        CONDITIONS,
        "Dashboard refers to Checkout",
        "Dashboard/Properties/DashboardBody/1/StripeErrors",
        || json!("${Checkout}"),
    ),
    (CONDITIONS, "WebhookVersionFails refers to Webhook", "WebhookVersionFails/Condition", NOTHING),
    (CONDITIONS, "DomainMapping refers to Domain", "DomainMapping/Condition", NOTHING),
    (CONDITIONS, "Hook refers to Webhook", "/Outputs/Hook", || json!({ "Value": "Webhook.Arn" })),
    (CONDITIONS, "no condition", "Checkout/Condition", || json!("HasStripes")),
    (
        CONDITIONS,
        "POST /v1/stripe/webhook has settings",
        "Api/Properties/RouteSettings",
        || json!({ "POST /v1/stripe/webhook": { "ThrottlingRateLimit": 1 } }),
    ),
];
