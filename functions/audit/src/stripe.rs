//! The comparison of payments with a Stripe account.

use shared::context::Context;
use shared::store::StoreError;
use shared::stripe::{Stripe, StripeAccount};

use crate::difference::{Difference, Kind};
use crate::payment::{AuditError, of_stripe};
use crate::subscription::subscriptions;

/// Compares the payments of the last days with Stripe. If Stripe or its key cannot be asked, that
/// is a difference: the payments are not known to be right.
///
/// # Errors
/// [`StoreError`] if the tables do not answer.
pub(crate) async fn compare(
    stripe: &StripeAccount,
    context: &Context,
) -> Result<Vec<Difference>, StoreError> {
    let compared = match stripe.client(context.clock.now()).await {
        Ok(stripe) => both(context, &stripe).await,
        Err(error) => Err(error.into()),
    };
    match compared {
        Ok(found) => Ok(found),
        Err(AuditError::Stripe(error)) => Ok(vec![not_compared(error.to_string())]),
        Err(AuditError::Store(error)) => Err(error),
    }
}

/// The difference of an audit whose time was over before all payments were compared.
pub(crate) fn out_of_time() -> Difference {
    not_compared("more payments than one invocation compares".to_owned())
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
