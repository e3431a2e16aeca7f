//! The scenarios over HTTP, with a Stripe that reports its payments by webhook.

use std::collections::BTreeMap;

use local::stripe::Effect as Done;
use serde_json::Value;
use shared::domain::{Credits, Instant};

use super::language::{Effect, Player, Reply};
use crate::support::shop::Shop;
use crate::support::{Answer, request};

pub(super) struct Front {
    shop: Shop,
    /// The ids of operations, by the scenario's own names.
    ids: BTreeMap<String, String>,
    /// Stripe's sessions of orders, likewise.
    sessions: BTreeMap<String, String>,
    /// The number of operators' operations: each has a key of its own.
    operations: usize,
}

impl Front {
    pub(super) async fn noon() -> Front {
        Front {
            shop: Shop::noon().await,
            ids: BTreeMap::new(),
            sessions: BTreeMap::new(),
            operations: 0,
        }
    }
}

impl Player for Front {
    async fn clock(&mut self, now: Instant) {
        self.shop.stack.clock.set(now);
    }

    async fn play(&mut self, account: &str, effect: &Effect<'_>) -> Reply {
        let stack = self.shop.stack.clone();
        let reason = || r#"{"reason":"a scenario"}"#.to_owned();
        match *effect {
            Effect::Clock(_) => unreachable!("the clock is not an account's"),
            Effect::Open { plan, anchor } => self.put(account, plan, anchor).await,
            Effect::Plan { plan, anchor } => match self.put(account, plan, anchor).await {
                // A plan's credits come with the advance after its receipt.
                Reply { code: None, .. } => said(&stack.balance(account).await),
                refused => refused,
            },
            Effect::Freeze => self.operate("POST", account, "/freeze", reason()).await,
            Effect::Unfreeze => self.operate("POST", account, "/unfreeze", reason()).await,
            Effect::Waive => self.operate("POST", account, "/debt/waive", reason()).await,
            Effect::Grant { credits, until } => {
                let until = until.map_or(String::new(), |at| format!(r#","expires_at":"{at}""#));
                let body = format!(r#"{{"credits":"{credits}","reason":"a scenario"{until}}}"#);
                self.operate("POST", account, "/grants", body).await
            }
            Effect::Debit { credits, operation } => {
                let body = format!(r#"{{"credits":"{credits}"}}"#);
                self.serve(account, operation, "debits", &body).await
            }
            Effect::Hold { credits, life_s, operation } => {
                let body = format!(r#"{{"credits":"{credits}","expires_in_s":{life_s}}}"#);
                self.serve(account, operation, "holds", &body).await
            }
            Effect::Capture { hold, credits, ends, operation } => {
                let path = format!("holds/{}/capture", self.id(hold));
                let body = format!(r#"{{"credits":"{credits}","final":{ends}}}"#);
                self.serve(account, operation, &path, &body).await
            }
            Effect::Release { hold, operation } => {
                let path = format!("holds/{}/release", self.id(hold));
                self.serve(account, operation, &path, "{}").await
            }
            Effect::Extend { hold, life_s, operation } => {
                let path = format!("holds/{}/extend", self.id(hold));
                let body = format!(r#"{{"expires_in_s":{life_s}}}"#);
                self.serve(account, operation, &path, &body).await
            }
            Effect::Refund { debit, credits, operation } => {
                let path = format!("debits/{}/refund", self.id(debit));
                let body = format!(r#"{{"credits":"{credits}","reason":"a scenario"}}"#);
                self.serve(account, operation, &path, &body).await
            }
            Effect::Balance => said(&stack.balance(account).await),
            Effect::Buy { pack, order } => {
                let (_, session) = self.shop.buy(account, order, pack).await;
                self.sessions.insert(order.to_owned(), session);
                said(&stack.balance(account).await)
            }
            Effect::Return { order, minor } => {
                self.act(account, order, Done::Refund { minor }).await
            }
            Effect::Dispute { order } => self.act(account, order, Done::Dispute).await,
            Effect::Lose { order } => self.act(account, order, Done::Lose).await,
            Effect::Win { order } => self.act(account, order, Done::Win).await,
        }
    }
}

impl Front {
    /// An id that does not exist stands for an operation that never happened.
    fn id(&self, name: &str) -> &str {
        self.ids.get(name).map_or("01a20132-08af-7fb3-8350-6bdcd05e3b83", String::as_str)
    }

    async fn put(&mut self, account: &str, plan: &str, anchor: Option<&str>) -> Reply {
        let anchor = anchor.map_or(String::new(), |day| format!(r#","anchor":"{day}""#));
        self.operate("PUT", account, "", format!(r#"{{"plan":"{plan}"{anchor}}}"#)).await
    }

    /// Sends a request as an operator.
    async fn operate(&mut self, method: &str, account: &str, path: &str, body: String) -> Reply {
        self.operations += 1;
        let (key, path) = (self.operations, format!("/v1/accounts/{account}{path}"));
        let request = request(method, &path, Some(&format!("operation {key}")), &body);
        said(&self.shop.stack.send(request).await)
    }

    /// Sends a request as a service.
    async fn serve(&mut self, account: &str, operation: &str, path: &str, body: &str) -> Reply {
        let path = format!("/v1/accounts/{account}/{path}");
        let answer = self.shop.stack.post(&path, operation, body).await;
        if answer.status == 201 {
            self.ids.insert(operation.to_owned(), answer.text("/id").to_owned());
        }
        said(&answer)
    }

    /// Applies an effect to a payment, and reads the balance once the webhook has processed it.
    async fn act(&self, account: &str, order: &str, done: Done) -> Reply {
        self.shop.act(&self.sessions[order], done).await;
        said(&self.shop.stack.balance(account).await)
    }
}

fn said(answer: &Answer) -> Reply {
    let body = &answer.body;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    // A requested amount is never zero, so that a zero is not read as one.
    let credits = |path: &str| match text(path)? {
        "0" => Some(Credits::ZERO),
        credits => Some(credits.parse().expect("credits")),
    };
    Reply {
        code: text("/code").map(str::to_owned),
        ended: text("/ended").map(str::to_owned),
        available: credits("/balance/available").or_else(|| credits("/available")),
        held: credits("/balance/held").or_else(|| credits("/held")).unwrap_or_default(),
        debt: credits("/debt").unwrap_or_default(),
        refunded: credits("/refunded").unwrap_or_default(),
        same_receipt: answer.replayed,
    }
}
