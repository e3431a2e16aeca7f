//! What can go wrong with the store, and what can be done about it.

use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};

use super::skew::TooFar;
use crate::decide::Fault;

/// A request to the store that got no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, in conflict with a transaction, failed, or lost: it may or may not have been
    /// written. Every change may be sent again: what it does once, it does not do twice.
    #[error("DynamoDB gave no definite answer")]
    Retryable(#[source] BoxError),
    /// DynamoDB refused the request itself: permission, name, form. Sending it again is no use.
    #[error("DynamoDB refused the request")]
    Rejected(#[source] BoxError),
    /// The handler's clock and DynamoDB's are too far apart to answer anything.
    #[error("this clock is {off_ms} ms away from DynamoDB's")]
    Clock { off_ms: i64 },
    /// An item cannot be read. It is never repaired in passing.
    #[error("item {table} {key}: attribute {attribute}: {problem}")]
    Broken { table: &'static str, key: String, attribute: String, problem: String },
    /// An account contradicts itself.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The operation is not there, but an attempt that was given up may still arrive.
    #[error("an earlier attempt may still be in flight")]
    StillInFlight,
    /// The id is dated so far ahead that it is not waited for, and not so far that nobody can have
    /// applied it.
    #[error("the time in the key is {lead_ms} ms ahead")]
    Ahead { lead_ms: i64 },
    /// What accounts are advanced by is not known well enough.
    #[error("the catalog could not be read for {age_s} s")]
    Catalog { age_s: i64 },
    /// The operation was tried as often as it is worth; it may or may not have happened.
    #[error("no outcome after {tries} tries")]
    Exhausted { tries: usize },
}

/// The codes of refusals that no repetition changes.
const DENIED: [&str; 6] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ValidationException",
    "ResourceNotFoundException",
    "SerializationException",
    "ItemCollectionSizeLimitExceededException",
];

/// What the comparison of clocks has failed a call with.
fn too_far(error: &(dyn std::error::Error + 'static)) -> Option<TooFar> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<TooFar>().copied())
}

impl StoreError {
    /// Whether one account's items are the trouble, and nobody else's: others can be gone on with, and
    /// sending it again is no use. A plan that is not in the catalog may be in the next one that is read.
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
