//! Mistakes in the address.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "a domain is the address",
        "a second address",
        "Api/Properties/DisableExecuteApiEndpoint",
        NOTHING,
    ),
    (
        "a domain is the address",
        "Page: customers are sent",
        "Page/Properties/Environment/Variables/PUBLIC_URL",
        || json!("PublicUrl"),
    ),
    ("a domain is the address", "WebhookUrl is an", "/Outputs/WebhookUrl/Value", || json!("x")),
    ("a domain is the address", "needs one AWS::Route53", "DomainRecord", NOTHING),
    (
        "pages read the gateway's answers",
        "not for the listed",
        "Api/Properties/CorsConfiguration",
        || json!({ "AllowOrigins": ["*"] }),
    ),
    (
        "pages read the gateway's answers",
        "sends the cookie",
        "Api/Properties/CorsConfiguration/1/AllowCredentials",
        || json!(true),
    ),
];
