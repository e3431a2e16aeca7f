//! The context of the local stack: the same store, over the embedded database or any endpoint.

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
        }
    }
}

/// Tables that are open.
pub struct Opened {
    /// The context around them; each function reaches them under its role.
    pub context: Context,
    /// What is written to them. Of an endpoint: nothing.
    pub streams: Streams,
    /// The embedded table. None: the tables are at an endpoint.
    pub table: Option<Embedded>,
}

/// Opens the tables, making those that are missing.
///
/// # Errors
/// If the folder cannot be written, the endpoint not reached, or the catalog is wrong.
pub async fn open(data: &Data, clock: &LocalClock, config: Config) -> Result<Opened, Error> {
    let template = Template::load();
    let (streams, roles) = (Streams::of(&template, &config.tables), Roles::of(&template));
    let database = match data {
        // An endpoint has a clock of its own, compared with the system's: ours can be moved.
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

/// The context over any SDK: `compared` is the clock that DynamoDB's is compared with.
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
