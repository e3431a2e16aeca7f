//! Correlation: what a request itself says for its log lines and its metrics.

use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use super::{Call, routes};
use crate::domain::{AccountId, Key};
use crate::telemetry::correlation::{self, Correlation};

impl Call<'_> {
    /// The gateway's id of the request, its route, its account if the path names one, and its
    /// operation if the key is an id. Nothing that is invalid is taken over, for it can contain
    /// anything, and no other key: it is a caller's text.
    pub(super) fn correlation(&self) -> Correlation {
        let (method, parts) = self.route();
        let account = match parts[..] {
            ["v1", "accounts", account, ..] => account.parse::<AccountId>().ok(),
            _ => None,
        };
        let key = self.header("Idempotency-Key").and_then(|key| key.parse::<Key>().ok());
        let request = match self.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        Correlation {
            request: request.or_else(correlation::request).unwrap_or_default(),
            route: routes::route(method, &parts),
            account: account.map(|account| account.to_string()),
            operation: key.and_then(|key| key.id()).map(|id| id.to_string()),
            key: None,
        }
    }
}
