//! Sessions: a signed, short-lived leave to see one account, and perhaps to top it up.
//!
//! A token is `payload.mac`, both in base64url: JSON, and its HMAC-SHA256. It is no JWT. We alone
//! make tokens and we alone check them, so there is nothing to agree on with others, and a header
//! that names its own algorithm is only one more thing that could be believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::instant::Span;
use crate::domain::{AccountId, Instant, OperationId};
use crate::secrets::SecretError;

/// How long a session lives at most, and if nothing else is asked for.
pub const LONGEST: Span = Span::from_s(3600);
/// How long it lives at least.
pub const SHORTEST: Span = Span::from_s(60);
/// The longest token that is looked at, in bytes: a header of 8 KiB holds it.
const MOST_BYTES: usize = 4096;
/// The shortest key, in bytes: as long as what the hash returns.
const LEAST_KEY_BYTES: usize = 32;

/// What a customer may do, by the service that made the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: OperationId,
    pub account: AccountId,
    /// Who the customer is, in the service's words.
    pub subject: String,
    /// Beyond seeing the account.
    pub scopes: Vec<Scope>,
    /// Where the customer came from and goes back to; its origin was in the list.
    pub return_url: String,
    pub issued_at: Instant,
    pub expires_at: Instant,
}

/// What a session allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To see the account. Every session does.
    View,
    /// To buy credits for it.
    Buy,
}

/// What a token is for. One is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The link: it works once.
    Link,
    /// The cookie of the page, or the widget's Bearer header.
    Customer,
}

/// Why a token is not accepted. The customer is told one thing in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is not a token")]
    Malformed,
    #[error("its key is not known")]
    UnknownKey,
    #[error("its signature is wrong")]
    Forged,
    #[error("it is for something else")]
    OtherAudience,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    Early,
}

/// The keys that sign: the first signs and checks, the second only checks, while they are rotated.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    bytes: Vec<u8>,
}

/// The keys are not what they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session keys: {0}")]
pub struct KeysError(&'static str);

/// What a token says, as JSON. Times are milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    key: String,
    audience: String,
    id: String,
    account: String,
    subject: String,
    scopes: Vec<Scope>,
    return_url: String,
    issued_ms: i64,
    expires_ms: i64,
}

impl Scope {
    pub const ALL: [Scope; 2] = [Scope::View, Scope::Buy];

    pub fn name(self) -> &'static str {
        match self {
            Scope::View => "view",
            Scope::Buy => "buy",
        }
    }
}

impl Audience {
    fn name(self) -> &'static str {
        match self {
            Audience::Link => "scrip:link",
            Audience::Customer => "scrip:customer",
        }
    }
}

impl Session {
    pub fn allows(&self, scope: Scope) -> bool {
        scope == Scope::View || self.scopes.contains(&scope)
    }
}

impl Keys {
    /// Reads `{"id","key"}` and, while keys are rotated, `"previous": {"id","key"}` in it. A key is
    /// a random text of at least 32 bytes.
    ///
    /// # Errors
    /// [`KeysError`] says what is wrong, and never shows a key.
    pub fn parse(secret: &str) -> Result<Keys, KeysError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Current {
            id: String,
            key: String,
            previous: Option<Previous>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Previous {
            id: String,
            key: String,
        }
        let read: Current = serde_json::from_str(secret)
            .map_err(|_| KeysError("must be JSON with id, key and perhaps previous"))?;
        let mut keys = vec![Key { id: read.id, bytes: read.key.into_bytes() }];
        keys.extend(read.previous.map(|p| Key { id: p.id, bytes: p.key.into_bytes() }));
        if keys.iter().any(|key| key.bytes.len() < LEAST_KEY_BYTES) {
            return Err(KeysError("a key must have at least 32 bytes"));
        }
        if keys.iter().any(|key| key.id.is_empty() || key.id.len() > 64) {
            return Err(KeysError("an id must have 1 to 64 bytes"));
        }
        if keys.len() == 2 && keys[0].id == keys[1].id {
            return Err(KeysError("two keys must have two ids"));
        }
        Ok(Keys(keys))
    }

    /// The token of a session, for one audience.
    pub fn sign(&self, session: &Session, audience: Audience) -> String {
        let key = &self.0[0];
        let claims = Claims {
            key: key.id.clone(),
            audience: audience.name().to_owned(),
            id: session.id.to_string(),
            account: session.account.to_string(),
            subject: session.subject.clone(),
            scopes: session.scopes.clone(),
            return_url: session.return_url.clone(),
            issued_ms: session.issued_at.ms(),
            expires_ms: session.expires_at.ms(),
        };
        let json = serde_json::to_vec(&claims).expect("claims are plain values");
        let payload = URL_SAFE_NO_PAD.encode(json);
        let mac = key.mac(&payload).finalize().into_bytes();
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The session of a token that one of the keys signed, for this audience, valid now.
    ///
    /// # Errors
    /// [`TokenError`], for the log.
    pub fn verify(
        &self,
        token: &str,
        audience: Audience,
        now: Instant,
    ) -> Result<Session, TokenError> {
        if token.len() > MOST_BYTES {
            return Err(TokenError::Malformed);
        }
        let (payload, mac) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
        let (json, mac) = (decode(payload)?, decode(mac)?);
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
        // Until here nothing is believed. The key's id only says which key to try.
        let key = self.0.iter().find(|key| key.id == claims.key).ok_or(TokenError::UnknownKey)?;
        key.mac(payload).verify_slice(&mac).map_err(|_| TokenError::Forged)?;
        if claims.audience != audience.name() {
            return Err(TokenError::OtherAudience);
        }
        let issued_at = Instant::from_ms(claims.issued_ms);
        let expires_at = Instant::from_ms(claims.expires_ms);
        // Clocks of two functions differ by seconds; our own tokens are never older than this.
        if now + crate::decide::SKEW < issued_at || expires_at - issued_at > LONGEST {
            return Err(TokenError::Early);
        }
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        Ok(Session {
            id: OperationId::parse(&claims.id).ok_or(TokenError::Malformed)?,
            account: claims.account.parse().map_err(|_| TokenError::Malformed)?,
            subject: claims.subject,
            scopes: claims.scopes,
            return_url: claims.return_url,
            issued_at,
            expires_at,
        })
    }
}

impl Key {
    fn mac(&self, payload: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("any length is a key");
        mac.chain_update(payload.as_bytes())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// Why no session can be made or opened: for an operator, not for the caller.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    #[error("this function has no keys for sessions")]
    None,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Keys(#[from] KeysError),
}
