//! Failures: the answer to a caller in place of a result, or an error for an operator.

use crate::decide::Fault;
use crate::domain::Refusal;
use crate::service_key::KeysUnread;
use crate::session::NoKeys;
use crate::store::StoreError;
use crate::stripe::StripeError;

/// Why a command has no receipt, or a query no answer.
#[derive(Debug)]
pub enum Failure {
    Refusal(Refusal),
    Store(StoreError),
    /// The session keys cannot be used.
    Sessions(NoKeys),
    /// Nobody can tell now whether a service key is valid.
    KeysUnread(KeysUnread),
    Stripe(StripeError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refusal(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Store(StoreError::Fault(fault))
    }
}

impl From<NoKeys> for Failure {
    fn from(error: NoKeys) -> Failure {
        Failure::Sessions(error)
    }
}

impl From<KeysUnread> for Failure {
    fn from(error: KeysUnread) -> Failure {
        Failure::KeysUnread(error)
    }
}

impl From<StripeError> for Failure {
    fn from(error: StripeError) -> Failure {
        Failure::Stripe(error)
    }
}
