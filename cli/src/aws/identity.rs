//! The caller's AWS identity: the SDK's usual places, and after them the AWS CLI's login.
//!
//! The SDK knows SSO and `credential_process` only with features that would change crates which
//! `cargo run` has built. The AWS CLI, by which people log in, has the result for every kind.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use serde::Deserialize;
use shared::domain::Instant;

use super::wire::causes;

/// The command that prints the credentials of the profile in force.
const EXPORT: [&str; 4] = ["configure", "export-credentials", "--format", "process"];

/// The configuration, with the AWS CLI's login after the SDK's usual places.
pub(super) fn with_login(sdk: SdkConfig) -> SdkConfig {
    let Some(usual) = sdk.credentials_provider() else { return sdk };
    let login = SharedCredentialsProvider::new(Login { usual });
    sdk.into_builder().credentials_provider(login).build()
}

#[derive(Debug)]
struct Login {
    /// The environment, profiles with keys or roles, and what runs on AWS itself has.
    usual: SharedCredentialsProvider,
}

impl Login {
    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        let usual = match self.usual.provide_credentials().await {
            Ok(credentials) => return Ok(credentials),
            Err(error) => error,
        };
        // "Nothing is configured" needs no words beside those of the AWS CLI.
        let usual = match usual {
            CredentialsError::CredentialsNotLoaded(_) => String::new(),
            error => format!("{}; ", causes(&error)),
        };
        let exported = export().await;
        exported.map_err(|error| CredentialsError::not_loaded(format!("{usual}{error}")))
    }
}

impl ProvideCredentials for Login {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// What the AWS CLI prints, in the form of a credential process.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// The credentials that the AWS CLI has.
async fn export() -> Result<Credentials, String> {
    let mut command = std::process::Command::new("aws");
    command.args(EXPORT).stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let ran = ran.map_err(|error| error.to_string())?;
    let ran = ran.map_err(|error| format!("the AWS CLI does not run: {error}"))?;
    if !ran.status.success() {
        let says = String::from_utf8_lossy(&ran.stderr);
        // Below its usage, if it prints that.
        let mut lines = says.lines().map(str::trim).filter(|line| !line.is_empty());
        let error = lines.clone().find(|line| line.to_lowercase().contains("error"));
        let error = error.or(lines.next_back()).unwrap_or_default();
        return Err(format!("the AWS CLI says: {error}"));
    }
    let exported: Exported = serde_json::from_slice(&ran.stdout)
        .map_err(|_| "the AWS CLI printed no credentials".to_owned())?;
    let expires = exported.expiration.and_then(|at| Instant::parse(&at));
    let expires = expires.and_then(|at| u64::try_from(at.ms()).ok());
    Ok(Credentials::new(
        exported.access_key_id,
        exported.secret_access_key,
        exported.session_token,
        expires.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
        "aws configure export-credentials",
    ))
}
