//! Service keys as tokens, `scrip_sk_<key>.<sealed>`, and which of them are revoked.
//!
//! A token is checked without a read of the table: it says itself what it allows. What was revoked
//! is a short list, read once a minute.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::decide::SKEW;
use crate::domain::instant::Span;
use crate::domain::service_key::{LONGEST_KEY, ServiceKey};
use crate::domain::{Instant, OperationId};
use crate::secrets::{Secret, SecretError};
use crate::store::{Store, StoreError};
use crate::token::{self, Audience, Keys, KeysError, SealError};

/// How long the list of revoked keys is used before it is read again: after that a revoked key is
/// refused everywhere.
const FRESH: Span = Span::from_s(60);
/// How long it is used at most where it cannot be read again.
const OLDEST: Span = Span::from_s(1_800);

/// Why a service key is not accepted. The caller gets the same answer in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// It was one of ours.
    #[error("the key {0} has expired")]
    Expired(OperationId),
    #[error("it is not valid yet")]
    Early,
    /// It was one of ours.
    #[error("the key {0} is revoked")]
    Revoked(OperationId),
    /// We sealed it, and this version cannot read it: it may be valid to a later one.
    #[error("the key {0} says what this version does not know")]
    Claims(OperationId),
}

/// Why nobody can tell now whether a service key is valid: it may be, so this is no refusal.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnread {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the list of revoked keys could not be read")]
    Revoked(#[source] StoreError),
    /// A key of a later version, as while that one is on trial.
    #[error("the key {0} says what this version does not know")]
    Claims(OperationId),
}

/// A service key that was sealed just now.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey {
    pub token: String,
    /// The id of the key that sealed it.
    pub sealed_by: String,
}

/// The service keys of a stack: what seals them, and the list of those that are revoked.
#[derive(Clone, Debug)]
pub struct ServiceKeys {
    secret: Secret,
    revoked: Arc<Mutex<Option<Revoked>>>,
}

/// The list, as it was last read.
#[derive(Debug)]
struct Revoked {
    ids: Arc<BTreeSet<OperationId>>,
    read_at: Instant,
    /// When a request last began to read it.
    tried_at: Instant,
}

impl KeyFault {
    /// The id of a key that was ours and is over. Nobody else can make a token with this fault.
    pub fn over(self) -> Option<OperationId> {
        match self {
            KeyFault::Expired(id) | KeyFault::Revoked(id) => Some(id),
            KeyFault::Sealed(_) | KeyFault::Early | KeyFault::Claims(_) => None,
        }
    }
}

/// The id of the service key whose token this is, valid or not. None: it is no such token.
pub fn id_of(token: &str) -> Option<OperationId> {
    token::id_of(Audience::Service, token)
}

impl Keys {
    /// The token of a service key. A service key never changes, so its token is always the same.
    pub fn seal_key(&self, key: &ServiceKey) -> String {
        self.seal_claims(Audience::Service, key.id, key.claims())
    }

    /// The service key of a token, if one of the keys sealed it and it is valid now. It may be
    /// revoked.
    ///
    /// # Errors
    /// [`KeyFault`], for the log.
    pub fn open_key(&self, token: &str, now: Instant) -> Result<ServiceKey, KeyFault> {
        let (id, claims) = self.open_claims(Audience::Service, token)?;
        let key = ServiceKey::of_claims(id, &claims).ok_or(KeyFault::Claims(id))?;
        // The clocks of two functions differ by seconds; no key of ours lives longer than this.
        if now + SKEW < key.issued_at || key.expires_at - key.issued_at > LONGEST_KEY {
            return Err(KeyFault::Early);
        }
        if key.expires_at <= now { Err(KeyFault::Expired(key.id)) } else { Ok(key) }
    }
}

impl ServiceKeys {
    /// The service keys that the keys in `secret` seal.
    pub fn new(secret: Secret) -> ServiceKeys {
        ServiceKeys { secret, revoked: Arc::default() }
    }

    /// The token of a service key.
    ///
    /// # Errors
    /// [`KeysUnread`].
    pub async fn seal(&self, key: &ServiceKey, now: Instant) -> Result<SealedKey, KeysUnread> {
        let keys = Keys::parse(&self.secret.get(now).await?)?;
        let sealed_by = keys.ids().next().unwrap_or_default().to_owned();
        Ok(SealedKey { token: keys.seal_key(key), sealed_by })
    }

    /// The ids of the keys that open service keys now.
    ///
    /// # Errors
    /// [`KeysUnread`].
    pub async fn sealing(&self, now: Instant) -> Result<BTreeSet<String>, KeysUnread> {
        let keys = Keys::parse(&self.secret.get(now).await?)?;
        Ok(keys.ids().map(str::to_owned).collect())
    }

    /// The service key of a token, or why it is not accepted.
    ///
    /// # Errors
    /// [`KeysUnread`].
    pub async fn open(
        &self,
        store: &Store,
        token: &str,
        now: Instant,
    ) -> Result<Result<ServiceKey, KeyFault>, KeysUnread> {
        let keys: Result<Keys, KeysUnread> =
            Keys::for_token(&self.secret, Audience::Service, token, now).await;
        let key = match keys?.open_key(token, now) {
            Ok(key) => key,
            Err(KeyFault::Claims(id)) => return Err(KeysUnread::Claims(id)),
            Err(fault) => return Ok(Err(fault)),
        };
        let revoked = self.revoked(store, now).await?;
        Ok(if revoked.contains(&key.id) { Err(KeyFault::Revoked(key.id)) } else { Ok(key) })
    }

    /// The list of revoked keys: read again once a minute. If it cannot be read, the last one stays
    /// for half an hour.
    async fn revoked(
        &self,
        store: &Store,
        now: Instant,
    ) -> Result<Arc<BTreeSet<OperationId>>, KeysUnread> {
        let known = {
            let mut revoked = self.revoked.lock().expect("no one panics with the lock");
            if let Some(revoked) = revoked.as_mut() {
                let tried = revoked.tried_at <= now && now - revoked.tried_at < FRESH;
                if tried && now - revoked.read_at < OLDEST {
                    return Ok(revoked.ids.clone());
                }
                // The request that finds it stale reads it; the others use the last one meanwhile.
                revoked.tried_at = now;
            }
            revoked.as_ref().map(|revoked| (revoked.ids.clone(), revoked.read_at))
        };
        match (store.revoked_keys(now).await, known) {
            (Ok(ids), _) => {
                let ids = Arc::new(ids);
                let read = Revoked { ids: ids.clone(), read_at: now, tried_at: now };
                *self.revoked.lock().expect("no one panics with the lock") = Some(read);
                Ok(ids)
            }
            (Err(error), Some((ids, read_at))) if now - read_at < OLDEST => {
                tracing::warn!(%error, "the list of revoked keys could not be refreshed");
                Ok(ids)
            }
            (Err(error), _) => Err(KeysUnread::Revoked(error)),
        }
    }
}

impl std::fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedKey(by {})", self.sealed_by)
    }
}
