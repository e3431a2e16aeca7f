//! A part of an audit: its work, where it continues, and what it found so far.

use serde::{Deserialize, Serialize};

use crate::report::SCAN_SEGMENTS;
use crate::walk::ScanPosition;

/// The version of a message's format. A message of another version is refused.
const VERSION: u32 = 1;

/// One part of an audit, which may take several invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPart {
    version: u32,
    pub work: AuditWork,
    /// The accounts that were read, and the differences that were found.
    pub seen: u64,
    pub differences: u64,
}

/// The work of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditWork {
    /// The accounts of one segment of the table, after the account that was read last.
    Accounts { segment: i32, of: i32, after: Option<String> },
    /// The rows in the ledger of accounts that do not exist, after the row that was read last.
    Orphans { after: Option<ScanPosition> },
    /// The payments that Stripe lists.
    Stripe,
}

/// Why a message cannot be read as a part.
#[derive(Debug, thiserror::Error)]
pub enum AuditPartError {
    #[error("not a part of an audit: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the part has version {0}, but this function has version {VERSION}")]
    Version(u32),
    #[error("segment {segment} of {of}")]
    ScanSegment { segment: i32, of: i32 },
}

impl AuditPart {
    pub fn new(work: AuditWork) -> AuditPart {
        AuditPart { version: VERSION, work, seen: 0, differences: 0 }
    }

    /// All parts of an audit, each from its beginning. Payments are compared with Stripe if there
    /// is one.
    pub fn all(has_stripe: bool) -> impl Iterator<Item = AuditPart> {
        let of = SCAN_SEGMENTS;
        let accounts = (0..of).map(move |segment| AuditWork::Accounts { segment, of, after: None });
        let rest = [AuditWork::Orphans { after: None }].into_iter();
        let stripe = has_stripe.then_some(AuditWork::Stripe);
        accounts.chain(rest).chain(stripe).map(AuditPart::new)
    }

    pub fn message(&self) -> String {
        serde_json::to_string(self).expect("a part is JSON")
    }

    /// # Errors
    /// [`AuditPartError`] for anything that [`AuditPart::message`] does not write.
    pub fn read(message: &str) -> Result<AuditPart, AuditPartError> {
        /// Only the version: the other fields may be another version's.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(message)?;
        if version != VERSION {
            return Err(AuditPartError::Version(version));
        }
        let part: AuditPart = serde_json::from_str(message)?;
        match part.work {
            AuditWork::Accounts { segment, of, .. }
                if !(1..=1_000_000).contains(&of) || !(0..of).contains(&segment) =>
            {
                Err(AuditPartError::ScanSegment { segment, of })
            }
            _ => Ok(part),
        }
    }
}
