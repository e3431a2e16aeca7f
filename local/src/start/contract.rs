//! Lists the operations of the contract, each with a curl that works on this stack as it is.

use std::sync::LazyLock;

use serde_json::{Value, json};
use shared::domain::AccountId;
use shared::http::customer::COOKIE;

use super::lasting::{RETURN_PATH, make};
use crate::stack::Stack;

/// The contract, parsed at its first use.
static CONTRACT: LazyLock<Value> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../../openapi.yaml")).expect("openapi.yaml is YAML")
});

/// The account of the examples, which the seed opens.
const ACCOUNT: &str = "acme";
/// The header of a JSON body.
const JSON: &str = "Content-Type: application/json";
/// An event that changes nothing: the webhook answers it with 200.
const EVENT: &str = r#"{"id":"evt_example","object":"event","type":"customer.created","data":{}}"#;

/// The values that the curls of one answer share.
struct Made {
    base: String,
    /// A lasting name of a session, and a link that works once.
    token: String,
    link: String,
}

/// Every operation: method, path, summary, and its curl, with new keys.
pub(super) async fn operations(stack: &Stack) -> Vec<Value> {
    let context = stack.functions.context();
    let base = context.config.public_url.clone().unwrap_or_default();
    let account: AccountId = ACCOUNT.parse().expect("an account's id");
    // Without the seed's account no customer's curl works, but all are listed.
    let link = make(context, account.clone()).await.map(|made| made.link).unwrap_or_default();
    let token = stack.start.lasting.open(context, account).await.unwrap_or_default();
    let made = Made { base, token, link };
    let paths = CONTRACT["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        let methods = methods.filter(|(_, operation)| operation.get("responses").is_some());
        methods.map(move |(method, operation)| (path, method, item, operation))
    });
    operations
        .map(|(path, method, item, operation)| {
            let curl = curl(stack, &made, method, path, item, operation);
            json!({ "method": method.to_uppercase(), "path": path,
                "summary": operation["summary"], "curl": curl, "note": note(path) })
        })
        .collect()
}

/// A remark on the effect or the answer, such as why it is a refusal. Null: there is none.
fn note(path: &str) -> Option<&'static str> {
    match path {
        "/v1/accounts/{account}/freeze" => Some("Until the next curl, acme cannot spend."),
        "/v1/accounts/{account}/debt/waive" => Some("The account `debt` is there with --states."),
        "/brand/{file}" => Some("Answers 404 until the catalog has a logo."),
        "/v1/payments/{id}" => Some("Answers 404 until there is such a payment: put its id there."),
        "/v1/payments/{id}/release" | "/v1/payments/{id}/dismiss" => {
            Some("Answers 404 until a payment is parked: put its id there.")
        }
        _ => None,
    }
}

/// One `curl`: its options, and its request.
struct Curl {
    flags: String,
    url: String,
    headers: Vec<String>,
    body: Option<String>,
}

/// The command of an operation, after a command that makes its object.
fn curl(
    stack: &Stack,
    made: &Made,
    method: &str,
    path: &str,
    item: &Value,
    operation: &Value,
) -> String {
    let made_first = path.contains("{id}") && !path.contains("payments") && method != "options";
    let place = if made_first { path.replace("{id}", "$id") } else { path.to_owned() };
    let parameters = [&item["parameters"], &operation["parameters"]];
    let parameters = parameters.into_iter().filter_map(Value::as_array).flatten().map(resolved);
    let mut curl = documented(stack, made, path, place, parameters);
    curl.body = body(operation);
    adapt(stack, made, method, path, operation, &mut curl);
    match made_first {
        // The id is the first string of the answer.
        true => {
            let first = first(stack, made, path).written();
            format!("id=$({first} | cut -d '\"' -f 4)\n{}", curl.written())
        }
        false => curl.written(),
    }
}

/// Makes the object of an operation on an `{id}`: a hold, a debit, a grant, a checkout.
fn first(stack: &Stack, made: &Made, path: &str) -> Curl {
    let video = json!({ "action": "dynamic_video", "quantity": 2 });
    let (route, body) = match path.split('/').nth(4) {
        Some("holds") => (format!("accounts/{ACCOUNT}/holds"), video),
        Some("debits") => (format!("accounts/{ACCOUNT}/debits"), video),
        Some("grants") => {
            let gift = json!({ "credits": "10", "reason": "a typo" });
            (format!("accounts/{ACCOUNT}/grants"), gift)
        }
        _ => ("me/checkouts".to_owned(), json!({ "pack": "starter" })),
    };
    let mut headers = vec![format!("Idempotency-Key: {}", new_key(stack))];
    if route.starts_with("me/") {
        headers.extend([made.bearer(), JSON.to_owned()]);
    }
    let url = format!("{}/v1/{route}", made.base);
    Curl { flags: "-s".to_owned(), url, headers, body: Some(body.to_string()) }
}

/// The parts that the contract's parameters describe: the path, the required query, a key.
fn documented<'a>(
    stack: &Stack,
    made: &Made,
    path: &str,
    mut place: String,
    parameters: impl Iterator<Item = &'a Value>,
) -> Curl {
    let mut headers = Vec::new();
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        let example = match (path, name) {
            ("/enter", "t") => made.link.clone(),
            ("/v1/accounts/{account}/debt/waive", "account") => "debt".to_owned(),
            (_, "account") => ACCOUNT.to_owned(),
            _ => example(parameter),
        };
        match parameter["in"].as_str() {
            Some("path") => place = place.replace(&format!("{{{name}}}"), &example),
            Some("query") if parameter["required"] == true => {
                place += &format!("?{name}={example}");
            }
            Some("header") if name == "Idempotency-Key" => {
                headers.push(format!("{name}: {}", new_key(stack)));
            }
            _ => {}
        }
    }
    let url = format!("{}{place}", made.base);
    Curl { flags: "-i".to_owned(), url, headers, body: None }
}

/// Replaces the contract's examples where this stack has its own: origins, sessions, signatures.
fn adapt(stack: &Stack, made: &Made, method: &str, path: &str, operation: &Value, curl: &mut Curl) {
    if method == "put" {
        curl.flags += " -X PUT";
    }
    match (path, method) {
        (_, "options") => {
            curl.flags += " -X OPTIONS";
            curl.headers.push(format!("Origin: {}", made.base));
            curl.headers.push("Access-Control-Request-Method: GET".to_owned());
        }
        ("/enter" | "/leave", "post") => {
            curl.headers.push(format!("Origin: {}", made.base));
            curl.body =
                Some(if path == "/enter" { format!("t={}", made.link) } else { String::new() });
        }
        ("/" | "/statement", _) => curl.headers.push(format!("Cookie: {COOKIE}={}", made.token)),
        ("/v1/stripe/webhook", _) => {
            let signed = stack.stripe.as_ref().map(|stripe| stripe.signed(EVENT));
            let signature = signed.as_ref().and_then(|r| r.headers().get("stripe-signature"));
            let signature = signature.and_then(|value| value.to_str().ok()).unwrap_or_default();
            curl.headers.extend([format!("Stripe-Signature: {signature}"), JSON.to_owned()]);
            curl.body = Some(EVENT.to_owned());
        }
        (path, _) if path.starts_with("/v1/me/") => {
            curl.headers.push(made.bearer());
            curl.headers.extend(curl.body.is_some().then(|| JSON.to_owned()));
        }
        _ => {}
    }
    match operation["operationId"].as_str() {
        // The product's own origin is the start page here.
        Some("createSession") => {
            let url = format!("{}{RETURN_PATH}", made.base);
            let own = json!({ "subject": "ada", "scopes": ["buy"], "return_url": url });
            curl.body = Some(own.to_string());
        }
        Some("debitBatch") => {
            let (text, extra) = (new_key(stack), new_key(stack));
            let fresh = |body: String| body.replace("job-17-text", &text);
            curl.body = curl.body.take().map(fresh).map(|b| b.replace("job-17-extra", &extra));
        }
        _ => {}
    }
}

fn new_key(stack: &Stack) -> String {
    let context = stack.functions.context();
    context.entropy.mint(context.clock.now()).to_string()
}

impl Made {
    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }
}

impl Curl {
    /// The command for a shell, with a header or the body on each line.
    fn written(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let url = match (self.url.contains('$'), self.url.contains('?')) {
            (true, _) => format!("\"{}\"", self.url),
            (false, true) => quoted(&self.url),
            (false, false) => self.url.clone(),
        };
        let headers = self.headers.iter().map(|header| format!(" \\\n  -H {}", quoted(header)));
        let body = self.body.iter().map(|body| format!(" \\\n  -d {}", quoted(body)));
        let rest: String = headers.chain(body).collect();
        format!("curl {} {url}{rest}", self.flags)
    }
}

/// The first example of the body. None: the operation has no body.
fn body(operation: &Value) -> Option<String> {
    let content = &resolved(operation.get("requestBody")?)["content"]["application/json"];
    let named = content["examples"].as_object().and_then(|named| named.values().next());
    let example = named.map_or(&content["example"], |example| &example["value"]);
    Some(example.to_string())
}

fn example(parameter: &Value) -> String {
    let given = parameter.get("example").or_else(|| parameter["schema"].get("const"));
    given.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The target of a `$ref`, or the value itself. The contract's references are one step deep.
fn resolved(value: &Value) -> &Value {
    let path = value.get("$ref").and_then(Value::as_str);
    path.and_then(|path| CONTRACT.pointer(path.trim_start_matches('#'))).unwrap_or(value)
}
