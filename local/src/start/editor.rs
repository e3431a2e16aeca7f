//! A sample product beside the stack: a text editor on another origin, with the indicator and an AI
//! button.
//!
//! Its small server does the work of a product's server: it makes sessions for the widget, and
//! debits `rich_text` before it answers. It calls no model; the text is always the same.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shared::domain::AccountId;
use shared::http::path;
use tokio::net::TcpListener;

use super::file;
use crate::control;
use crate::reply::reply;
use crate::routes::Functions;
use crate::server::is_meant;

const PAGE: &str = include_str!("../../start/editor.html");
const CSS: &str = include_str!("../../start/editor.css");
const SCRIPT: &str = include_str!("../../start/editor.js");
/// The text that it writes.
const TEXT: &str = " Soft cotton, cut to move with you, and made to be worn for years.";
/// The life of its widget's session: the shortest, so that a person sees it renewed.
const LIFE_S: u32 = 60;
/// The largest body: far more than its own page sends.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Clone)]
struct Editor {
    functions: Functions,
    addr: SocketAddr,
    /// The stack's address.
    base: String,
}

/// A listener on the port after this one, or on any if that is taken.
///
/// # Errors
/// If no port is free.
pub async fn listener(stack: SocketAddr) -> std::io::Result<TcpListener> {
    let next = stack.port().checked_add(1).filter(|next| *next > 1).unwrap_or_default();
    match TcpListener::bind((stack.ip(), next)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((stack.ip(), 0)).await,
    }
}

/// Serves the editor until the process ends. The stack's configuration must allow its origin.
///
/// # Errors
/// If the listener has no address, or it breaks.
pub async fn serve(listener: TcpListener, functions: Functions) -> std::io::Result<()> {
    let base = functions.context().config.public_url.clone().unwrap_or_default();
    let editor = Editor { functions, addr: listener.local_addr()?, base };
    axum::serve(listener, Router::new().fallback(answer).with_state(editor)).await
}

async fn answer(State(editor): State<Editor>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_meant(parts.uri.path(), &parts.headers, editor.addr) {
        return (axum::http::StatusCode::FORBIDDEN, "The editor answers its own address only.\n")
            .into_response();
    }
    let body = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let request = lambda_http::Request::from_parts(parts, body.to_vec().into());
    let (parts, body) = editor.route(&request).await.into_parts();
    Response::from_parts(parts, Body::from(body.to_vec()))
}

impl Editor {
    async fn route(
        &self,
        request: &lambda_http::Request,
    ) -> lambda_http::Response<lambda_http::Body> {
        let is_json = control::is_json(request);
        match (request.method().as_str(), request.uri().path()) {
            ("GET", "/") => self.page(request),
            ("GET", "/editor.css") => self.file("text/css; charset=utf-8", CSS),
            ("GET", "/editor.js") => self.file("text/javascript; charset=utf-8", SCRIPT),
            ("POST", "/session") if is_json => self.session(request).await,
            ("POST", "/write") if is_json => self.write(request).await,
            _ => reply(404, &json!({ "detail": "no such route" })),
        }
    }

    fn file(&self, kind: &str, text: &str) -> lambda_http::Response<lambda_http::Body> {
        let base = &self.base;
        let policy = format!(
            "default-src 'none'; script-src 'self' {base}; style-src 'self'; \
             img-src data:; connect-src 'self' {base}; base-uri 'none'; frame-ancestors 'none'"
        );
        file(kind, text.to_owned(), &policy)
    }

    fn page(&self, request: &lambda_http::Request) -> lambda_http::Response<lambda_http::Body> {
        let query = request.uri().query().unwrap_or_default();
        let mut query = form_urlencoded::parse(query.as_bytes());
        let account = query.find(|(name, _)| name == "account");
        let account = account.and_then(|(_, id)| id.parse::<AccountId>().ok());
        let account = account.map_or("open".to_owned(), |account| account.to_string());
        let html = PAGE.replace("{account}", &account).replace("{base}", &self.base);
        self.file("text/html; charset=utf-8", &html)
    }

    /// Makes a token for the widget, by the route that every product uses.
    async fn session(
        &self,
        request: &lambda_http::Request,
    ) -> lambda_http::Response<lambda_http::Body> {
        let body = json!({ "subject": "ada", "scopes": ["view"], "expires_in_s": LIFE_S,
            "return_url": format!("http://{}/", self.addr) });
        let (status, answer) = self.post(request, "sessions", None, &body).await;
        match answer["token"].as_str() {
            Some(token) => reply(200, &json!({ "token": token })),
            None => reply(status, &answer),
        }
    }

    /// Debits first, under the key of this press, so that one press is charged once. Then it
    /// writes.
    async fn write(
        &self,
        request: &lambda_http::Request,
    ) -> lambda_http::Response<lambda_http::Body> {
        let sent: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let body = json!({ "action": "rich_text", "quantity": 1, "user": "ada" });
        let (status, answer) = self.post(request, "debits", sent["key"].as_str(), &body).await;
        match status {
            201 => reply(200, &json!({ "text": TEXT, "receipt": answer })),
            _ => reply(status, &answer),
        }
    }

    /// Posts to a route of the account in the request's body. Returns status and answer.
    async fn post(
        &self,
        request: &lambda_http::Request,
        route: &str,
        key: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let sent: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let account = sent["account"].as_str().and_then(|id| id.parse::<AccountId>().ok());
        let Some(account) = account else {
            return (400, json!({ "detail": "account: is required" }));
        };
        let account = path::encoded(account.as_str());
        let asked = http::Request::post(format!("/v1/accounts/{account}/{route}"));
        let asked = key.into_iter().fold(asked, |asked, key| asked.header("idempotency-key", key));
        let Ok(asked) = asked.body(lambda_http::Body::Text(body.to_string())) else {
            return (400, json!({ "detail": "key: is not a valid header value" }));
        };
        let answer = self.functions.answer(asked).await;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), body)
    }
}
