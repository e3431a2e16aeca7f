//! Sessions: made for a service, opened by a link, used, and left.

use super::Run;
use crate::context::Context;
use crate::decide::{Expect, Field, Redemption, Row, RowKey, RowWrite, Write};
use crate::domain::instant::Span;
use crate::domain::{AccountId, Catalog, Currency, Locale, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::query;
use crate::secrets::Secret;
use crate::session::{NoKeys, Scope, Session, TokenError};
use crate::store::Outcome;
use crate::telemetry::correlation;
use crate::token::{Audience, Keys};

/// A service's request for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    pub subject: String,
    pub scopes: Vec<Scope>,
    /// Its origin is in the list: this was checked.
    pub return_url: String,
    /// The currency in which packs are offered, if they are sold in it.
    pub currency: Option<Currency>,
    /// The language that the customer reads. None: one of their browser's.
    pub locale: Option<Locale>,
    pub life: Span,
}

/// A new session, with its link and its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    pub session: Session,
    /// For the link, which works once.
    pub link: String,
    /// For the widget's Bearer header.
    pub token: String,
}

/// Makes a session for an existing account. Writes nothing.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or an error of the store or the keys.
pub async fn make(
    context: &Context,
    account: AccountId,
    request: SessionRequest,
) -> Result<Made, Failure> {
    query::account(context, &account).await?;
    let now = context.clock.now();
    let session = Session {
        id: context.entropy.mint(now),
        account,
        subject: request.subject,
        scopes: request.scopes,
        return_url: request.return_url,
        currency: request.currency,
        locale: request.locale,
        issued_at: now,
        expires_at: now + request.life,
    };
    let link = seal(context, &session, Audience::Link).await?;
    let token = seal(context, &session, Audience::Widget).await?;
    Ok(Made { session, link, token })
}

/// The token of a session, for one audience.
///
/// # Errors
/// An error of the keys.
pub async fn seal(
    context: &Context,
    session: &Session,
    audience: Audience,
) -> Result<String, Failure> {
    Ok(keys(context).await?.seal(session, audience))
}

/// The session of a link, opened or not. Writes nothing: a look does not use up a link.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link is not accepted.
pub async fn linked(context: &Context, link: &str) -> Result<Session, Failure> {
    opened(context, link, Audience::Link).await
}

/// Checks that nobody has opened the session of a link yet.
///
/// # Errors
/// [`Refusal::SessionRequired`] if somebody has.
pub async fn unused(context: &Context, linked: &Session) -> Result<(), Failure> {
    match context.store.redemption(&linked.account, linked.id).await? {
        Some(_) => Err(over(context, linked)),
        None => Ok(()),
    }
}

/// Opens the session of a link once, for the first visitor. `by` identifies the visitor.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link was used by somebody else, or was left.
pub async fn redeem(
    context: &Context,
    catalog: &Catalog,
    session: &Session,
    by: OperationId,
) -> Result<(), Failure> {
    let run = &Run::begin(context, catalog);
    let redemption = Redemption {
        account: session.account.clone(),
        id: session.id,
        by,
        expires_at: session.expires_at,
        left: false,
    };
    let write = Write::create(Row::Redemption(redemption));
    match super::retried(run, || context.store.commit(&write)).await? {
        Outcome::Done(_) => Ok(()),
        // The same visitor redeemed it before: they pressed the button twice, or the reply was
        // lost.
        Outcome::RowRefused(_, Some(Row::Redemption(there))) if there.by == by && !there.left => {
            Ok(())
        }
        _ => Err(over(context, session)),
    }
}

/// The session of the widget's token.
///
/// # Errors
/// [`Refusal::SessionRequired`] for any fault of the token.
pub async fn by_token(context: &Context, token: &str) -> Result<Session, Failure> {
    opened(context, token, Audience::Widget).await
}

/// The session of the page's cookie: one that a link opened and that nobody left.
///
/// # Errors
/// [`Refusal::SessionRequired`] for any fault of the cookie.
pub async fn by_cookie(context: &Context, cookie: &str) -> Result<Session, Failure> {
    let session = opened(context, cookie, Audience::Page).await?;
    match context.store.redemption(&session.account, session.id).await? {
        Some(redemption) if !redemption.left => Ok(session),
        _ => Err(over(context, &session)),
    }
}

/// Ends a session of the page, in every browser that has its cookie.
///
/// # Errors
/// An error of the store.
pub async fn leave(context: &Context, catalog: &Catalog, session: &Session) -> Result<(), Failure> {
    let run = &Run::begin(context, catalog);
    let key = RowKey::Redemption(session.account.clone(), session.id);
    let write = Write::row(RowWrite::Set(key, Field::Left, Expect::Present));
    // If the redemption does not exist any more, the session was over already.
    super::retried(run, || context.store.commit(&write)).await?;
    Ok(())
}

async fn opened(context: &Context, token: &str, audience: Audience) -> Result<Session, Failure> {
    let now = context.clock.now();
    let keys: Result<Keys, NoKeys> = Keys::for_token(secret(context)?, audience, token, now).await;
    let opened = keys?.open(token, audience, now);
    if let Ok(session) = &opened {
        correlation::account(&session.account);
    }
    opened.map_err(|error| {
        tracing::info!(%error, "a token is not accepted");
        match error {
            TokenError::Expired(session) => over(context, &session),
            _ => refused(context, None),
        }
    })
}

/// The refusal of a session that is over, with the way back.
fn over(context: &Context, session: &Session) -> Failure {
    refused(context, Some(session.return_url.clone()))
}

/// Refuses a token, and counts it.
fn refused(context: &Context, return_url: Option<String>) -> Failure {
    context.metrics.add(Metric::SessionsRefused, 1);
    Refusal::SessionRequired { return_url }.into()
}

async fn keys(context: &Context) -> Result<Keys, NoKeys> {
    Ok(Keys::parse(&secret(context)?.get(context.clock.now()).await?)?)
}

fn secret(context: &Context) -> Result<&Secret, NoKeys> {
    context.session_keys.as_ref().ok_or(NoKeys::None)
}
