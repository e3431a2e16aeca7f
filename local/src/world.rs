//! The world of the local stack: the same store, over the embedded database or any endpoint.

use std::fmt;
use std::path::PathBuf;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region, SharedHttpClient};
use dynoxide::Database;
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::store::Store;
use shared::world::{World, call_retry, call_timeout};

use crate::clock::LocalClock;
use crate::embedded::Embedded;
use crate::roles::Roles;
use crate::streams::Streams;
use crate::tables;
use crate::template::Template;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Where the tables are.
#[derive(Clone, Debug)]
pub enum Data {
    /// In memory: gone when the process ends.
    Memory,
    /// In this folder.
    Folder(PathBuf),
    /// At this DynamoDB endpoint.
    Endpoint(String),
    /// In AWS, as the environment says: those of a deployed stack.
    Deployed,
}

/// Files of [`Data::Folder`]: the tables,
pub const TABLES: &str = "scrip.sqlite";
/// how far the clock was moved,
pub const CLOCK: &str = "clock";
/// and all that the local Stripe knows.
pub const STRIPE: &str = "stripe.json";

impl Data {
    /// Whether the tables are this process's own, to be thrown away.
    pub fn is_own(&self) -> bool {
        matches!(self, Data::Memory | Data::Folder(_))
    }

    /// Throws away the tables, the clock and the local Stripe: the next start is a first one. Nobody
    /// may have them open. Tables elsewhere are left alone.
    ///
    /// # Errors
    /// If a file is there and cannot be removed.
    pub fn clear(&self) -> std::io::Result<()> {
        let Data::Folder(folder) = self else { return Ok(()) };
        // SQLite keeps what is not yet in the tables beside them.
        let beside = ["-wal", "-shm", "-journal"].map(|end| format!("{TABLES}{end}"));
        for name in [TABLES, CLOCK, STRIPE].into_iter().chain(beside.iter().map(String::as_str)) {
            match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Display for Data {
    /// Where the tables are: `in .scrip`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Memory => f.write_str("in memory"),
            Data::Folder(folder) => write!(f, "in {}", folder.display()),
            Data::Endpoint(url) => write!(f, "at {url}"),
            Data::Deployed => f.write_str("in AWS"),
        }
    }
}

/// Opens the tables, making those that are missing, and the world around them, with the streams of
/// the tables. Those of an endpoint stay empty. Each function reaches the tables under its role.
///
/// # Errors
/// If the folder cannot be written, the endpoint not reached, the environment does not name tables of
/// AWS and who may use them, or the catalog is wrong.
pub async fn open(
    data: &Data,
    clock: &LocalClock,
    config: Config,
) -> Result<(World, Streams), Error> {
    let template = Template::load();
    let (streams, roles) = (Streams::of(&template, &config.tables), Roles::of(&template));
    let database = match data {
        // An endpoint has a clock of its own, compared with the system's: ours can be moved.
        Data::Endpoint(url) => {
            let client = aws_smithy_http_client::Builder::new().build_http();
            let sdk = sdk(roles.client(client), url);
            let entropy = Entropy::system();
            let world = assemble(sdk, Clock::system(), clock.clock(), entropy, config).await?;
            return Ok((world, streams));
        }
        // Neither a role nor a moved clock: whoever has the credentials does it, now.
        Data::Deployed => return Ok((World::from_env(Clock::system()).await?, streams)),
        Data::Memory => Database::memory()?,
        Data::Folder(folder) => {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(TABLES);
            Database::new(path.to_str().ok_or("--data: the path is not UTF-8")?)?
        }
    };
    let client = Embedded::new(database, clock.clock()).streamed(streams.clone()).client();
    let sdk = sdk(roles.client(client), "http://embedded");
    let world = assemble(sdk, clock.clock(), clock.clock(), Entropy::system(), config).await?;
    Ok((world, streams))
}

/// The world over any SDK: `compared` is the clock that DynamoDB's is compared with.
///
/// # Errors
/// As [`open`].
pub async fn assemble(
    sdk: Builder,
    compared: Clock,
    clock: Clock,
    entropy: Entropy,
    config: Config,
) -> Result<World, Error> {
    tables::create(&Client::from_conf(sdk.clone().build()), &config.tables).await?;
    let store = Store::new(sdk, config.tables.clone(), compared);
    Ok(World::new(store, clock, entropy, config).await?)
}

/// The SDK as the local stack and the tests use it: no account, no region, no profile.
pub fn sdk(client: SharedHttpClient, endpoint: &str) -> Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(client)
        .timeout_config(call_timeout())
        .retry_config(call_retry())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
}
