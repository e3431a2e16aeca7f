//! Sessions: a sealed, short-lived permission to see one account, and perhaps to buy credits for
//! it.
//!
//! A token is `scrip_session_<key>.<sealed>`: the id of one of our keys, and in base64url the
//! session's id and its claims, encrypted. The holder of a token, or of a link with one in it, can
//! read nothing in it. It is no JWT. We alone make and open tokens, so there is nothing to agree on
//! with others, and a header that names its own algorithm would be one more input to distrust.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::instant::Span;
use crate::domain::{AccountId, Instant, OperationId};
use crate::secrets::SecretError;

/// How long a session lives at most, and by default.
pub const LONGEST: Span = Span::from_s(3600);
/// How long a session lives at least.
pub const SHORTEST: Span = Span::from_s(60);
/// The longest token that is read, in bytes: a header of 8 KiB holds it.
const MAX_BYTES: usize = 4096;
/// The prefix of every token, by which scanners of logs and repositories can find leaked ones.
pub const PREFIX: &str = "scrip_session_";
/// The length of an id, in bytes.
const ID_BYTES: usize = 16;
/// The shortest key, in bytes: as long as the hash's output.
const LEAST_KEY_BYTES: usize = 32;

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
}

/// The use of a token. A token of one audience is never accepted for another: each audience has its
/// own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The link: it works once.
    Link,
    /// The cookie of the page that the link opened.
    Page,
    /// The widget's Bearer header.
    Widget,
}

/// Why a token is not accepted. The customer gets the same answer in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is not a session token")]
    Malformed,
    #[error("its key is unknown")]
    UnknownKey,
    /// Sealed with another key, or for another audience, or changed.
    #[error("it cannot be decrypted")]
    Forged,
    /// It was valid once: the session tells where its customer came from.
    #[error("it has expired")]
    Expired(Box<Session>),
    #[error("it is not valid yet")]
    Early,
}

/// The keys that seal tokens: the first seals and opens; the second only opens, during a rotation.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    bytes: Vec<u8>,
}

/// The secret does not hold valid keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session keys: {0}")]
pub struct KeysError(&'static str);

/// The claims of a token, as JSON. Times are milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
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
            Audience::Page => "scrip:page",
            Audience::Widget => "scrip:widget",
        }
    }
}

impl Session {
    pub fn allows(&self, scope: Scope) -> bool {
        scope == Scope::View || self.scopes.contains(&scope)
    }
}

impl Keys {
    /// Reads `{"id","key"}` and, during a rotation, `"previous": {"id","key"}` in it. A key is a
    /// random text of at least 32 bytes.
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
            .map_err(|_| KeysError("must be JSON with id, key and, optionally, previous"))?;
        let mut keys = vec![Key { id: read.id, bytes: read.key.into_bytes() }];
        keys.extend(read.previous.map(|p| Key { id: p.id, bytes: p.key.into_bytes() }));
        if keys.iter().any(|key| key.bytes.len() < LEAST_KEY_BYTES) {
            return Err(KeysError("a key must have at least 32 bytes"));
        }
        let plain = |id: &str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if keys.iter().any(|key| !(1..=64).contains(&key.id.len()) || !plain(&key.id)) {
            return Err(KeysError("an id must be 1 to 64 characters of A-Z, a-z, 0-9, - and _"));
        }
        if keys.len() == 2 && keys[0].id == keys[1].id {
            return Err(KeysError("the two keys must have different ids"));
        }
        Ok(Keys(keys))
    }

    /// The token of a session, for one audience. A session never changes, so its token is always
    /// the same.
    pub fn seal(&self, session: &Session, audience: Audience) -> String {
        let key = &self.0[0];
        let claims = Claims {
            account: session.account.to_string(),
            subject: session.subject.clone(),
            scopes: session.scopes.clone(),
            return_url: session.return_url.clone(),
            issued_ms: session.issued_at.ms(),
            expires_ms: session.expires_at.ms(),
        };
        let mut json = serde_json::to_vec(&claims).expect("claims are plain values");
        let sealing = key.of(audience, session.id.bytes());
        let sealed = sealing.seal_in_place_append_tag(nonce(), Aad::empty(), &mut json);
        sealed.expect("claims are far shorter than 256 GiB");
        let sealed = [session.id.bytes().as_slice(), &json].concat();
        format!("{PREFIX}{}.{}", key.id, URL_SAFE_NO_PAD.encode(sealed))
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
        if token.len() > MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let named = token.strip_prefix(PREFIX).and_then(|token| token.split_once('.'));
        let (name, sealed) = named.ok_or(TokenError::Malformed)?;
        let key = self.0.iter().find(|key| key.id == name).ok_or(TokenError::UnknownKey)?;
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| TokenError::Malformed)?;
        let (id, sealed) = sealed.split_first_chunk_mut().ok_or(TokenError::Malformed)?;
        let opening = key.of(audience, id);
        let json = opening.open_in_place(nonce(), Aad::empty(), sealed);
        let json = json.map_err(|_| TokenError::Forged)?;
        // The seal is valid, so we wrote these claims ourselves.
        let claims: Claims = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
        let session = Session {
            id: OperationId::from_bytes(*id),
            account: claims.account.parse().map_err(|_| TokenError::Malformed)?,
            subject: claims.subject,
            scopes: claims.scopes,
            return_url: claims.return_url,
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

impl Key {
    /// The key of one token. It seals no other token, so its nonce may be a constant.
    fn of(&self, audience: Audience, id: &[u8; ID_BYTES]) -> LessSafeKey {
        let mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("any length is a key");
        let mac = mac.chain_update(audience.name()).chain_update(id);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &mac.finalize().into_bytes());
        LessSafeKey::new(key.expect("the hash is as long as a key"))
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
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
