//! The context of the local stack: the same store, on the embedded database or on any endpoint.

use std::fmt;
use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use dynoxide::Database;
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::context::Context;
use shared::store::Store;

pub use shared::context::sdk;

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
}

/// The files of [`Data::Folder`]: the tables,
pub const TABLES: &str = "scrip.sqlite";
/// the offset of the clock,
pub const CLOCK: &str = "clock";
/// the state of the local Stripe,
pub const STRIPE: &str = "stripe.json";
/// and the service key that the stack prints, with what sealed it.
pub const SERVICE_KEYS: &str = "service-keys.json";

impl Data {
    /// Whether the tables belong to this process and may be deleted.
    pub fn is_own(&self) -> bool {
        matches!(self, Data::Memory | Data::Folder(_))
    }

    /// Deletes the tables, the clock, the local Stripe's state and the service key, so that the next
    /// start is a first one. No process may have them open. Tables elsewhere are left alone.
    ///
    /// # Errors
    /// If a file exists and cannot be removed.
    pub fn clear(&self) -> std::io::Result<()> {
        let Data::Folder(folder) = self else { return Ok(()) };
        // SQLite keeps writes that are not in the tables yet in files beside them.
        let beside = ["-wal", "-shm", "-journal"].map(|end| format!("{TABLES}{end}"));
        let files = [TABLES, CLOCK, STRIPE, SERVICE_KEYS];
        for name in files.into_iter().chain(beside.iter().map(String::as_str)) {
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
        }
    }
}

/// The opened tables.
pub struct Opened {
    /// The context on them; each function uses it under its role.
    pub context: Context,
    /// The streams of writes. Empty for an endpoint.
    pub streams: Streams,
    /// The embedded table. None: the tables are at an endpoint.
    pub table: Option<Embedded>,
}

/// Opens the tables, and creates those that are missing.
///
/// # Errors
/// If the folder cannot be written, the endpoint not reached, or the catalog is wrong.
pub async fn open(data: &Data, clock: &LocalClock, config: Config) -> Result<Opened, Error> {
    let template = Template::of(config.sells);
    let (streams, roles) = (Streams::of(&template, &config.tables), Roles::of(&template));
    let database = match data {
        // An endpoint has its own clock, compared with the system's: ours can be moved.
        Data::Endpoint(url) => {
            let client = aws_smithy_http_client::Builder::new().build_http();
            let sdk = sdk(roles.client(client), url);
            let entropy = Entropy::system();
            let context = assemble(sdk, Clock::system(), clock.clock(), entropy, config).await?;
            return Ok(Opened { context, streams, table: None });
        }
        Data::Memory => Database::memory()?,
        Data::Folder(folder) => {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(TABLES);
            Database::new(path.to_str().ok_or("--data: the path is not UTF-8")?)?
        }
    };
    let table = Embedded::new(database, clock.clock()).streamed(streams.clone());
    let sdk = sdk(roles.client(table.client()), "http://embedded");
    let context = assemble(sdk, clock.clock(), clock.clock(), Entropy::system(), config).await?;
    Ok(Opened { context, streams, table: Some(table) })
}

/// The context on any SDK: `compared` is the clock that DynamoDB's is compared with.
///
/// # Errors
/// As [`open`].
pub async fn assemble(
    sdk: Builder,
    compared: Clock,
    clock: Clock,
    entropy: Entropy,
    config: Config,
) -> Result<Context, Error> {
    tables::create(&Client::from_conf(sdk.clone().build()), &config.tables).await?;
    let store = Store::new(sdk, config.tables.clone(), compared);
    Ok(Context::new(store, clock, entropy, config).await?)
}
