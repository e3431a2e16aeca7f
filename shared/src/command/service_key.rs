//! Service keys: made, revoked, and accepted from a caller.

use crate::context::Context;
use crate::decide::{Row, Write};
use crate::domain::service_key::{RevokedKey, ServiceKey};
use crate::domain::{Instant, Refusal};
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
            tracing::info!(%error, "a service key is not accepted");
            context.metrics.add(Metric::KeysRefused, 1);
            Err(Refusal::KeyRefused.into())
        }
    }
}

/// Writes a new key into the list of all keys.
///
/// # Errors
/// An error of the store.
pub async fn put(store: &Store, key: &ServiceKey) -> Result<(), StoreError> {
    store.commit(&Write::create(Row::ServiceKey(Box::new(key.clone())))).await?;
    Ok(())
}

/// Revokes a key: within a minute no function accepts it.
///
/// # Errors
/// An error of the store.
pub async fn revoke(store: &Store, key: &ServiceKey, at: Instant) -> Result<(), StoreError> {
    let revoked = RevokedKey { id: key.id, expires_at: key.expires_at, at };
    // Where its row is there already, it was revoked before.
    store.commit(&Write::create(Row::RevokedKey(revoked))).await?;
    Ok(())
}
