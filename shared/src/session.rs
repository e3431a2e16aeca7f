//! Sessions: a sealed, short-lived permission to see one account, and perhaps to buy credits for
//! it.

use serde::{Deserialize, Serialize};

use crate::domain::instant::Span;
use crate::domain::{AccountId, Currency, Instant, Locale, OperationId};
use crate::secrets::SecretError;
use crate::token::{Audience, Keys, KeysError, SealError};

/// How long a session lives at most, and by default.
pub const LONGEST: Span = Span::from_s(3600);
/// How long a session lives at least.
pub const SHORTEST: Span = Span::from_s(60);

/// A customer's permissions, given by the service that made the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: OperationId,
    pub account: AccountId,
    /// The customer, named in the service's words.
    pub subject: String,
    /// Permissions beyond seeing the account.
    pub scopes: Vec<Scope>,
    /// Where the customer came from and goes back to; its origin was in the list.
    pub return_url: String,
    /// The currency in which packs are offered to them, if they are sold in it.
    pub currency: Option<Currency>,
    /// The language that they read. None: one of their browser's.
    pub locale: Option<Locale>,
    pub issued_at: Instant,
    pub expires_at: Instant,
}

/// One permission of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To see the account. Every session has it.
    View,
    /// To buy credits for it.
    Buy,
    /// To change its limits.
    Limits,
}

/// Why a token is not accepted. The customer gets the same answer in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// It was valid once: the session tells where its customer came from.
    #[error("it has expired")]
    Expired(Box<Session>),
    #[error("it is not valid yet")]
    Early,
}

/// The claims of a token, as JSON. Times are milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    account: String,
    subject: String,
    scopes: Vec<Scope>,
    return_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    issued_ms: i64,
    expires_ms: i64,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::View, Scope::Buy, Scope::Limits];

    pub fn name(self) -> &'static str {
        match self {
            Scope::View => "view",
            Scope::Buy => "buy",
            Scope::Limits => "limits",
        }
    }
}

impl Session {
    pub fn allows(&self, scope: Scope) -> bool {
        scope == Scope::View || self.scopes.contains(&scope)
    }
}

impl Keys {
    /// The token of a session, for one audience. A session never changes, so its token is always
    /// the same.
    pub fn seal(&self, session: &Session, audience: Audience) -> String {
        let claims = Claims {
            account: session.account.to_string(),
            subject: session.subject.clone(),
            scopes: session.scopes.clone(),
            return_url: session.return_url.clone(),
            currency: session.currency.map(|currency| currency.to_string()),
            locale: session.locale.as_ref().map(ToString::to_string),
            issued_ms: session.issued_at.ms(),
            expires_ms: session.expires_at.ms(),
        };
        let json = serde_json::to_vec(&claims).expect("claims are plain values");
        self.seal_claims(audience, session.id, json)
    }

    /// The session of a token, if one of the keys sealed it for this audience and it is valid now.
    ///
    /// # Errors
    /// [`TokenError`], for the log.
    pub fn open(
        &self,
        token: &str,
        audience: Audience,
        now: Instant,
    ) -> Result<Session, TokenError> {
        let (id, json) = self.open_claims(audience, token)?;
        // The seal is valid, so we wrote these claims ourselves.
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| SealError::Malformed)?;
        let currency = claims.currency.map(|currency| currency.parse()).transpose();
        let locale = claims.locale.map(|locale| locale.parse()).transpose();
        let session = Session {
            id,
            account: claims.account.parse().map_err(|_| SealError::Malformed)?,
            subject: claims.subject,
            scopes: claims.scopes,
            return_url: claims.return_url,
            currency: currency.map_err(|_| SealError::Malformed)?,
            locale: locale.map_err(|_| SealError::Malformed)?,
            issued_at: Instant::from_ms(claims.issued_ms),
            expires_at: Instant::from_ms(claims.expires_ms),
        };
        // The clocks of two functions differ by seconds; no token of ours lives longer than this.
        if now + crate::decide::SKEW < session.issued_at
            || session.expires_at - session.issued_at > LONGEST
        {
            return Err(TokenError::Early);
        }
        match session.expires_at <= now {
            true => Err(TokenError::Expired(Box::new(session))),
            false => Ok(session),
        }
    }
}

/// Why no session can be made or opened: for an operator, not for the caller.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    #[error("this function has no session keys")]
    None,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}
