//! Lasting sessions: the start page's links still work after the stack's clock is moved.
//!
//! The functions accept no session of more than an hour. So the browser gets a name that only this
//! process knows, and in each request the name is replaced by its session, as if it were made now.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use lambda_http::Request;
use lambda_http::http::HeaderValue;
use shared::command::session::{self, Made, SessionRequest};
use shared::context::Context;
use shared::domain::AccountId;
use shared::failure::Failure;
use shared::session::{LONGEST, Scope, Session};
use shared::token::Audience;

/// The prefix of a name. A token of the functions begins with the id of a key and a dot.
const PREFIX: &str = "lasting-";
/// The most names that are known: the oldest are dropped.
const MAX_NAMES: usize = 1000;
/// The time that a browser keeps the cookie: a year, by its own clock.
const MAX_AGE_S: i64 = 31_536_000;
/// The address that the customer's page leads back to: the start page, also with a session.
pub(super) const RETURN_PATH: &str = "/_local/start/";

/// The names, each with its session. They end with the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting(Arc<Mutex<VecDeque<(String, Session)>>>);

impl Lasting {
    /// A new name for a session of `account`: for a cookie, or as a Bearer token.
    ///
    /// # Errors
    /// If no session can be made.
    pub(super) async fn open(
        &self,
        context: &Context,
        account: AccountId,
    ) -> Result<String, Failure> {
        let session = make(context, account).await?.session;
        session::redeem(context, &*context.catalog().await, &session, session.id).await?;
        let name = format!("{PREFIX}{:016x}", context.entropy.below(u64::MAX));
        let mut names = self.0.lock().expect("no one panics with the lock");
        names.push_back((name.clone(), session));
        if names.len() > MAX_NAMES {
            names.pop_front();
        }
        Ok(name)
    }

    /// The request, with each known name replaced by a current session.
    pub(super) async fn recognized(&self, context: &Context, mut request: Request) -> Request {
        for (header, audience) in [("cookie", Audience::Page), ("authorization", Audience::Widget)]
        {
            let text = request.headers().get(header).and_then(|value| value.to_str().ok());
            let Some((text, name)) = text.and_then(|text| Some((text.to_owned(), named(text)?)))
            else {
                continue;
            };
            let Some(token) = self.token(context, &name, audience).await else { continue };
            if let Ok(value) = HeaderValue::from_str(&text.replace(&name, &token)) {
                request.headers_mut().insert(header, value);
            }
        }
        request
    }

    /// A current token. None: the name is not known.
    async fn token(&self, context: &Context, name: &str, audience: Audience) -> Option<String> {
        let session = {
            let names = self.0.lock().expect("no one panics with the lock");
            names.iter().find(|(known, _)| known == name)?.1.clone()
        };
        let now = context.clock.now();
        let session = Session { issued_at: now, expires_at: now + LONGEST, ..session };
        session::seal(context, &session, audience).await.ok()
    }
}

/// Makes a session of a customer who may buy, and who returns to the start page.
///
/// # Errors
/// If no session can be made.
pub(super) async fn make(context: &Context, account: AccountId) -> Result<Made, Failure> {
    let base = context.config.public_url.clone().unwrap_or_default();
    let request = SessionRequest {
        subject: "ada".to_owned(),
        scopes: Scope::ALL.to_vec(),
        return_url: format!("{base}{RETURN_PATH}"),
        currency: None,
        locale: None,
        life: LONGEST,
    };
    session::make(context, account, request).await
}

/// The cookie with a name.
pub(super) fn cookie(name: &str) -> String {
    shared::http::customer::cookie(name, MAX_AGE_S)
}

/// The name in a header: after the cookie's own, or after `Bearer`.
fn named(text: &str) -> Option<String> {
    let parts = text.split([';', ' ', '=']).map(str::trim);
    parts.into_iter().find(|part| part.starts_with(PREFIX)).map(str::to_owned)
}
