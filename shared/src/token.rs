//! Tokens: sealed texts that we alone make and open.
//!
//! A token is its audience's prefix, the id of one of our keys, a dot, and in base64url the token's
//! id and its claims, which are encrypted. A reader of a token sees the two ids in it, and nothing
//! else. It is no JWT. We alone make and open tokens, so there is nothing to agree on with others,
//! and a header that names its own algorithm would be one more input to distrust.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::Deserialize;
use sha2::Sha256;

use crate::domain::{Instant, OperationId};
use crate::secrets::{Secret, SecretError};

/// The longest token that is read, in bytes: a header of 8 KiB holds it.
const MAX_BYTES: usize = 4096;
/// The length of an id, in bytes.
const ID_BYTES: usize = 16;
/// The shortest key, in bytes: as long as the hash's output.
const LEAST_KEY_BYTES: usize = 32;

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
    /// The Bearer header of a service that has a service key.
    Service,
}

/// Why a token cannot be opened. The caller gets the same answer in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("it is not a token of this audience")]
    Malformed,
    #[error("its key is unknown")]
    UnknownKey,
    /// Sealed with another key, or for another audience, or changed.
    #[error("it cannot be decrypted")]
    Forged,
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
#[error("sealing keys: {0}")]
pub struct KeysError(&'static str);

impl Audience {
    /// The prefix of its tokens, by which scanners of logs and repositories can find leaked ones.
    pub fn prefix(self) -> &'static str {
        match self {
            Audience::Link | Audience::Page | Audience::Widget => "scrip_session_",
            Audience::Service => "scrip_sk_",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Audience::Link => "scrip:link",
            Audience::Page => "scrip:page",
            Audience::Widget => "scrip:widget",
            Audience::Service => "scrip:service",
        }
    }
}

impl Keys {
    /// The ids of the keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

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

    /// The keys in `secret` for a token. It is read again if the token names a key that is none of
    /// them: this function may not have read a new one yet.
    ///
    /// # Errors
    /// Of the secret, or of the keys in it.
    pub(crate) async fn for_token<E>(
        secret: &Secret,
        audience: Audience,
        token: &str,
        now: Instant,
    ) -> Result<Keys, E>
    where
        E: From<SecretError> + From<KeysError>,
    {
        let keys = Keys::parse(&secret.get(now).await?)?;
        match parts(audience, token) {
            Ok((name, _)) if keys.ids().all(|id| id != name) => {
                Ok(Keys::parse(&secret.again(now).await?)?)
            }
            _ => Ok(keys),
        }
    }

    /// The token of these claims, for one audience. The same id always has the same claims, so that
    /// no two texts are sealed with one key.
    pub(crate) fn seal_claims(
        &self,
        audience: Audience,
        id: OperationId,
        claims: Vec<u8>,
    ) -> String {
        let (key, mut sealed) = (&self.0[0], claims);
        let sealing = key.of(audience, id.bytes());
        let done = sealing.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed);
        done.expect("claims are far shorter than 256 GiB");
        let sealed = [id.bytes().as_slice(), &sealed].concat();
        format!("{}{}.{}", audience.prefix(), key.id, URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The id and the claims of a token, if one of the keys sealed it for this audience.
    ///
    /// # Errors
    /// [`SealError`], for the log.
    pub(crate) fn open_claims(
        &self,
        audience: Audience,
        token: &str,
    ) -> Result<(OperationId, Vec<u8>), SealError> {
        let (name, sealed) = parts(audience, token)?;
        let key = self.0.iter().find(|key| key.id == name).ok_or(SealError::UnknownKey)?;
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Malformed)?;
        let (id, sealed) = sealed.split_first_chunk_mut().ok_or(SealError::Malformed)?;
        let opening = key.of(audience, id);
        let claims = opening.open_in_place(nonce(), Aad::empty(), sealed);
        let claims = claims.map_err(|_| SealError::Forged)?;
        Ok((OperationId::from_bytes(*id), claims.to_vec()))
    }
}

/// The id that a token of this audience says it has, which needs no key. None: it has none.
pub(crate) fn id_of(audience: Audience, token: &str) -> Option<OperationId> {
    let (_, sealed) = parts(audience, token).ok()?;
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    sealed.first_chunk().map(|id| OperationId::from_bytes(*id))
}

/// The name of the key that sealed a token, and what is sealed.
fn parts(audience: Audience, token: &str) -> Result<(&str, &str), SealError> {
    let token = Some(token).filter(|token| token.len() <= MAX_BYTES);
    let named = token.and_then(|token| token.strip_prefix(audience.prefix())?.split_once('.'));
    named.ok_or(SealError::Malformed)
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
        f.debug_list().entries(self.ids()).finish()
    }
}
