//! A Stripe account, by a client or by the secret that has its key.

use super::client::{Stripe, StripeError};
use crate::domain::Instant;
use crate::secrets::Secret;

/// A Stripe account that a function needs seldom.
#[derive(Clone, Debug)]
pub enum StripeAccount {
    Client(Stripe),
    /// Read when it is needed, not before: without it the function does the rest of its work.
    Key(Secret),
}

impl StripeAccount {
    /// A client of it.
    ///
    /// # Errors
    /// [`StripeError::Again`] if the secret cannot be read; [`StripeError::Rejected`] if its key
    /// cannot be used.
    pub async fn client(&self, now: Instant) -> Result<Stripe, StripeError> {
        match self {
            StripeAccount::Client(stripe) => Ok(stripe.clone()),
            StripeAccount::Key(key) => Stripe::by_secret(key.clone(), None, now).await,
        }
    }
}
