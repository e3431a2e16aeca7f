//! The store: the only place that knows DynamoDB.
//!
//! It reads, and it commits conditional writes; it makes no unconditional ones. A commit is one
//! request.
//!
//! A read boxes the SDK's future, as the SDK itself does for a commit: it has 6 KB, and each layer
//! above would make room for it and copy it.

mod accounts;
mod auto_top_up;
mod billing;
mod commit;
mod directory;
mod dry_run;
mod error;
mod expression;
mod in_flight;
mod item;
mod limits;
mod orders;
pub mod packed;
mod payment_places;
mod payments;
mod read;
mod reconcile;
mod restore;
mod row;
mod row_expression;
mod scan;
mod service_keys;
mod skew;
mod table;

use aws_sdk_dynamodb::Client;

pub use auto_top_up::read_auto_top_up;
pub use directory::DirectoryPart;
pub use dry_run::{Dry, DryRun};
pub use error::StoreError;
pub use in_flight::InFlight;
use item::{Attributes, Item};
pub use limits::read_reached;
pub use payments::PaymentPlace;
pub use read::Scan;
pub use restore::TableKind;
pub use scan::{ScanPart, ScannedRow};
pub use skew::Skew;

use crate::clock::Clock;
use crate::decide::Row;
use crate::decide::archive::Weight;
use crate::domain::{Account, AccountId, OperationId, Seq};

/// The names of the two tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub accounts: String,
    pub ledger: String,
}

/// Both tables, through one client.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    tables: Tables,
    skew: Skew,
    /// None: what is committed is written.
    dry_run: Option<DryRun>,
}

/// An account as it was read or written, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub account: Account,
    pub weight: Weight,
}

/// The outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written. Holds the account as it is now if the write was of one account alone.
    Done(Option<Box<Loaded>>),
    /// A guard did not hold: the account as it is. None: the account does not exist, or the write
    /// had only guards.
    AccountRefused(Option<Box<Loaded>>),
    /// The condition on the row at this index did not hold. Holds the row as it is, if it is a
    /// segment, a key alias, an idempotency record or a redemption.
    RowRefused(usize, Option<Row>),
}

/// The longest partition key that DynamoDB takes, in bytes. An operator may ask for any.
const MAX_KEY_BYTES: usize = 2048;

type Stored<T> = Result<T, StoreError>;

impl Store {
    /// A store that compares its clock with DynamoDB's at every answer.
    pub fn new(config: aws_sdk_dynamodb::config::Builder, tables: Tables, clock: Clock) -> Store {
        let skew = Skew::new(clock);
        let client = Client::from_conf(config.interceptor(skew.clone()).build());
        Store { client, tables, skew, dry_run: None }
    }

    /// A store that reads the same tables and writes nothing: what is committed to an account that
    /// it has read stays in memory, and is read from there.
    pub fn for_dry_run(&self) -> Store {
        Store { dry_run: Some(DryRun::default()), ..self.clone() }
    }

    /// The dry run that this store is for. None: it writes.
    pub fn dry_run(&self) -> Option<&DryRun> {
        self.dry_run.as_ref()
    }
}

/// Reads an account from its image in a stream.
///
/// # Errors
/// [`StoreError::Broken`].
pub fn read_image(image: serde_dynamo::Item) -> Stored<Account> {
    accounts::read_account(&image.into())
}

/// The account of a ledger row, from the keys in a stream record. None: the keys are those of an
/// account item, which has no sort key.
///
/// # Errors
/// [`StoreError::Broken`].
pub fn read_keys(keys: serde_dynamo::Item) -> Stored<Option<AccountId>> {
    let keys: Item = keys.into();
    match keys.contains_key(table::SORT) {
        true => Attributes::of("ledger", &keys).parsed(table::ACCOUNT).map(Some),
        false => Ok(None),
    }
}

fn loaded(item: &Item) -> Stored<Loaded> {
    Ok(Loaded { account: accounts::read_account(item)?, weight: accounts::weigh(item) })
}

/// An entry that should be in a segment is in none.
pub fn gap(account: &AccountId, seq: Seq) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: account.to_string(),
        attribute: format!("entry {seq}"),
        problem: "is in no segment".to_owned(),
        later: false,
    }
}

/// A version of the catalog that an account names cannot be read.
pub fn no_catalog(version: u32, problem: String) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: table::CATALOG.to_owned(),
        attribute: table::catalog_key(version),
        problem,
        later: false,
    }
}

/// What a request asks depends on an entry whose kind only a later version knows.
pub fn unknown(account: &AccountId, entry: OperationId) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: account.to_string(),
        attribute: format!("entry {entry}"),
        problem: "was written by a later version".to_owned(),
        later: true,
    }
}
