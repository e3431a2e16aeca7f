//! The Stripe account with which an audit compares payments.

use shared::context::Context;
use shared::secrets::Secret;
use shared::store::StoreError;
use shared::stripe::Stripe;

use crate::difference::{Difference, Kind};
use crate::payment::{AuditError, of_stripe};
use crate::subscription::subscriptions;

/// A Stripe account, by a client or by the secret that has its key.
#[derive(Clone, Debug)]
pub enum StripeAccount {
    Client(Stripe),
    /// Read when payments are compared, not before: without it the ledger is audited all the same.
    Key(Secret),
}

impl StripeAccount {
    /// Compares the payments of the last days with Stripe. If Stripe or its key cannot be asked,
    /// that is a difference: the payments are not known to be right.
    ///
    /// # Errors
    /// [`StoreError`] if the tables do not answer.
    pub async fn compare(&self, context: &Context) -> Result<Vec<Difference>, StoreError> {
        let compared = match self {
            StripeAccount::Client(stripe) => both(context, stripe).await,
            StripeAccount::Key(key) => {
                match Stripe::by_secret(key.clone(), None, context.clock.now()).await {
                    Ok(stripe) => both(context, &stripe).await,
                    Err(error) => Err(error.into()),
                }
            }
        };
        match compared {
            Ok(found) => Ok(found),
            Err(AuditError::Stripe(error)) => Ok(vec![not_compared(error.to_string())]),
            Err(AuditError::Store(error)) => Err(error),
        }
    }

    /// The difference of an audit whose time was over before all payments were compared.
    pub fn out_of_time() -> Difference {
        not_compared("more payments than one invocation compares".to_owned())
    }
}

/// The differences of payments and of subscriptions.
async fn both(context: &Context, stripe: &Stripe) -> Result<Vec<Difference>, AuditError> {
    let mut found = of_stripe(context, stripe).await?;
    found.extend(subscriptions(context, stripe).await?);
    Ok(found)
}

fn not_compared(found: String) -> Difference {
    Difference {
        account: None,
        kind: Kind::StripeUnreachable,
        expected: "an answer of Stripe about all payments".to_owned(),
        found,
        parked: false,
    }
}
