//! Checks of the address: the domain, and what pages of other origins may read.

use serde_json::{Value, json};

use super::reading::{Complaints, functions, of_type};
use crate::support::{PRODUCT, Stack};

/// With a domain, the stack has its record and only its address: in variables, outputs, and at the
/// gateway.
pub(super) fn a_domain_is_the_address(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, api) in of_type(template, "AWS::Serverless::HttpApi") {
        if api["Properties"]["DisableExecuteApiEndpoint"] != json!(["HidesApi", true, false]) {
            complaints.push(format!("{name} has a second address beside the domain"));
        }
    }
    for (name, function) in functions(template) {
        let url = &function["Environment"]["Variables"]["PUBLIC_URL"];
        let own = json!(["HasDomain", "https://${DomainName}", "PublicUrl"]);
        if !url.is_null() && *url != own {
            complaints.push(format!("{name}: customers are sent to another address"));
        }
    }
    for (output, path) in [("ApiUrl", ""), ("WebhookUrl", "/v1/stripe/webhook")] {
        let Some(address) = template["Outputs"].get(output).map(|output| &output["Value"]) else {
            continue;
        };
        let with = format!("https://${{DomainName}}{path}");
        if address[0] != "HasDomain" || address[1] != with {
            complaints.push(format!("{output} is an address that is off"));
        }
    }
    let parts = ["AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping"];
    for (part, condition) in parts
        .map(|part| (part, "HasDomain"))
        .into_iter()
        .chain([("AWS::Route53::RecordSet", "HasHostedZone")])
    {
        let of = of_type(template, part);
        if of.len() != 1 || of[0].1["Condition"] != condition {
            complaints.push(format!("a domain needs one {part}, if there is one"));
        }
    }
    complaints
}

/// What the gateway answers to preflights, of the template.
fn cors(template: &Value) -> Value {
    let (_, api) = of_type(template, "AWS::Serverless::HttpApi")[0];
    api["Properties"]["CorsConfiguration"].clone()
}

/// Pages of the origins in the list can read the gateway's own answers, and no others; never with
/// cookies.
pub(super) fn pages_read_the_gateways_answers(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let cors = cors(template);
    if cors[0] != "HasOrigins" || cors[1]["AllowOrigins"] != json!([",", "AllowedOrigins"]) {
        complaints.push("the gateway's answers are not for the listed origins".to_owned());
    }
    if cors[1].get("AllowCredentials").is_some() {
        complaints.push("a page of another origin sends the cookie".to_owned());
    }
    complaints
}

/// The gateway replaces the functions' headers with its own, which must say the same.
#[tokio::test]
async fn the_gateway_answers_preflights_as_the_functions_do() {
    let template = local::template::Template::load();
    let cors = cors(template.value());
    let stack = Stack::noon().await;
    let asked = [("origin", PRODUCT), ("access-control-request-method", "GET")];
    let may = stack.ask("OPTIONS", "/v1/me/balance", &asked).await;
    let list = |field: &str| {
        let items = cors[1][field].as_array().expect("a list").iter();
        items.map(|item| item.as_str().expect("a text")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(may.headers["access-control-allow-methods"], list("AllowMethods").as_str());
    assert_eq!(may.headers["access-control-allow-headers"], list("AllowHeaders").as_str());
    assert_eq!(may.headers["access-control-expose-headers"], list("ExposeHeaders").as_str());
    let max_age_s = cors[1]["MaxAge"].to_string();
    assert_eq!(may.headers["access-control-max-age"], max_age_s.as_str());
}
