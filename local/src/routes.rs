//! Routes each request to the function that answers it, by the template's routes.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_http::{Body, Request, RequestExt, Response};
use shared::context::Context;
use shared::http::{self, Call};
use shared::secrets::Secret;
use shared::stripe::Stripe;
use shared::telemetry::correlation::{Correlation, during};

use crate::roles::acting_as;
use crate::stripe;
use crate::template::{Route, Template};

/// An address where nothing answers: the discard port of this machine.
const NOBODY: &str = "http://127.0.0.1:9/";

/// The id of the next request or invocation, which the gateway and Lambda make in AWS: `local-1`.
pub(crate) fn request_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("local-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The functions behind the template's routes.
#[derive(Clone, Debug)]
pub struct Functions {
    context: Context,
    stripe: Stripe,
    webhook_secret: Secret,
    routes: Vec<Route>,
}

impl Functions {
    /// The functions with a Stripe that does not answer, but with webhooks that are accepted. Where
    /// nothing is sold, neither function of Stripe has a route.
    pub fn new(context: Context) -> Functions {
        let stripe = Stripe::new(stripe::KEY, Some(NOBODY)).expect("a key and an address");
        let webhook_secret = Secret::fixed(stripe::WEBHOOK_SECRET);
        let routes = Template::of(context.config.sells).routes();
        Functions { context, stripe, webhook_secret, routes }
    }

    /// The same functions with another Stripe.
    pub fn with_stripe(self, stripe: Stripe, webhook_secret: Secret) -> Functions {
        Functions { stripe, webhook_secret, ..self }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    pub fn stripe(&self) -> &Stripe {
        &self.stripe
    }

    /// The template's route for a request: `/v1/accounts/{account}/debits`.
    pub fn route(&self, method: &str, path: &str) -> Option<&str> {
        self.find(method, path).map(|route| route.path.as_str())
    }

    fn find(&self, method: &str, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.matches(method, path))
    }

    /// Answers a request as the gateway and the functions behind it would.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        during(Correlation::of(&request_id()), self.routed(request)).await
    }

    async fn routed(&self, request: Request) -> Response<Body> {
        let (method, path) = (request.method().as_str(), request.uri().path().to_owned());
        let route = self.find(method, &path);
        let request = request.with_raw_http_path(path);
        let context = &self.context;
        let Some(Route { function, .. }) = route else {
            return http::unrouted(&Call::new(&request, &context.config));
        };
        // Boxed, so that a caller's future has no room for the largest of them.
        let answer: Pin<Box<dyn Future<Output = Response<Body>> + Send>> = match function.as_str() {
            "debit" => Box::pin(debit::handle(context, request)),
            "balance" => Box::pin(balance::handle(context, request)),
            "page" => Box::pin(page::handle(context, request)),
            "accounts" => Box::pin(accounts::handle(context, request)),
            "checkout" => Box::pin(checkout::handle(context, &self.stripe, request)),
            "webhook" => {
                Box::pin(webhook::handle(context, &self.stripe, &self.webhook_secret, request))
            }
            other => panic!("template.yaml: the local stack has no function {other}"),
        };
        acting_as(function, answer).await
    }
}
