//! Secrets: read once, kept in memory, and read again when they may have changed.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client;

use crate::domain::Instant;
use crate::domain::instant::Span;

/// How long a secret is used before it is read again: after that a removed key is refused
/// everywhere.
pub const FRESH: Span = Span::from_s(300);
/// The shortest time between two reads, for any caller: a stranger's request can cause one, too.
const MIN_REREAD: Span = Span::from_s(10);

/// One secret: in AWS by its ARN, elsewhere a fixed text.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Fixed(Arc<str>),
    Manager { client: Client, arn: String, cached: Arc<Mutex<Option<Cached>>> },
}

struct Cached {
    text: Arc<str>,
    /// When it was read, or when a read was tried.
    at: Instant,
}

/// The secret could not be read, and was never read before.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be read")]
pub struct SecretError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The secret could not be written.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be written")]
pub struct SecretPutError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Secret {
    /// A fixed secret: of the local stack, or of a test.
    pub fn fixed(text: impl Into<Arc<str>>) -> Secret {
        Secret(Source::Fixed(text.into()))
    }

    /// The secret in Secrets Manager under `arn`.
    pub fn in_manager(client: Client, arn: impl Into<String>) -> Secret {
        Secret(Source::Manager { client, arn: arn.into(), cached: Arc::default() })
    }

    /// The secret, read at most five minutes ago.
    ///
    /// # Errors
    /// [`SecretError`] if it was never read. If it cannot be read again, the last text stays.
    pub async fn get(&self, now: Instant) -> Result<Arc<str>, SecretError> {
        self.read_within(FRESH, now).await
    }

    /// The secret, read again because a signature or a key does not fit the known one. At most
    /// every ten seconds.
    ///
    /// # Errors
    /// As of [`Secret::get`].
    pub async fn again(&self, now: Instant) -> Result<Arc<str>, SecretError> {
        self.read_within(MIN_REREAD, now).await
    }

    /// Writes the secret, in place of the last text.
    ///
    /// # Errors
    /// [`SecretPutError`]: the last text stays. A fixed secret is not written.
    pub async fn put(&self, text: &str, now: Instant) -> Result<(), SecretPutError> {
        let Source::Manager { client, arn, cached } = &self.0 else {
            return Err(SecretPutError("it is fixed".into()));
        };
        let put = client.put_secret_value().secret_id(arn).secret_string(text).send().await;
        put.map_err(|error| SecretPutError(error.into()))?;
        let written = Cached { text: text.into(), at: now };
        *cached.lock().expect("no one panics with the lock") = Some(written);
        Ok(())
    }

    async fn read_within(&self, fresh: Span, now: Instant) -> Result<Arc<str>, SecretError> {
        let (client, arn, cached) = match &self.0 {
            Source::Fixed(text) => return Ok(text.clone()),
            Source::Manager { client, arn, cached } => (client, arn, cached),
        };
        let known = {
            let mut cached = cached.lock().expect("no one panics with the lock");
            if let Some(cached) = cached.as_mut() {
                if cached.at <= now && now - cached.at < fresh {
                    return Ok(cached.text.clone());
                }
                // The request that finds it stale reads it; the others use the last one meanwhile.
                cached.at = now;
            }
            cached.as_ref().map(|cached| cached.text.clone())
        };
        // Boxed: every request has room for this future, and few read a secret.
        let got = Box::pin(client.get_secret_value().secret_id(arn).send()).await;
        let got = got.map_err(|error| SecretError(error.into()));
        let text = got.and_then(|got| match got.secret_string {
            Some(text) => Ok(Arc::from(text)),
            None => Err(SecretError("it is not a string".into())),
        });
        match (text, known) {
            (Ok(text), _) => {
                let read = Cached { text: Arc::clone(&text), at: now };
                *cached.lock().expect("no one panics with the lock") = Some(read);
                Ok(text)
            }
            (Err(error), Some(known)) => {
                tracing::warn!(error = %error.0, "a secret could not be refreshed");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
