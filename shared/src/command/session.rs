//! Sessions carried through: made for a service, opened by a link, used, left.

use super::Run;
use crate::context::Context;
use crate::decide::{Expect, Field, Redemption, Row, RowKey, RowWrite, Write};
use crate::domain::instant::Span;
use crate::domain::{AccountId, Catalog, OperationId, Refusal};
use crate::failure::Failure;
use crate::query;
use crate::session::{Audience, Keys, NoKeys, Scope, Session, TokenError};
use crate::store::Outcome;

/// What a service asks of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    pub subject: String,
    pub scopes: Vec<Scope>,
    /// Checked: its origin is in the list.
    pub return_url: String,
    pub life: Span,
}

/// A session that was made, with what opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    pub session: Session,
    /// For the link, which works once.
    pub link: String,
    /// For the widget's Bearer header.
    pub token: String,
}

/// Makes a session for an account that is there. Nothing is written.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or what the store or the keys say.
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
/// What the keys say.
pub async fn seal(
    context: &Context,
    session: &Session,
    audience: Audience,
) -> Result<String, Failure> {
    Ok(keys(context).await?.seal(session, audience))
}

/// The session of a link, opened or not. It writes nothing: a look changes no link.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link is not accepted.
pub async fn linked(context: &Context, link: &str) -> Result<Session, Failure> {
    opened(context, link, Audience::Link).await
}

/// That no one has opened the session of a link yet.
///
/// # Errors
/// [`Refusal::SessionRequired`] if somebody has.
pub async fn unused(context: &Context, linked: &Session) -> Result<(), Failure> {
    match context.store.redemption(&linked.account, linked.id).await? {
        Some(_) => Err(over(linked)),
        None => Ok(()),
    }
}

/// Opens the session of a link once, for the first who asks. `by` tells who that is.
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
        // They were first themselves: the button was pressed twice, or the reply was lost.
        Outcome::RowRefused(_, Some(Row::Redemption(there))) if there.by == by && !there.left => {
            Ok(())
        }
        _ => Err(over(session)),
    }
}

/// The session of the widget's token.
///
/// # Errors
/// [`Refusal::SessionRequired`], whatever is wrong with the token.
pub async fn by_token(context: &Context, token: &str) -> Result<Session, Failure> {
    opened(context, token, Audience::Widget).await
}

/// The session of the page's cookie: one that a link opened and that nobody left.
///
/// # Errors
/// [`Refusal::SessionRequired`], whatever is wrong with it.
pub async fn by_cookie(context: &Context, cookie: &str) -> Result<Session, Failure> {
    let session = opened(context, cookie, Audience::Page).await?;
    match context.store.redemption(&session.account, session.id).await? {
        Some(redemption) if !redemption.left => Ok(session),
        _ => Err(over(&session)),
    }
}

/// Ends a session of the page, in every browser that has its cookie.
///
/// # Errors
/// What the store says.
pub async fn leave(context: &Context, catalog: &Catalog, session: &Session) -> Result<(), Failure> {
    let run = &Run::begin(context, catalog);
    let key = RowKey::Redemption(session.account.clone(), session.id);
    let write = Write::row(RowWrite::Set(key, Field::Left, Expect::Present));
    // Not there any more: it was over before.
    super::retried(run, || context.store.commit(&write)).await?;
    Ok(())
}

async fn opened(context: &Context, token: &str, audience: Audience) -> Result<Session, Failure> {
    let now = context.clock.now();
    let mut opened = keys(context).await?.open(token, audience, now);
    if opened == Err(TokenError::UnknownKey) {
        // Perhaps a new one, which this function has not read yet.
        opened = keys_again(context).await?.open(token, audience, now);
    }
    opened.map_err(|error| {
        tracing::info!(%error, "a token is not accepted");
        match error {
            TokenError::Expired(session) => over(&session),
            _ => Refusal::SessionRequired { return_url: None }.into(),
        }
    })
}

fn over(session: &Session) -> Failure {
    Refusal::SessionRequired { return_url: Some(session.return_url.clone()) }.into()
}

async fn keys(context: &Context) -> Result<Keys, NoKeys> {
    let secret = context.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.get(context.clock.now()).await?)?)
}

async fn keys_again(context: &Context) -> Result<Keys, NoKeys> {
    let secret = context.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.again(context.clock.now()).await?)?)
}
