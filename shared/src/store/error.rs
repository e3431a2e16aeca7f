//! The errors of the store, and whether a retry can help.

use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};

use super::skew::TooFar;
use crate::decide::Fault;

/// A request to the store that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, in conflict with a transaction, failed, or lost: it may or may not have been
    /// written. Every change may be sent again: it takes effect once.
    #[error("DynamoDB gave no definite answer")]
    Retryable(#[source] BoxError),
    /// DynamoDB refused the request itself: permission, name, form. Sending it again does not help.
    #[error("DynamoDB refused the request")]
    Rejected(#[source] BoxError),
    /// The handler's clock and DynamoDB's are too far apart to answer anything.
    #[error("this clock is {off_ms} ms away from DynamoDB's")]
    Clock { off_ms: i64 },
    /// An item cannot be read. No reader repairs it in passing.
    #[error("item {table} {key}: attribute {attribute}: {problem}")]
    Broken {
        table: &'static str,
        key: String,
        attribute: String,
        problem: String,
        /// Whether a later version of Scrip may have written it, and can read it.
        later: bool,
    },
    /// An account contradicts itself.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The operation is not in the ledger, but an attempt that was given up may still arrive.
    #[error("an earlier attempt may still be in flight")]
    StillInFlight,
    /// The time in the id is too far ahead to wait for, but not so far that no other handler can
    /// have applied it.
    #[error("the time in the key is {lead_ms} ms ahead")]
    Ahead { lead_ms: i64 },
    /// The catalog that accounts are advanced by was read too long ago.
    #[error("the catalog could not be read for {age_s} s")]
    Catalog { age_s: i64 },
    /// The limit on tries or time was reached; the operation may or may not have happened.
    #[error("no outcome after {tries} tries")]
    Exhausted { tries: usize },
}

/// The error codes that no retry changes.
const DENIED: [&str; 6] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ValidationException",
    "ResourceNotFoundException",
    "SerializationException",
    "ItemCollectionSizeLimitExceededException",
];

/// The clock error, if the comparison of clocks failed the call.
fn too_far(error: &(dyn std::error::Error + 'static)) -> Option<TooFar> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<TooFar>().copied())
}

impl StoreError {
    /// Whether only one account's items are broken: the caller can go on with other accounts, and
    /// sending the request again does not help. A plan that is missing from the catalog does not
    /// count: the next catalog that is read may have it.
    pub fn is_of_one_account(&self) -> bool {
        matches!(self, StoreError::Broken { .. } | StoreError::Fault(Fault::Account { .. }))
    }

    pub(super) fn of<E>(error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        if let Some(TooFar { off_ms }) = too_far(&error) {
            return StoreError::Clock { off_ms };
        }
        let denied = error.code().is_some_and(|code| DENIED.contains(&code))
            || matches!(error, SdkError::ConstructionFailure(_));
        match denied {
            true => StoreError::Rejected(Box::new(error)),
            false => StoreError::Retryable(Box::new(error)),
        }
    }
}
