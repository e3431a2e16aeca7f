//! A contender: anything that takes credits from accounts.

use std::fmt;
use std::pin::Pin;

use crate::meter::Meter;

/// Why a contender cannot go on: the run ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a contender answers later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The answer to a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Too few credits.
    Refused,
    /// No answer: the caller sends the debit again, with the same id.
    Unknown,
}

/// Where a contender keeps its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Embedded,
    DynamoDbLocal,
    Server,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Embedded => "the embedded table",
            Place::DynamoDbLocal => "DynamoDB Local",
            Place::Server => "another database",
        })
    }
}

/// What a database has written to its log since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    pub bytes: u64,
    /// None: the database does not count them.
    pub fsyncs: Option<u64>,
}

/// Takes credits from accounts.
pub trait Contender: Send + Sync {
    /// The name in the tables of the report.
    fn name(&self) -> &str;

    fn place(&self) -> Place;

    /// Counts its round trips, and loses replies.
    fn meter(&self) -> &Meter;

    /// Opens an account with these whole credits: at least 1, and in Scrip at most 100 000.
    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()>;

    /// Takes whole credits from an account. `id` is a UUIDv7 of now: the same id is the same debit.
    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome>;

    /// The whole credits that an account has.
    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64>;

    /// What its database has logged. None: it has no log, or none that can be measured.
    fn logged(&self) -> Later<'_, Option<Logged>> {
        Box::pin(async { Ok(None) })
    }
}
