//! A part of a sweep: one segment of the table, where it continues, and its progress.

use serde::{Deserialize, Serialize};
use shared::domain::AccountId;

/// The version of a message's format. A message of another version is refused.
const VERSION: u32 = 1;

/// The task of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Advances the accounts that are due and were used.
    Recharge,
    /// Announces which grants expire soon. Writes nothing.
    Expiring,
}

impl Task {
    pub fn name(self) -> &'static str {
        match self {
            Task::Recharge => "recharge",
            Task::Expiring => "expiring",
        }
    }
}

/// One segment of a parallel scan, from a cursor on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPart {
    version: u32,
    pub task: Task,
    pub segment: i32,
    pub of: i32,
    /// The account that was read last; None: from the beginning.
    #[serde(with = "account")]
    pub after: Option<AccountId>,
    pub progress: SweepProgress,
}

/// The progress of a segment. The counts of a message that was tampered with saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepProgress {
    pub seen: u64,
    /// Accounts that were advanced, or for which an event was announced.
    pub done: u64,
    /// Accounts that could not be read: each is in the log.
    pub broken: u64,
}

/// Why a message cannot be read as a part.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("not a part of a sweep: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the part has version {0}, but this function has version {VERSION}")]
    Version(u32),
    #[error("segment {segment} of {of}")]
    ScanSegment { segment: i32, of: i32 },
}

impl SweepPart {
    /// All parts of a sweep, each from its beginning.
    pub fn all(task: Task, of: i32) -> impl Iterator<Item = SweepPart> {
        (0..of).map(move |segment| SweepPart {
            version: VERSION,
            task,
            segment,
            of,
            after: None,
            progress: SweepProgress::default(),
        })
    }

    pub fn message(&self) -> String {
        serde_json::to_string(self).expect("a part is JSON")
    }

    /// # Errors
    /// [`PartError`] for anything that [`SweepPart::message`] does not write.
    pub fn read(message: &str) -> Result<SweepPart, PartError> {
        /// Only the version: the other fields may be another version's.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(message)?;
        if version != VERSION {
            return Err(PartError::Version(version));
        }
        let part: SweepPart = serde_json::from_str(message)?;
        let SweepPart { segment, of, .. } = part;
        match (1..=1_000_000).contains(&of) && (0..of).contains(&segment) {
            true => Ok(part),
            false => Err(PartError::ScanSegment { segment, of }),
        }
    }
}

/// An account's id, or none, as a string.
mod account {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use shared::domain::AccountId;

    pub(super) fn serialize<S: Serializer>(
        account: &Option<AccountId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        account.as_ref().map(AccountId::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<AccountId>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}
