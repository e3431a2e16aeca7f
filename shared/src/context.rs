//! The context of a function: everything it needs in addition to a request.

mod catalogs;
mod limit_terms;
mod limits_told;

use std::borrow::Cow;
use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{Builder, Region, SharedHttpClient};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};

use crate::clock::{Clock, Entropy};
use crate::config::{self, Config, ConfigError};
use crate::decide::CALL_TIMEOUT;
use crate::decide::debit::Charge;
use crate::domain::catalog::CatalogError;
use crate::domain::instant::Span;
use crate::domain::{Catalog, CatalogFiles, Instant};
use crate::metrics::Metrics;
use crate::secrets::{Secret, SecretError};
use crate::service_key::ServiceKeys;
use crate::store::{Store, StoreError, Tables};
use catalogs::Catalogs;
pub use limit_terms::LimitTerms;
pub use limits_told::LimitsTold;

/// The surroundings of a function: made once, in `main`.
#[derive(Clone, Debug)]
pub struct Context {
    pub store: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub config: Config,
    /// The metrics. The default emits none.
    pub metrics: Metrics,
    /// The keys that sign sessions. None: this function has no customers.
    pub session_keys: Option<Secret>,
    /// The service keys. None: this function takes none.
    pub service_keys: Option<ServiceKeys>,
    catalogs: Catalogs,
    /// The terms of limits of the accounts that were seen lately.
    pub limit_terms: LimitTerms,
    /// The limits that are known to be recorded as reached.
    pub limits_told: LimitsTold,
}

/// How long a catalog is used before it is read again: after that a published one is in force
/// everywhere.
const FRESH: Span = Span::from_s(60);
/// No account is advanced by a catalog that was read longer ago than this: half of the notice
/// period for changes that take effect on a date.
const OLDEST: Span = Span::from_s(1_800);
/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the catalog could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Context {
    /// The context of a deployed function, configured by the environment that Lambda sets.
    ///
    /// # Errors
    /// [`StartError`] if a variable or the catalog is wrong.
    pub async fn from_env(aws: &SdkConfig, clock: Clock) -> Result<Context, StartError> {
        let config = Config::read(|name| std::env::var(name).ok())?;
        Context::deployed(aws, config, clock).await
    }

    /// The context of a deployed stack, whose AWS services `aws` reaches.
    ///
    /// # Errors
    /// [`StartError`] if the catalog is wrong, or it or a secret cannot be read.
    pub async fn deployed(
        aws: &SdkConfig,
        config: Config,
        clock: Clock,
    ) -> Result<Context, StartError> {
        let store = store(aws, config.tables.clone(), clock.clone());
        let in_manager = |arn: &String| secret(aws, arn.clone());
        let keys = config.session_keys_arn.as_ref().map(in_manager);
        // Not read until a caller brings a service key: others need not wait for it.
        let service_keys = config.service_keys_arn.as_ref().map(in_manager).map(ServiceKeys::new);
        let context = Context::new(store, clock, Entropy::system(), config).await?;
        let context = Context { service_keys, ..context };
        match keys {
            None => Ok(context),
            Some(keys) => {
                keys.get(context.clock.now()).await?;
                Ok(context.with_session_keys(keys))
            }
        }
    }

    /// A context around `store`, with the catalog that is in force there.
    ///
    /// # Errors
    /// [`CatalogError`] if that catalog is wrong.
    pub async fn new(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        config: Config,
    ) -> Result<Context, StartError> {
        let files = store.catalog().await?;
        let published = files.is_some();
        let catalog = Catalog::parse(&files.unwrap_or_else(CatalogFiles::built_in))?;
        let catalogs = Catalogs::new(catalog, published, clock.now());
        Ok(Context {
            store,
            clock,
            entropy,
            config,
            metrics: Metrics::default(),
            session_keys: None,
            service_keys: None,
            catalogs,
            limit_terms: LimitTerms::default(),
            limits_told: LimitsTold::default(),
        })
    }

    /// This context, with metrics that are emitted.
    pub fn with_metrics(self, metrics: Metrics) -> Context {
        Context { metrics, ..self }
    }

    /// This context, with session keys.
    pub fn with_session_keys(self, keys: Secret) -> Context {
        Context { session_keys: Some(keys), ..self }
    }

    /// This context, with service keys.
    pub fn with_service_keys(self, keys: ServiceKeys) -> Context {
        Context { service_keys: Some(keys), ..self }
    }

    /// This context; for a dry run, one that writes nothing and counts nothing.
    pub fn or_dry_run(&self, dry_run: bool) -> Cow<'_, Context> {
        match dry_run {
            false => Cow::Borrowed(self),
            true => Cow::Owned(Context {
                store: self.store.for_dry_run(),
                metrics: Metrics::default(),
                ..self.clone()
            }),
        }
    }

    /// The catalog in force: read again once a minute, without a deploy. If it cannot be read, or
    /// is wrong, the last one stays in force.
    pub async fn catalog(&self) -> Arc<Catalog> {
        self.read_within(FRESH).await
    }

    /// The catalog in force, with all in it that `charge` names if there is one. What it does not
    /// know may have been published a moment ago, so it is read again, at most once a second.
    pub async fn catalog_for(&self, charge: &Charge) -> Arc<Catalog> {
        let catalog = self.catalog().await;
        match charge.is_known(&catalog) {
            true => catalog,
            false => self.read_within(Span::from_s(1)).await,
        }
    }

    /// The catalog in force, at least of this version: it names what an entry of that version has,
    /// which may have been published a moment ago. If it cannot be read, the last one.
    pub async fn catalog_from(&self, version: u32) -> Arc<Catalog> {
        let catalog = self.catalog().await;
        match catalog.version >= version {
            true => catalog,
            false => self.read_within(Span::from_ms(0)).await,
        }
    }

    async fn read_within(&self, fresh: Span) -> Arc<Catalog> {
        self.catalogs.in_force(&self.store, self.clock.now(), (fresh, OLDEST)).await
    }

    /// The catalog that was published under a version: a hold is priced by that of its own. It is
    /// kept in memory.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or there is none.
    pub async fn catalog_of(&self, version: u32) -> Result<Arc<Catalog>, StoreError> {
        self.catalogs.of(&self.store, version).await
    }

    /// Checks that the cached catalog is recent enough to advance an account.
    ///
    /// # Errors
    /// [`StoreError::Catalog`] if it could not be read for half an hour.
    pub fn may_advance(&self) -> Result<(), StoreError> {
        match self.clock.now() - self.catalogs.read_at() {
            age if age < OLDEST => Ok(()),
            age => Err(StoreError::Catalog { age_s: age.ms() / 1_000 }),
        }
    }

    /// Writes the built-in catalog into the table, if the table has none. From the first account on
    /// the catalog in force is the table's, and the file of a later deploy is only a proposal. If
    /// this fails, the next request that opens an account tries again.
    pub async fn put_first_catalog(&self) {
        self.catalogs.put_first(&self.store).await;
    }
}

/// The AWS configuration of a deployed function, from the environment that Lambda sets. A function
/// makes one for all its clients: each would read roots of its own, which is most of a cold start.
pub async fn aws() -> SdkConfig {
    aws_loader().http_client(one_connector()).load().await
}

/// The same, to be completed with what the environment does not name.
pub fn aws_loader() -> ConfigLoader {
    let aws = aws_config::defaults(BehaviorVersion::latest()).http_client(https_client());
    aws.timeout_config(call_timeout()).retry_config(call_retry())
}

/// The SDK for a DynamoDB at `endpoint` without credentials: no account, no region, no profile. For
/// the local stack, tests and an emulator.
pub fn sdk(client: SharedHttpClient, endpoint: &str) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(client)
        .timeout_config(call_timeout())
        .retry_config(call_retry())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
}

/// The secret whose ARN is in the variable `name`, as Secrets Manager has it now.
///
/// # Errors
/// [`StartError`] if the variable is not set or the secret cannot be read.
pub async fn secret_from_env(
    aws: &SdkConfig,
    name: &'static str,
    now: Instant,
) -> Result<Secret, StartError> {
    let secret = secret(aws, config::required(name)?);
    secret.get(now).await?;
    Ok(secret)
}

/// The secret whose ARN is in the variable `name`, not read yet. None: the variable is empty or not
/// set.
pub fn named_secret(aws: &SdkConfig, name: &'static str) -> Option<Secret> {
    config::required(name).ok().map(|arn| secret(aws, arn))
}

/// The store on these tables of a deployed stack.
pub fn store(aws: &SdkConfig, tables: Tables, clock: Clock) -> Store {
    Store::new(Builder::from(aws), tables, clock)
}

/// The secret with this ARN, not read yet.
pub fn secret(aws: &SdkConfig, arn: String) -> Secret {
    Secret::in_manager(aws_sdk_secretsmanager::Client::new(aws), arn)
}

/// The timeout of a call, including the SDK's own retries: the protocol assumes that none takes
/// longer.
pub fn call_timeout() -> TimeoutConfig {
    let call = std::time::Duration::from_millis(CALL_TIMEOUT.ms().unsigned_abs());
    TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(call / 2).build()
}

/// The SDK's own retries: three attempts, the first wait up to 25 ms. DynamoDB answers for a single
/// item within milliseconds, and the SDK's usual wait of a second would exceed the caller's
/// patience.
pub fn call_retry() -> RetryConfig {
    let first = std::time::Duration::from_millis(25);
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(first)
}

/// An HTTPS client for the SDKs.
fn https_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls_context())
        .build_https()
}

/// The same for a function, with one connector for all clients: each of its own would read the roots
/// again, which is most of a cold start. It knows no timeouts: [`call_timeout`] ends a function's
/// calls before the SDK's timeout of a connection would, and Lambda has its region and its
/// credentials in the environment, so nothing else is asked.
fn one_connector() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(https_connector());
    http_client_fn(move |_, _| connector.clone())
}

/// A connection for requests that no SDK of this workspace makes.
pub fn https_connector() -> Connector {
    Connector::builder()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls_context())
        .build()
}

/// TLS with ring, which needs no start-up of its own, and built-in roots: no file is read.
fn tls_context() -> TlsContext {
    let mut roots = TrustStore::empty();
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        roots = roots.with_pem_certificate(pem(root));
    }
    let context = TlsContext::builder().with_trust_store(roots).build();
    context.expect("compiled-in roots are certificates")
}

/// A certificate in PEM, the form that the trust store takes.
fn pem(der: &[u8]) -> Vec<u8> {
    use aws_smithy_types::base64;
    let body = base64::encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}
