//! Service keys: made, revoked, and accepted from a caller.

use crate::context::Context;
use crate::decide::{Row, Write};
use crate::domain::service_key::{LONGEST_KEY, RevokedKey, ServiceKey};
use crate::domain::{Instant, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::store::{Store, StoreError};
use crate::telemetry::correlation;

/// The service key of a token. None: the caller sent no token.
///
/// # Errors
/// [`Refusal::KeyRefused`] for any fault of the token, and where the stack takes no service keys;
/// [`Failure::KeysUnread`] if nobody can tell now.
pub async fn by_token(context: &Context, token: Option<&str>) -> Result<ServiceKey, Failure> {
    let Some((keys, token)) = context.service_keys.as_ref().zip(token) else {
        return Err(Refusal::KeyRefused.into());
    };
    match keys.open(&context.store, token, context.clock.now()).await? {
        Ok(key) => {
            correlation::key(&key.id);
            Ok(key)
        }
        Err(error) => {
            // A product may not know yet that it has stopped: somebody has to see which key it is.
            if let Some(id) = error.over() {
                correlation::key(&id);
                context.metrics.add(Metric::KeysOver, 1);
            }
            tracing::info!(%error, "a service key is not accepted");
            context.metrics.add(Metric::KeysRefused, 1);
            Err(Refusal::KeyRefused.into())
        }
    }
}

/// Writes a new key into the list of all keys. `sealed_by`: the id of the key, in the secret, that
/// seals it.
///
/// # Errors
/// An error of the store.
pub async fn put(store: &Store, key: &ServiceKey, sealed_by: &str) -> Result<(), StoreError> {
    let row = Row::ServiceKey { key: Box::new(key.clone()), sealed_by: sealed_by.to_owned() };
    store.commit(&Write::create(row)).await?;
    Ok(())
}

/// Revokes a key: within a minute no function accepts it.
///
/// # Errors
/// An error of the store.
pub async fn revoke(
    store: &Store,
    key: &ServiceKey,
    at: Instant,
) -> Result<RevokedKey, StoreError> {
    put_revoked(store, RevokedKey { id: key.id, expires_at: key.expires_at, at: Some(at) }).await
}

/// Revokes a key that is in no list, as after a restore or where the secret was stolen. No key that
/// is valid now ends after one that is made now for the longest time.
///
/// # Errors
/// An error of the store.
pub async fn revoke_unlisted(
    store: &Store,
    id: OperationId,
    at: Instant,
) -> Result<RevokedKey, StoreError> {
    put_revoked(store, RevokedKey { id, expires_at: at + LONGEST_KEY, at: Some(at) }).await
}

async fn put_revoked(store: &Store, revoked: RevokedKey) -> Result<RevokedKey, StoreError> {
    // Where its row is there already, it was revoked before.
    store.commit(&Write::create(Row::RevokedKey(revoked))).await?;
    Ok(revoked)
}
