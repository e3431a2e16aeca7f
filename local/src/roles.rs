//! IAM inside the process: a function's requests to AWS are made under its role, and denied here if
//! the template does not allow them.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::messaging;
use crate::tables;
use crate::template::{Permission, Permissions, Template};

tokio::task_local! {
    /// The binary that is at work. Not set: the work is the local stack's own, or a test's.
    static FUNCTION: String;
}

/// Runs a function's work under its role.
pub async fn acting_as<F: Future>(function: &str, work: F) -> F::Output {
    FUNCTION.scope(function.to_owned(), work).await
}

/// The roles of the functions, and the permissions that each used.
#[derive(Clone, Debug)]
pub struct Roles {
    allowed: Arc<Permissions>,
    used: Arc<Mutex<Permissions>>,
}

impl Roles {
    /// The roles of the template.
    pub fn of(template: &Template) -> Roles {
        Roles::allowing(template.permissions())
    }

    pub fn allowing(allowed: Permissions) -> Roles {
        Roles { allowed: Arc::new(allowed), used: Arc::default() }
    }

    /// The permissions that were used so far, allowed or not.
    pub fn used(&self) -> Permissions {
        self.used.lock().expect("no one panics with the lock").clone()
    }

    /// A client that sends only the requests that the roles allow.
    pub fn client(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let roles = self.clone();
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Guarded { roles: roles.clone(), inner })
        })
    }

    /// The reason to deny the request to the function at work, if there is one.
    fn denied(&self, request: &HttpRequest) -> Option<String> {
        let function = FUNCTION.try_with(String::clone).ok()?;
        let asked = permissions(request);
        let mut used = self.used.lock().expect("no one panics with the lock");
        used.entry(function.clone()).or_default().extend(asked.iter().cloned());
        let allowed = self.allowed.get(&function);
        let denied = asked.iter().find(|asked| !allowed.is_some_and(|all| all.contains(*asked)));
        denied.map(|(action, resource)| format!("{function} may not do {action} on {resource}"))
    }
}

/// The permissions that a request needs.
fn permissions(request: &HttpRequest) -> Vec<Permission> {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    let on = |part: &Value, field: &str| named(part[field].as_str().unwrap_or_default());
    match (service, operation) {
        // Each part of a transaction needs its own permission.
        ("DynamoDB_20120810", "TransactWriteItems") => {
            let parts = body["TransactItems"].as_array().into_iter().flatten();
            let parts = parts.filter_map(Value::as_object).flatten();
            let action = |kind: &str| match kind {
                "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
                kind => format!("dynamodb:{kind}Item"),
            };
            parts.map(|(kind, part)| (action(kind), on(part, "TableName"))).collect()
        }
        ("DynamoDB_20120810", operation) => {
            vec![(format!("dynamodb:{operation}"), on(&body, "TableName"))]
        }
        ("AWSEvents", operation) => {
            let entries = body["Entries"].as_array().into_iter().flatten();
            let action = format!("events:{operation}");
            entries.map(|entry| (action.clone(), on(entry, "EventBusName"))).collect()
        }
        ("AmazonSQS", "SendMessageBatch") => {
            vec![("sqs:SendMessage".to_owned(), on(&body, "QueueUrl"))]
        }
        ("AmazonSQS", operation) => {
            vec![(format!("sqs:{operation}"), on(&body, "QueueUrl"))]
        }
        ("secretsmanager", operation) => {
            vec![(format!("secretsmanager:{operation}"), on(&body, "SecretId"))]
        }
        (service, operation) => vec![(format!("{service}:{operation}"), String::new())],
    }
}

/// The template's name of a resource that the local stack calls `name`.
fn named(name: &str) -> String {
    let tables = tables::names();
    let resource = match name {
        name if name == tables.accounts => "Accounts",
        name if name == tables.ledger => "Ledger",
        messaging::BUS => "Bus",
        other => other.strip_prefix(messaging::QUEUES).unwrap_or(other),
    };
    resource.to_owned()
}

#[derive(Clone)]
struct Guarded {
    roles: Roles,
    inner: SharedHttpConnector,
}

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(denied) = self.roles.denied(&request) else { return self.inner.call(request) };
        tracing::error!(denied, "see the function's Policies in template.yaml");
        let body = json!({ "__type": "AccessDeniedException", "message": denied });
        let response = http::Response::builder().status(400);
        let response = response.body(SdkBody::from(body.to_string()));
        HttpConnectorFuture::ready(response.map_err(|e| ConnectorError::user(e.into())).and_then(
            |response| HttpResponse::try_from(response).map_err(|e| ConnectorError::user(e.into())),
        ))
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}
