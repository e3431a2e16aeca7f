//! Checks of access: routes, permissions, secrets and limits.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use local::template::Template;
use regex::Regex;
use serde_json::Value;
use shared::http::routes::is_signed;

use super::callers::OWN_STACK;
use super::door;
use super::reading::{Complaints, events, functions, list, of_type, resources, texts};
use crate::support::{Stack, contract, request};

/// Routes for a browser, which has no IAM: its session names the account.
const SESSION: &[&str] = &[
    "GET /v1/me/balance",
    "OPTIONS /v1/me/balance",
    "GET /v1/me/ledger",
    "OPTIONS /v1/me/ledger",
    "GET /v1/me/usage",
    "OPTIONS /v1/me/usage",
    "GET /v1/me/catalog",
    "OPTIONS /v1/me/catalog",
    "GET /v1/me/limits",
    "OPTIONS /v1/me/limits",
    "PUT /v1/me/limits/{subject}",
    "OPTIONS /v1/me/limits/{subject}",
    "GET /v1/me/auto-top-up",
    "PUT /v1/me/auto-top-up",
    "DELETE /v1/me/auto-top-up",
    "OPTIONS /v1/me/auto-top-up",
    "GET /v1/me/packs",
    "OPTIONS /v1/me/packs",
    "GET /v1/me/checkouts",
    "POST /v1/me/checkouts",
    "OPTIONS /v1/me/checkouts",
    "GET /v1/me/checkouts",
    "GET /v1/me/checkouts/{id}",
    "OPTIONS /v1/me/checkouts/{id}",
    "GET /v1/me/subscriptions",
    "POST /v1/me/subscriptions",
    "OPTIONS /v1/me/subscriptions",
    "POST /v1/me/portal",
    "OPTIONS /v1/me/portal",
    "GET /v1/me/topup-plans",
    "POST /v1/me/topup-plans",
    "OPTIONS /v1/me/topup-plans",
];
/// Routes for anyone. The page and a statement show an account to its session, and a link belongs
/// to a session.
const PUBLIC: &[&str] = &[
    "GET /",
    "GET /statement",
    "GET /enter",
    "POST /enter",
    "POST /leave",
    "GET /scrip.js",
    "GET /scrip.json",
    "GET /assets/{hash}/{file}",
    "GET /brand/{file}",
];
/// The route with Stripe's signature.
const STRIPE: &str = "POST /v1/stripe/webhook";

/// Other ways from outside to a function, or around the gateway's authorization.
const BACK_DOORS: &[&str] = &[
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Route",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Serverless::Api",
];

/// Actions that AWS cannot limit to a resource, with the reason. There are none so far.
const ANY_RESOURCE: &[(&str, &str)] = &[];

// A template has thousands of texts: the patterns are read once.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    let forms = r"whsec_\w+|[sr]k_(live|test)_\w+|A[KS]IA[A-Z0-9]{12,}|-----BEGIN \w+";
    Regex::new(forms).expect("a pattern")
});
static LONG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/=_-]{32,}").expect("a pattern"));

/// Each route of the template, and whether it is open: not protected by IAM.
fn routes(template: &Value) -> Vec<(String, bool)> {
    let mut routes = Vec::new();
    for (_, function) in functions(template) {
        for (_, event) in events(&function) {
            if event["Type"] == "HttpApi" {
                let properties = &event["Properties"];
                let [method, path] = ["Method", "Path"].map(|name| properties[name].as_str());
                let route =
                    format!("{} {}", method.unwrap_or("any"), path.unwrap_or("without a path"));
                let closed =
                    matches!(properties["Auth"]["Authorizer"].as_str(), None | Some("AWS_IAM"));
                routes.push((route, !closed));
            }
        }
    }
    routes
}

/// IAM protects every route that is not listed above.
pub(super) fn routes_are_closed(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, api) in of_type(template, "AWS::Serverless::HttpApi") {
        let auth = &api["Properties"]["Auth"];
        if auth["EnableIamAuthorizer"] != true || auth["DefaultAuthorizer"] != "AWS_IAM" {
            complaints.push(format!("{name}: a route is not closed by itself"));
        }
    }
    for (name, resource) in resources(template) {
        let known = door::is_of_the_door(name, resource);
        if !known && BACK_DOORS.iter().any(|door| resource["Type"] == *door) {
            complaints.push(format!("{name}: a way in beside the routes"));
        }
    }
    for (name, function) in functions(template) {
        if function.get("FunctionUrlConfig").is_some() {
            complaints.push(format!("{name}: an address of its own, beside the routes"));
        }
    }
    let listed =
        |route: &str| SESSION.contains(&route) || PUBLIC.contains(&route) || route == STRIPE;
    for (route, open) in routes(template) {
        let parts: Vec<&str> = route.split('/').skip(1).collect();
        if is_signed(&parts) == open {
            complaints.push(format!("{route}: its refusals are counted as another caller's"));
        }
        match (open, listed(&route)) {
            (true, false) => complaints.push(format!("{route} is open to everybody")),
            (false, true) => complaints.push(format!("{route} is closed to who asks for it")),
            _ => (),
        }
    }
    complaints
}

/// The routes of the template and of the contract are the same.
pub(super) fn routes_are_the_contracts(template: &Value) -> Complaints {
    let of_template: BTreeSet<String> =
        routes(template).into_iter().map(|(route, _)| route).collect();
    let operations = contract::operations().iter();
    let of_contract: BTreeSet<String> =
        operations.map(|(route, _)| format!("{} {}", route.method, route.path)).collect();
    let more = of_template.difference(&of_contract);
    let fewer = of_contract.difference(&of_template);
    more.map(|route| format!("{route} is not in the contract"))
        .chain(fewer.map(|route| format!("{route} is only in the contract")))
        .collect()
}

/// No permission with a star, from an AWS managed policy, or beyond what is needed.
pub(super) fn permissions_are_narrow(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, function) in functions(template) {
        let policies = function["Policies"].as_array();
        for policy in policies.into_iter().flatten() {
            match policy.get("Statement") {
                Some(statements) => statements_of(name, statements, &mut complaints),
                None => complaints.push(format!("{name}: permissions that are not written here")),
            }
        }
        if policies.is_none() {
            complaints.push(format!("{name}: no list of permissions"));
        }
    }
    for (name, resource) in resources(template) {
        // These only deny: see `queues_are_over_tls`.
        if resource["Type"] == "AWS::SQS::QueuePolicy" {
            continue;
        }
        if let Some(document) = resource["Properties"].get("PolicyDocument") {
            statements_of(name, &document["Statement"], &mut complaints);
        }
    }
    complaints
}

fn statements_of(name: &str, statements: &Value, complaints: &mut Complaints) {
    for statement in statements.as_array().into_iter().flatten() {
        if statement["Effect"] != "Allow" {
            complaints.push(format!("{name}: {} is not an allowance", statement["Effect"]));
        }
        let actions = list(&statement["Action"]);
        if actions.is_empty() || statement.get("NotAction").is_some() {
            complaints.push(format!("{name}: actions that are not listed"));
        }
        for action in &actions {
            if action.contains('*') {
                complaints.push(format!("{name}: {action} is more than one action"));
            }
        }
        let unbound = |action: &&str| ANY_RESOURCE.iter().any(|(known, _)| known == action);
        let resources = list(&statement["Resource"]);
        if resources.is_empty() {
            complaints.push(format!("{name}: resources that are not listed"));
        }
        for resource in resources {
            // In a route a star stands for an account or an
            // id: one part of the path between others.
            let route = resource.rsplit_once("/$default/").map_or("", |(_, route)| route);
            let part = route.split('/').filter(|part| part.contains('*')).all(|part| part == "*");
            let within = route.contains("/v1/") && part && actions == ["execute-api:Invoke"];
            // Its own stack by its name: the rest of the ARN is made anew with each stack.
            let own = resource == OWN_STACK;
            if resource.contains('*') && !within && !own && !actions.iter().all(unbound) {
                complaints.push(format!("{name}: {resource} is more than one resource"));
            }
        }
    }
}

/// The template contains nothing that looks like a secret: every copy of it would have it.
pub(super) fn no_secret_is_written(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let mut all = Vec::new();
    texts(template, &mut all);
    for text in all {
        if let Some(secret) = secret_in(text) {
            complaints.push(format!("a secret is written out: {secret}"));
        }
    }
    for (name, function) in functions(template) {
        for variable in function["Environment"]["Variables"].as_object().into_iter().flatten() {
            if names_a_secret(variable.0) && !variable.0.ends_with("_ARN") {
                complaints.push(format!("{name}: {} is in the environment", variable.0));
            }
        }
    }
    for (name, parameter) in template["Parameters"].as_object().into_iter().flatten() {
        let pattern = parameter["AllowedPattern"].as_str().unwrap_or_default();
        let arn = pattern.trim_start_matches('(').starts_with("arn:");
        // One of a few words is no secret.
        let choice = parameter.get("AllowedValues").is_some();
        if names_a_secret(name) && !arn && !choice {
            complaints.push(format!("the parameter {name} is a secret itself"));
        }
    }
    complaints
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "key", "token", "password"].iter().any(|word| name.contains(word))
}

/// The start of a text that looks like a secret: by its maker's format, or because it is long and
/// no word.
fn secret_in(text: &str) -> Option<String> {
    let random = |text: &str| {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max();
        digits >= 6 && words.unwrap_or_default() < 12
    };
    let found = FORM.find(text).or_else(|| LONG.find_iter(text).find(|m| random(m.as_str())));
    found.map(|found| found.as_str().chars().take(8).collect())
}

#[test]
fn the_settings_contain_no_secret() {
    assert_eq!(secret_in(include_str!("../../../../samconfig.toml")), None);
    assert_eq!(secret_in("whsec_abc").as_deref(), Some("whsec_ab"));
    assert_eq!(secret_in("k: 9f86d081884c7d659a2feaa0c55ad015a").as_deref(), Some("9f86d081"));
    assert_eq!(secret_in("AWS_CLOUDWATCH_NAMES_LIKE_THIS_ARE_LONG"), None);
}

/// The function itself closes the routes that IAM leaves open: it requires a session or a
/// signature.
#[tokio::test]
async fn an_open_route_refuses_a_caller_without_credentials() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (route, _) in routes(Template::load().value()).iter().filter(|(_, open)| *open) {
        let (method, path) = route.split_once(' ').expect("a route");
        let path = path.replace("{id}", "01a20132-08af-7fb3-8350-6bdcd05e3b83");
        let path = path.replace("{hash}", "0").replace("{file}", "icon.svg");
        let path = path.replace("{subject}", "user:ada");
        stack.wire.take_costs();
        let answer = stack.send(request(method, &path, Some("k"), r#"{"pack":"starter"}"#)).await;
        assert_eq!(stack.wire.take_costs().write_units, 0.0, "{route} wrote");
        let code = answer.body["code"].as_str().unwrap_or_default();
        let refused = (answer.status, code);
        if SESSION.contains(&route.as_str()) && method == "GET" {
            assert_eq!(refused, (401, "session_required"), "{route}");
        } else if SESSION.contains(&route.as_str()) {
            // A preflight or a change, from a page that is not allowed.
            assert_eq!(refused, (403, "origin_refused"), "{route}");
        } else if route == STRIPE {
            assert_eq!(refused, (400, "signature_invalid"), "{route}");
        } else if PUBLIC[..5].contains(&route.as_str()) {
            assert!((400..500).contains(&answer.status), "{route}: {answer:?}");
            assert!(!answer.headers.contains_key("set-cookie"), "{route}");
            assert!(!answer.body.to_string().contains("acme"), "{route}");
        } else {
            // Files, the same for every caller.
            assert!([200, 404].contains(&answer.status), "{route}: {answer:?}");
        }
    }
}
