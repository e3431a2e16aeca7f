//! All that a function needs besides its request.

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};

use crate::clock::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::decide::CALL;
use crate::domain::Catalog;
use crate::domain::catalog::CatalogError;
use crate::store::Store;

/// A function's surroundings: made once, in `main`.
#[derive(Clone, Debug)]
pub struct World {
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub catalog: Arc<Catalog>,
    pub config: Config,
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl World {
    /// The world of a deployed function: AWS, by the environment that Lambda sets.
    ///
    /// # Errors
    /// [`StartError`] if a variable or the catalog is wrong.
    pub async fn from_env(clock: Clock) -> Result<World, StartError> {
        let config = Config::read(|name| std::env::var(name).ok())?;
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https_client())
            .timeout_config(call_timeout())
            .retry_config(call_retry())
            .load()
            .await;
        let builder = aws_sdk_dynamodb::config::Builder::from(&aws);
        let store = Store::new(builder, config.tables.clone(), clock.clone());
        let entropy = Entropy::new(|| {
            let mut bytes = [0; 10];
            getrandom::fill(&mut bytes).expect("the operating system has randomness");
            bytes
        });
        let catalog = Arc::new(Catalog::parse(Catalog::DEFAULT)?);
        Ok(World { store, clock, entropy, catalog, config })
    }
}

/// A call, with the SDK's own retries, lives no longer than the protocol assumes.
pub fn call_timeout() -> TimeoutConfig {
    let call = std::time::Duration::from_millis(CALL.ms().unsigned_abs());
    TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(call / 2).build()
}

/// The SDK's own retries: three attempts, the first wait up to 25 ms. A single item answers within
/// milliseconds; the SDK's usual second would outlast the caller's patience.
pub fn call_retry() -> RetryConfig {
    let first = std::time::Duration::from_millis(25);
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(first)
}

/// TLS by ring, which needs no start-up of its own, and roots compiled in: no file is read.
fn https_client() -> SharedHttpClient {
    let mut roots = TrustStore::empty();
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        roots = roots.with_pem_certificate(pem(root));
    }
    let context = TlsContext::builder().with_trust_store(roots).build();
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(context.expect("compiled-in roots are certificates"))
        .build_https()
}

/// A certificate in the text form that the trust store takes.
fn pem(der: &[u8]) -> Vec<u8> {
    use aws_smithy_types::base64;
    let body = base64::encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}
