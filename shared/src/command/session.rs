//! Sessions carried through: made for a service, entered by a link, opened by a token.

use super::Run;
use crate::decide::{Entrance, Row, Write};
use crate::domain::instant::Span;
use crate::domain::{AccountId, Catalog, Refusal};
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
pub struct Opened {
    pub session: Session,
    /// For the link, which works once.
    pub link: String,
    /// For the widget's Bearer header, or the page's cookie.
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
) -> Result<Opened, Failure> {
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
    let keys = keys(world).await?;
    let (link, token) =
        (keys.sign(&session, Audience::Link), keys.sign(&session, Audience::Customer));
    Ok(Opened { session, link, token })
}

/// Comes in by a link, once. The session that it opens ends when the link would have.
///
/// # Errors
/// [`Refusal::SessionRequired`] if the link is not accepted or was used.
pub async fn enter(world: &World, catalog: &Catalog, link: &str) -> Result<Opened, Failure> {
    let run = &Run::begin(world, catalog);
    let linked = verified(world, link, Audience::Link).await?;
    let id = world.entropy.mint(world.clock.now());
    let session = Session { id, ..linked.clone() };
    let entrance = Entrance {
        account: linked.account,
        link: linked.id,
        session: id,
        expires_at: linked.expires_at,
    };
    let write = Write::once(Row::Entrance(entrance));
    match super::retried(run, || world.store.commit(&write)).await? {
        Outcome::Done(_) => {}
        // We were here ourselves: the reply of an earlier attempt was lost.
        Outcome::RowRefused(_, Some(Row::Entrance(there))) if there.session == id => {}
        _ => return Err(Refusal::SessionRequired.into()),
    }
    let token = keys(world).await?.sign(&session, Audience::Customer);
    Ok(Opened { session, link: link.to_owned(), token })
}

/// The session that a customer's token opens.
///
/// # Errors
/// [`Refusal::SessionRequired`], whatever is wrong with the token.
pub async fn open(world: &World, token: &str) -> Result<Session, Failure> {
    verified(world, token, Audience::Customer).await
}

async fn verified(world: &World, token: &str, audience: Audience) -> Result<Session, Failure> {
    let now = world.clock.now();
    let mut verified = keys(world).await?.verify(token, audience, now);
    if verified == Err(TokenError::UnknownKey) {
        // Perhaps a new one, which this function has not read yet.
        verified = keys_again(world).await?.verify(token, audience, now);
    }
    verified.map_err(|error| {
        tracing::info!(%error, "a token is not accepted");
        Refusal::SessionRequired.into()
    })
}

async fn keys(world: &World) -> Result<Keys, NoKeys> {
    let secret = world.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.get(world.clock.now()).await?)?)
}

async fn keys_again(world: &World) -> Result<Keys, NoKeys> {
    let secret = world.session_keys.as_ref().ok_or(NoKeys::None)?;
    Ok(Keys::parse(&secret.again(world.clock.now()).await?)?)
}
