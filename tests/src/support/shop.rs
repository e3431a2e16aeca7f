//! A stack that sells: with a Stripe that keeps state, and customers who buy.

use lambda_http::Body;
use local::stripe::{self, Effect, LocalStripe, WEBHOOK_SECRET};
use shared::secrets::Secret;
use shared::stripe::Stripe;
use tokio::net::TcpListener;

use super::{Answer, PRODUCT, Stack, answer, contract, of, request};

/// A stack in memory and its Stripe. Stripe's events wait until they are delivered.
#[derive(Clone)]
pub struct Shop {
    pub stack: Stack,
    pub stripe: LocalStripe,
}

impl Shop {
    /// A shop on a Wednesday noon.
    pub async fn noon() -> Shop {
        Shop::beside(Stack::noon().await).await
    }

    /// A shop whose clock starts at `now` and runs.
    pub async fn at(now: &str) -> Shop {
        Shop::beside(Stack::at(now).await).await
    }

    /// A shop that a browser can visit; also returns its address.
    pub async fn served(now: Option<&str>, origins: &[&str]) -> (Shop, String) {
        let (stack, stripe, base) = Stack::served(now, origins).await;
        (Shop { stack, stripe }, base)
    }

    /// A shop on a Wednesday noon that records its streams.
    pub async fn streamed() -> Shop {
        Shop::beside(Stack::streamed().await).await
    }

    /// A shop with this stack.
    pub async fn beside(stack: Stack) -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let local = LocalStripe::new(stack.clock.clock(), &base);
        tokio::spawn(stripe::serve(listener, local.clone()));
        let client = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")));
        let client = client.expect("a key and an address");
        let secret = Secret::fixed(WEBHOOK_SECRET);
        let mappings = stack.mappings.clone().with_stripe(client.clone());
        let functions = stack.functions.clone().with_stripe(client, secret);
        Shop { stack: Stack { functions, mappings, ..stack }, stripe: local }
    }

    /// A token of ada's session with these `scopes`.
    pub async fn token(&self, account: &str, scopes: &str) -> String {
        self.token_of("ada", account, scopes).await
    }

    /// A token of another subject's session.
    pub async fn token_of(&self, subject: &str, account: &str, scopes: &str) -> String {
        let subject = serde_json::Value::from(subject);
        let body = format!(
            r#"{{"subject":{subject},"scopes":[{scopes}],"return_url":"{PRODUCT}/credits"}}"#
        );
        let path = of(account, "/sessions");
        self.stack.send(request("POST", &path, None, &body)).await.text("/token").to_owned()
    }

    /// Sends a request as the customer of the token.
    pub async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = request(method, path, key, body);
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        self.stack.send(request).await
    }

    /// Subscribes to the plan pro and pays. Returns the subscription's id.
    pub async fn subscribe(&self, account: &str) -> String {
        let token = self.token(account, r#""view","buy""#).await;
        let (path, body) = ("/v1/me/subscriptions", r#"{"plan":"pro"}"#);
        let begun = self.ask(&token, "POST", path, Some("subscribe"), body).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let session = self.stripe.session_of(account).expect("a session");
        self.act(&session, Effect::Pay).await;
        self.stripe.subscription_of(account).expect("a subscription")
    }

    /// Orders a pack. The answer says where to pay.
    pub async fn order(&self, account: &str, key: &str, pack: &str) -> Answer {
        self.order_of("ada", account, key, pack).await
    }

    /// Orders a pack as another subject.
    pub async fn order_of(&self, subject: &str, account: &str, key: &str, pack: &str) -> Answer {
        let token = self.token_of(subject, account, r#""view","buy""#).await;
        let body = format!(r#"{{"pack":"{pack}"}}"#);
        self.ask(&token, "POST", "/v1/me/checkouts", Some(key), &body).await
    }

    /// Orders a pack. Returns the order's id, and Stripe's session id.
    pub async fn begin(&self, account: &str, key: &str, pack: &str) -> (String, String) {
        let ordered = self.order(account, key, pack).await;
        assert_eq!(ordered.status, 201, "{ordered:?}");
        let id = ordered.text("/id").to_owned();
        let session = self.stripe.session_of(&id).expect("a session");
        (id, session)
    }

    /// Applies an effect to a session and delivers its event to the webhook.
    pub async fn act(&self, session: &str, effect: Effect) {
        self.stripe.act(session, effect).expect("it can be done");
        self.stripe.deliver(&self.stack.functions).await;
    }

    /// Buys a pack, paid at once. Returns the order's id and the session's.
    pub async fn buy(&self, account: &str, key: &str, pack: &str) -> (String, String) {
        let (order, session) = self.begin(account, key, pack).await;
        self.act(&session, Effect::Pay).await;
        (order, session)
    }

    /// The state of a checkout, and how many of its credits are in the account.
    pub async fn state(&self, account: &str, order: &str) -> (String, String) {
        let token = self.token(account, r#""view""#).await;
        let state = self.ask(&token, "GET", &format!("/v1/me/checkouts/{order}"), None, "").await;
        assert_eq!(state.status, 200, "{state:?}");
        (state.text("/state").to_owned(), state.text("/credited").to_owned())
    }

    /// Available and debt.
    pub async fn balance(&self, account: &str) -> (String, String) {
        let balance = self.stack.balance(account).await;
        (balance.text("/available").to_owned(), balance.text("/debt").to_owned())
    }

    /// Sends an event to the webhook, signed now.
    pub async fn take_notice(&self, event: &str) -> Answer {
        self.bring(self.stripe.signed(event)).await
    }

    /// Sends any request to the webhook.
    pub async fn bring(&self, request: http::Request<Body>) -> Answer {
        let answer = answer(self.stack.functions.answer(request).await);
        contract::check_served("POST", "/v1/stripe/webhook", &answer);
        answer
    }
}
