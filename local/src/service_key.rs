//! The service keys of the local stack: what seals them, and the one that it prints.

use std::path::Path;

use serde_json::{Value, json};
use shared::command;
use shared::context::Context;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope, LONGEST_KEY, ServiceKey};
use shared::secrets::Secret;
use shared::service_key::ServiceKeys;

use crate::context::{Data, SERVICE_KEYS};
use crate::{atomic_file, session};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A key that is printed is valid for at least this long by the stack's clock.
const LEAST_LIFE: Span = Span::from_s(7 * 86_400);

/// What a person needs to call the stack, and a command to make further keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalKey {
    /// The keys that seal service keys, as in the secret of a deployed stack.
    pub secret: String,
    /// A service key for every account, with every scope.
    pub token: String,
}

/// The context with service keys, and the key to print. A folder keeps it, so that a program that
/// has it works again after a restart.
///
/// # Errors
/// If the folder or the table cannot be read or written.
pub async fn with_key(context: Context, data: &Data) -> Result<(Context, LocalKey), Error> {
    let file = match data {
        Data::Folder(folder) => Some(folder.join(SERVICE_KEYS)),
        Data::Memory | Data::Endpoint(_) => None,
    };
    let kept = file.as_deref().map(read).transpose()?.flatten();
    let (now, secret) = (context.clock.now(), kept.as_ref().map(|kept| kept.secret.clone()));
    let secret = secret.unwrap_or_else(session::new_secret);
    let keys = ServiceKeys::new(Secret::fixed(secret.as_str()));
    let context = context.with_service_keys(keys.clone());
    if let Some(kept) = kept {
        let known = keys.open(&context.store, &kept.token, now).await?;
        if known.is_ok_and(|key| key.expires_at - now > LEAST_LIFE) {
            return Ok((context, kept));
        }
    }
    let key = ServiceKey {
        id: context.entropy.mint(now),
        name: "local".to_owned(),
        scopes: KeyScope::ALL.to_vec(),
        limit: KeyLimit::All,
        issued_at: now,
        expires_at: now + LONGEST_KEY,
    };
    let sealed = keys.seal(&key, now).await?;
    command::service_key::put(&context.store, &key, &sealed.sealed_by).await?;
    let made = LocalKey { token: sealed.token, secret };
    if let Some(file) = file {
        write(&file, &made)?;
    }
    Ok((context, made))
}

fn read(file: &Path) -> Result<Option<LocalKey>, Error> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let kept: Value = serde_json::from_str(&text)?;
    let text = |name: &str| kept[name].as_str().map(str::to_owned);
    Ok(text("secret").zip(text("token")).map(|(secret, token)| LocalKey { secret, token }))
}

fn write(file: &Path, key: &LocalKey) -> std::io::Result<()> {
    let kept = json!({ "secret": key.secret, "token": key.token });
    atomic_file::write(file, kept.to_string().as_bytes())
}
