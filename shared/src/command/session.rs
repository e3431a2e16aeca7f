//! Sessions carried through: made for a service, opened by a link, used, left.

use super::Run;
use crate::decide::{Expect, Field, Redemption, Row, RowKey, RowWrite, Write};
use crate::domain::instant::Span;
use crate::domain::{AccountId, Catalog, OperationId, Refusal};
use crate::failure::Failure;
use crate::query;
use crate::session::{Audience, Keys, NoKeys, Scope, Session, TokenError};
use crate::store::Outcome;
use crate::world::World;

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
    world: &World,
    account: AccountId,
    request: SessionRequest,
) -> Result<Made, Failure> {
    query::account(world, &account).await?;
    let now = world.clock.now();
    let session = Session {
        id: world.entropy.mint(now),
        account,
        subject: request.subject,
        scopes: request.scopes,
        return_url: request.return_url,
        issued_at: now,
        expires_at: now + request.life,
    };
    let link = seal(world, &session, Audience::Link).await?;
    let token = seal(world, &session, Audience::Widget).await?;
    Ok(Made { session, link, token })
}

/// The token of a session, for one audience.
///
/// # Errors
/// What the keys say.
pub async fn seal(world: &World, session: &Session, audience: Audience) -> Result<String, Failure> {
    Ok(keys(world).await?.seal(session, audience))
}

/// The session of a link, opened or not. It writes nothing: a look changes no link.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link is not accepted.
pub async fn linked(world: &World, link: &str) -> Result<Session, Failure> {
    opened(world, link, Audience::Link).await
}

/// That no one has opened the session of a link yet.
///
/// # Errors
/// [`Refusal::SessionRequired`] if somebody has.
pub async fn unused(world: &World, linked: &Session) -> Result<(), Failure> {
    match world.store.redemption(&linked.account, linked.id).await? {
        Some(_) => Err(over(linked)),
        None => Ok(()),
    }
}

/// Opens the session of a link once, for the first who asks. `by` tells who that is.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link was used by somebody else, or was left.
pub async fn redeem(
    world: &World,
    catalog: &Catalog,
    session: &Session,
    by: OperationId,
) -> Result<(), Failure> {
    let run = &Run::begin(world, catalog);
    let redemption = Redemption {
        account: session.account.clone(),
        id: session.id,
        by,
        expires_at: session.expires_at,
        left: false,
    };
    let write = Write::once(Row::Redemption(redemption));
    match super::retried(run, || world.store.commit(&write)).await? {
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
pub async fn by_token(world: &World, token: &str) -> Result<Session, Failure> {
    opened(world, token, Audience::Widget).await
}

/// The session of the page's cookie: one that a link opened and that nobody left.
///
/// # Errors
/// [`Refusal::SessionRequired`], whatever is wrong with it.
pub async fn by_cookie(world: &World, cookie: &str) -> Result<Session, Failure> {
    let session = opened(world, cookie, Audience::Page).await?;
    match world.store.redemption(&session.account, session.id).await? {
        Some(redemption) if !redemption.left => Ok(session),
        _ => Err(over(&session)),
    }
}

/// Ends a session of the page, in every browser that has its cookie.
///
/// # Errors
/// What the store says.
pub async fn leave(world: &World, catalog: &Catalog, session: &Session) -> Result<(), Failure> {
    let run = &Run::begin(world, catalog);
    let key = RowKey::Redemption(session.account.clone(), session.id);
    let write = Write::row(RowWrite::Set(key, Field::Left, Expect::Present));
    // Not there any more: it was over before.
    super::retried(run, || world.store.commit(&write)).await?;
    Ok(())
}

async fn opened(world: &World, token: &str, audience: Audience) -> Result<Session, Failure> {
    let now = world.clock.now();
    let mut opened = keys(world).await?.open(token, audience, now);
    if opened == Err(TokenError::UnknownKey) {
        // Perhaps a new one, which this function has not read yet.
        opened = keys_again(world).await?.open(token, audience, now);
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

async fn keys(world: &World) -> Result<Keys, NoKeys> {
    let secret = world.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.get(world.clock.now()).await?)?)
}

async fn keys_again(world: &World) -> Result<Keys, NoKeys> {
    let secret = world.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.again(world.clock.now()).await?)?)
}
