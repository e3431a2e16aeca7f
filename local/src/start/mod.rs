//! The start page, which the local stack shows to a browser without a session.
//!
//! It is not deployed: there, a browser without a session is told that its session has ended.

mod console;
mod contract;
pub mod editor;
mod known;
mod lasting;

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::AccountId;
use shared::http::{Problem, path};
use shared::stripe::StripeAccount;

pub use self::known::Start;
use crate::reply::reply;
use crate::stack::Stack;
use crate::states::STATES;
use crate::stripe::Effect;
use crate::{control, seed};

/// The folder of its routes, except `/`.
const FOLDER: &str = "/_local/start/";
const PAGE: &str = include_str!("../../start/start.html");
/// Name, content type and content of the page's files.
const FILES: [(&str, &str, &str); 2] = [
    ("start.css", "text/css; charset=utf-8", include_str!("../../start/start.css")),
    ("start.js", "text/javascript; charset=utf-8", include_str!("../../start/start.js")),
];
/// Allows its own files and routes, and nothing else. No other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Answers the requests for the start page.
///
/// # Errors
/// Any other request, to be answered elsewhere: with a current session, if it has a lasting one.
pub async fn answer(stack: &Stack, request: Request) -> Result<Response<Body>, Request> {
    let context = stack.functions.context();
    let request = stack.start.lasting.recognized(context, request).await;
    let (method, path) = (request.method().as_str(), request.uri().path());
    // A client that does not accept HTML gets the contract's answer.
    let accepted = request.headers().get("accept").and_then(|value| value.to_str().ok());
    let is_browser = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    if is_browser && (method, path) == ("GET", "/") {
        let shown = stack.functions.answer(request).await;
        // 401: the browser has no session.
        return if shown.status() == 401 { Ok(page(stack).await) } else { Ok(shown) };
    }
    if let Some(rest) = path.strip_prefix(console::FOLDER).filter(|_| method == "GET") {
        return Ok(console::answer(rest));
    }
    let Some(name) = path.strip_prefix(FOLDER) else { return Err(request) };
    Ok(match (method, name) {
        ("GET", "") => page(stack).await,
        ("GET", "accounts") => reply(200, &json!({ "accounts": accounts(stack).await })),
        ("GET", "payments") => {
            let payments = stack.stripe.as_ref().map(|stripe| stripe.payments());
            let sells = stack.functions.context().config.sells;
            reply(200, &json!({ "payments": payments, "sells": sells }))
        }
        ("GET", "contract") => {
            reply(200, &json!({ "operations": contract::operations(stack).await }))
        }
        ("GET", name) => match FILES.iter().find(|(known, ..)| *known == name) {
            Some((_, kind, text)) => file(kind, (*text).to_owned(), POLICY),
            None => reply(404, &json!({ "detail": "no such route" })),
        },
        ("POST", "enter") => enter(stack, &request).await,
        ("POST", "audit") if control::is_json(&request) => audited(stack).await,
        ("POST", "audit") => {
            reply(415, &json!({ "detail": "the content type must be application/json" }))
        }
        _ => reply(404, &json!({ "detail": "no such route" })),
    })
}

/// A file or a page of the stack itself, for browsers; not to be cached.
fn file(kind: &str, text: String, policy: &str) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", kind)
        .header("content-security-policy", policy)
        .header("x-content-type-options", "nosniff")
        // With `no-referrer` a form would be sent with the origin `null`.
        .header("referrer-policy", "same-origin")
        .header("cache-control", "no-store");
    response.body(Body::Text(text)).expect("status and headers are valid")
}

async fn page(stack: &Stack) -> Response<Body> {
    let editor = stack.start.editor.as_deref();
    let rows: String = accounts(stack).await.iter().map(|account| row(account, editor)).collect();
    let now = stack.clock.now().to_string();
    let (day, time) = now.split_once('T').unwrap_or((&now, ""));
    let time = time.get(..8).unwrap_or_default();
    let html = PAGE.replace("{accounts}", &rows).replace("{now}", &now);
    let html = html.replace("{day}", &format!("{day}, UTC")).replace("{time}", time);
    let html = html.replace("{editor}", editor.unwrap_or_default());
    let html = html.replace("{variables}", &variables(stack));
    file("text/html; charset=utf-8", html, POLICY)
}

/// The variables with which a program calls the stack, as a shell sets them.
fn variables(stack: &Stack) -> String {
    let url = stack.functions.context().config.public_url.as_deref().unwrap_or_default();
    let key = stack.key.as_ref().map_or("", |key| &key.token);
    format!("export SCRIP_URL={url}\nexport SCRIP_KEY={key}")
}

/// The accounts of the seed and of the states that exist, each with its plan and its credits.
async fn accounts(stack: &Stack) -> Vec<Value> {
    let seeded = seed::ACCOUNTS.iter().map(|(account, _, shows)| (*account, *shows));
    let states = STATES.iter().map(|state| (state.account, state.shows));
    let mut found = Vec::new();
    for (account, shows) in seeded.chain(states) {
        let path = format!("/v1/accounts/{}/balance", path::encoded(account));
        let request = http::Request::get(path);
        let request = request.body(Body::Empty).expect("a request");
        let response = stack.functions.answer(request).await;
        let balance: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() {
            found.push(json!({ "account": account, "plan": balance["plan"], "shows": shows,
                "available": balance["available"] }));
        }
    }
    found
}

/// A row of the table. All its text comes from this program, and needs no escaping.
fn row(account: &Value, editor: Option<&str>) -> String {
    let text = |field: &str| account[field].as_str().unwrap_or_default();
    let (name, plan) = (text("account"), text("plan"));
    let editor = editor.map_or(String::new(), |editor| {
        let account = path::encoded(name);
        format!(
            "<a href=\"{editor}/?account={account}\" target=\"_blank\" rel=\"noopener\" \
                 aria-label=\"{name} in the editor\">editor</a>"
        )
    });
    format!(
        "<tr><th scope=\"row\">{name} <span class=\"muted\">{}</span></th><td>{plan}</td>\
         <td class=\"n\" data-available=\"{name}\">{}</td><td class=\"doors\">\
         <form method=\"post\" action=\"{FOLDER}enter\" target=\"_blank\">\
         <button name=\"account\" value=\"{name}\" aria-label=\"Open {name}\">Open</button></form>\
         {editor}</td></tr>\n",
        text("shows"),
        text("available"),
    )
}

/// Opens the customer's page of the account in a form, each time with a new session. A browser
/// names the page that sent the form, and the server has refused other origins before.
async fn enter(stack: &Stack, request: &Request) -> Response<Body> {
    let fields: Vec<_> = form_urlencoded::parse(request.body()).into_owned().collect();
    let account = fields.iter().find(|(name, _)| name == "account").map(|(_, value)| value);
    let account = account.and_then(|account| account.parse::<AccountId>().ok());
    let from_a_page = request.headers().contains_key("origin");
    let Some(account) = account.filter(|_| from_a_page) else {
        return reply(400, &json!({ "detail": "the request must be a form of the start page" }));
    };
    let waiting = stack.stripe.as_ref().and_then(|stripe| {
        let session = stripe.latest_of(account.as_str())?;
        let waits = stripe.possible(&session).contains(&Effect::Arrive);
        stripe.session(&session)?["client_reference_id"]
            .as_str()
            .filter(|_| waits)
            .map(str::to_owned)
    });
    let location = waiting.map_or("/".to_owned(), |order| format!("/?checkout={order}"));
    let name = match stack.start.lasting.open(stack.functions.context(), account).await {
        Ok(name) => name,
        Err(error) => return Problem::from(error).into_response(),
    };
    let response = Response::builder()
        .status(303)
        .header("location", location)
        .header("set-cookie", lasting::cookie(&name))
        .header("cache-control", "no-store");
    response.body(Body::Empty).expect("status and headers are valid")
}

/// Audits every account, and answers with the differences.
async fn audited(stack: &Stack) -> Response<Body> {
    let (context, stripe) = (stack.functions.context(), stack.functions.stripe());
    let stripe = stack.stripe.as_ref().map(|_| StripeAccount::Client(stripe.clone()));
    match audit::report(context, stripe.as_ref(), None, |_| ()).await {
        Ok(report) => {
            let differences = report.differences.iter().map(ToString::to_string);
            let differences: Vec<String> = differences.collect();
            reply(200, &json!({ "seen": report.seen, "differences": differences }))
        }
        Err(error) => {
            tracing::warn!(%error, "the audit failed");
            reply(503, &json!({ "detail": error.to_string() }))
        }
    }
}
