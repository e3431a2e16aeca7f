//! Makes an account for every state that the customer's page can show, by requests to the functions
//! and payments by the local Stripe.

use http::Method;
use lambda_http::{Body, Request};
use serde_json::{Value, json};
use shared::domain::instant::Span;

use crate::routes::Functions;
use crate::stripe::{Effect, LocalStripe};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An account, and the steps into its state.
pub struct State {
    pub account: &'static str,
    pub plan: &'static str,
    /// The state that its page shows.
    pub shows: &'static str,
    steps: &'static [Step],
}

enum Step {
    /// Puts the plan again, with this status.
    Status(&'static str),
    /// Sends this body to a route of the account.
    Post(&'static str, &'static str),
    /// Sends the same body this often: each is its own operation.
    Many(usize, &'static str, &'static str),
    /// Grants credits that expire after this many days.
    Expiring(i64),
    /// Orders a pack.
    Order(&'static str),
    /// Applies this effect to the latest payment of the account.
    Pays(Effect),
}

use Step::{Expiring, Many, Order, Pays, Post, Status};

/// The accounts, in addition to those of [`crate::seed`].
pub const STATES: [State; 14] = [
    State {
        account: "busy",
        plan: "pro",
        shows: "every action, spent by several people",
        steps: &[
            Post("grants", r#"{"credits":"150","reason":"a gift","message":"A gift"}"#),
            Post("debits", r#"{"action":"dynamic_video","quantity":412,"user":"mia"}"#),
            Post("debits", r#"{"action":"custom_image","quantity":623,"user":"noah"}"#),
            Post("debits", r#"{"action":"feed_field","quantity":9640,"user":"feed"}"#),
            Post("debits", r#"{"action":"rich_text","quantity":58,"user":"mia"}"#),
            Post("debits", r#"{"action":"image_alt_text","quantity":37,"user":"noah"}"#),
            Post("debits", r#"{"action":"background_removal","quantity":9,"user":"מיה"}"#),
            Post("holds", r#"{"action":"dynamic_video","quantity":12,"user":"mia"}"#),
        ],
    },
    State {
        account: "low",
        plan: "free",
        shows: "two credits are left",
        steps: &[Post("debits", r#"{"action":"rich_text","quantity":23}"#)],
    },
    State {
        account: "empty",
        plan: "free",
        shows: "out of credits",
        steps: &[Post("debits", r#"{"credits":"25"}"#)],
    },
    State {
        account: "held",
        plan: "free",
        shows: "credits held for work in progress",
        steps: &[Post("holds", r#"{"action":"dynamic_video","quantity":10,"expires_in_s":86400}"#)],
    },
    State {
        account: "frozen",
        plan: "pro",
        shows: "frozen by an operator",
        steps: &[Post("freeze", r#"{"reason":"abuse","message":"We are looking into it"}"#)],
    },
    State {
        account: "standard",
        plan: "standard",
        shows: "a plan without AI, with a gift that is kept",
        steps: &[Post("grants", r#"{"credits":"40","reason":"a gift","message":"A gift"}"#)],
    },
    State {
        account: "canceled",
        plan: "pro",
        shows: "the plan was canceled",
        steps: &[Status("canceled")],
    },
    State {
        account: "past-due",
        plan: "pro",
        shows: "a payment for the plan failed",
        steps: &[Status("past_due")],
    },
    State {
        account: "debt",
        plan: "pro",
        shows: "a payment was reversed: in debt, no credits left",
        steps: &[
            Order("starter"),
            Pays(Effect::Pay),
            Post("debits", r#"{"credits":"3000"}"#),
            Pays(Effect::Dispute),
        ],
    },
    State {
        account: "owing",
        plan: "free",
        shows: "in debt, with a gift to spend",
        steps: &[
            Order("starter"),
            Pays(Effect::Pay),
            Post("debits", r#"{"credits":"525"}"#),
            Pays(Effect::Dispute),
            Post("grants", r#"{"credits":"40","reason":"a gift","message":"A gift"}"#),
        ],
    },
    State {
        account: "processing",
        plan: "free",
        shows: "a payment is on its way",
        steps: &[Order("starter"), Pays(Effect::PayLater)],
    },
    State {
        account: "grants",
        plan: "pro",
        shows: "many grants, included and purchased",
        steps: &[
            Many(8, "grants", r#"{"credits":"12.5","reason":"late","message":"A late delivery"}"#),
            Expiring(40),
            Expiring(80),
            Order("starter"),
            Pays(Effect::Pay),
            Order("team"),
            Pays(Effect::Pay),
        ],
    },
    State {
        account: "ending",
        plan: "free",
        shows: "credits that expire in two days",
        steps: &[Expiring(2)],
    },
    State {
        account: "ledger",
        plan: "pro",
        shows: "a long ledger",
        steps: &[Many(70, "debits", r#"{"action":"custom_image","quantity":3,"user":"noah"}"#)],
    },
];

/// Opens every account and brings it into its state. A stack that is started again has them
/// already, and leaves them as they are now. Without a local Stripe the steps with payments are
/// skipped.
///
/// The local Stripe must be served: the functions ask it for a page.
///
/// # Errors
/// If a request is refused.
pub async fn seed(functions: &Functions, stripe: Option<&LocalStripe>) -> Result<(), Error> {
    for state in &STATES {
        let (open, body) = (Call::new(state, "open"), json!({ "plan": state.plan }).to_string());
        if open.send(functions, Method::PUT, "", &body).await? {
            continue;
        }
        for (number, step) in state.steps.iter().enumerate() {
            take(functions, stripe, state, number, step).await?;
        }
    }
    Ok(())
}

async fn take(
    functions: &Functions,
    stripe: Option<&LocalStripe>,
    state: &State,
    number: usize,
    step: &Step,
) -> Result<(), Error> {
    let call = Call::new(state, &number.to_string());
    match (step, stripe) {
        (Status(status), _) => {
            let body = json!({ "plan": state.plan, "status": status }).to_string();
            call.send(functions, Method::PUT, "", &body).await?;
        }
        (Post(route, body), _) => {
            call.send(functions, Method::POST, route, body).await?;
        }
        (Many(times, route, body), _) => {
            for time in 0..*times {
                let call = Call::new(state, &format!("{number}-{time}"));
                call.send(functions, Method::POST, route, body).await?;
            }
        }
        (Expiring(days), _) => {
            let end = functions.context().clock.now() + Span::from_s(days * 86_400);
            let body = json!({ "credits": "30", "reason": "a campaign", "kind": "promotional",
                "expires_at": end });
            call.send(functions, Method::POST, "grants", &body.to_string()).await?;
        }
        (Order(pack), Some(_)) => call.order(functions, pack).await?,
        (Pays(effect), Some(stripe)) => {
            let session = stripe.latest_of(state.account).ok_or("nothing was ordered")?;
            stripe.act(&session, *effect)?;
            stripe.deliver(functions).await;
        }
        (Order(_) | Pays(_), None) => {}
    }
    Ok(())
}

/// One request for an account, under a fixed key.
struct Call<'a> {
    account: &'a str,
    key: String,
}

impl Call<'_> {
    fn new<'a>(state: &State, number: &str) -> Call<'a> {
        Call { account: state.account, key: format!("state-{}-{number}", state.account) }
    }

    /// Sends a request. Returns whether it is a replay.
    async fn send(
        &self,
        functions: &Functions,
        method: Method,
        route: &str,
        body: &str,
    ) -> Result<bool, Error> {
        let path = format!("/v1/accounts/{}/{route}", self.account);
        let request = http::Request::builder().method(method).uri(path.trim_end_matches('/'));
        let request = request.header("idempotency-key", &self.key);
        Ok(self.answered(functions, request.body(Body::from(body))?).await?.0)
    }

    /// Orders a pack as a customer with a session.
    async fn order(&self, functions: &Functions, pack: &str) -> Result<(), Error> {
        let base = functions.context().config.public_url.clone().unwrap_or_default();
        let body = json!({ "subject": "ada", "scopes": ["buy"], "return_url": format!("{base}/") });
        let path = format!("/v1/accounts/{}/sessions", self.account);
        let made = http::Request::post(path).body(Body::from(body.to_string()))?;
        let token = self.answered(functions, made).await?.1["token"].take();
        let order = http::Request::post("/v1/me/checkouts")
            .header("authorization", format!("Bearer {}", token.as_str().unwrap_or_default()))
            .header("idempotency-key", &self.key)
            .header("content-type", "application/json")
            .body(Body::from(json!({ "pack": pack }).to_string()))?;
        self.answered(functions, order).await.map(drop)
    }

    /// Returns whether it is a replay, and the answer.
    async fn answered(
        &self,
        functions: &Functions,
        request: Request,
    ) -> Result<(bool, Value), Error> {
        let response = functions.answer(request).await;
        let body: Value = serde_json::from_slice(response.body())?;
        match response.status().is_success() {
            true => Ok((response.headers().contains_key("idempotent-replayed"), body)),
            false => Err(format!("the state {}, {}: {body}", self.account, self.key).into()),
        }
    }
}
