//! Service keys: made with the secret of a test's stack, and sent by callers who have nothing else.

use lambda_http::Body;
use local::routes::Functions;
use serde_json::{Value, json};
use shared::command;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope, ServiceKey};
use shared::service_key::ServiceKeys;
use shared::token::Keys;

use super::{Answer, Stack, canary, request};

/// The token of a key, sealed with `secret`.
pub fn sealed(key: &ServiceKey, secret: &str) -> String {
    Keys::parse(secret).expect("keys").seal_key(key)
}

/// A request as the door for service keys hands it over: without a signer's identity.
pub fn event(method: &str, path: &str, authorization: Option<&str>, body: &Value) -> Value {
    let mut headers = json!({ "host": "service.example.com", "idempotency-key": "by event" });
    if let Some(value) = authorization {
        headers["authorization"] = json!(value);
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "service",
            "http": { "method": method, "path": path },
            "requestId": "one",
            "stage": "$default",
        },
        "stageVariables": { "PUBLIC_URL": "https://first.example.com" },
        "isBase64Encoded": false,
        "body": body.to_string(),
    })
}

impl Stack {
    /// The same stack as deployed: a request needs a signer's identity or a service key. Its
    /// functions have read nothing about keys yet.
    pub fn deployed(&self) -> Stack {
        self.with_service_keys(Some(canary::service_keys()))
    }

    /// The same, deployed without service keys.
    pub fn without_keys(&self) -> Stack {
        self.with_service_keys(None)
    }

    /// The same, with these service keys.
    pub fn with_service_keys(&self, keys: Option<ServiceKeys>) -> Stack {
        let mut context = self.context().clone();
        context.config.allows_unsigned = false;
        context.service_keys = keys;
        Stack { functions: Functions::new(context), ..self.clone() }
    }

    /// A new key for an hour, listed in the table.
    pub async fn key(&self, scopes: &[KeyScope], limit: KeyLimit) -> ServiceKey {
        let now = self.context().clock.now();
        let key = ServiceKey {
            id: self.context().entropy.mint(now),
            name: "of a test".to_owned(),
            scopes: scopes.to_vec(),
            limit,
            issued_at: now,
            expires_at: now + Span::from_s(3_600),
        };
        command::service_key::put(&self.context().store, &key, "test").await.expect("written");
        key
    }

    /// Sends a request with this token.
    pub async fn by_key(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let mut request: http::Request<Body> = request(method, path, Some("by key"), body);
        let value = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", value);
        self.send(request).await
    }
}
