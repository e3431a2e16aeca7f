//! Secrets Manager inside the process: the SDK's HTTP client, answered from memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::roles::Roles;
use serde_json::{Value, json};
use shared::context::{call_retry, call_timeout};
use shared::secrets::Secret;

use super::wire::response;

/// Secrets by their ARNs, and how often one was read.
#[derive(Clone, Debug, Default)]
pub struct Vault(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    texts: BTreeMap<String, String>,
    reads: usize,
    is_down: bool,
    refuses_writes: bool,
}

impl Vault {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no one panics with the lock")
    }

    /// Stores a text under `arn`, in place of the existing one.
    pub fn put(&self, arn: &str, text: &str) {
        self.state().texts.insert(arn.to_owned(), text.to_owned());
    }

    /// Makes all reads fail from now on, or work again.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// Refuses every write from now on.
    pub fn refuse_writes(&self) {
        self.state().refuses_writes = true;
    }

    /// The text under `arn`.
    pub fn text(&self, arn: &str) -> Option<String> {
        self.state().texts.get(arn).cloned()
    }

    /// How many reads there were since the last call.
    pub fn take_reads(&self) -> usize {
        std::mem::take(&mut self.state().reads)
    }

    /// The secret under `arn`, as a function with one of these roles reads it.
    pub fn secret(&self, arn: &str, roles: &Roles) -> Secret {
        let connector = SharedHttpConnector::new(self.clone());
        let client = http_client_fn(move |_, _| connector.clone());
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url("http://embedded")
            .http_client(roles.client(client))
            .timeout_config(call_timeout())
            .retry_config(call_retry())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
        Secret::in_manager(Client::from_conf(config.build()), arn)
    }
}

impl HttpConnector for Vault {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let arn = body["SecretId"].as_str().unwrap_or_default();
        if let Some(text) = body["SecretString"].as_str() {
            let refused = self.state().refuses_writes;
            if !refused {
                self.put(arn, text);
            }
            return HttpConnectorFuture::ready(match refused {
                false => response(200, json!({ "ARN": arn }).to_string()),
                true => response(400, json!({ "__type": "AccessDeniedException" }).to_string()),
            });
        }
        let mut state = self.state();
        state.reads += 1;
        let found = state.texts.get(arn).filter(|_| !state.is_down);
        HttpConnectorFuture::ready(match found {
            Some(text) => response(200, json!({ "ARN": arn, "SecretString": text }).to_string()),
            None => response(400, json!({ "__type": "ResourceNotFoundException" }).to_string()),
        })
    }
}
