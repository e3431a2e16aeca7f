//! Reconcile: what Stripe says of what may still change, asked for and taken in like what its webhook brings.
//!
//! What it finds was paid and not credited, or credited and refunded, and is by then put right.

use serde::Serialize;
use shared::command::payment::{self, NoticeOutcome, OrderUpdate};
use shared::context::Context;
use shared::domain::{AccountId, Credits, OperationId};
use shared::failure::Failure;
use shared::stripe::{self, ObjectList, Stripe, StripeError};

/// What it read and what it put right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// The objects that Stripe listed.
    pub read: usize,
    /// Those that could not be read.
    pub unreadable: usize,
    /// Those of an account that is gone, or that contradicts itself: `audit` names it.
    pub unjoined: usize,
    /// True: there was more than it reads at once.
    pub cut: bool,
    pub found: Vec<Found>,
}

/// A payment whose credits were not what Stripe says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    pub payment: String,
    pub order: Option<OperationId>,
    pub account: Option<AccountId>,
    /// The credits of it that were in the account, and those that are now.
    pub before: Credits,
    pub after: Credits,
    /// What is wrong with it, if it waits for an operator now.
    pub parked: Option<String>,
}

/// Why it did not come to its end. What was put right until then is.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error("a payment was not processed: {0:?}")]
    Failed(Failure),
}

/// Asks for everything that may still change.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn run(context: &Context, stripe: &Stripe) -> Result<ReconcileReport, ReconcileError> {
    let mut report = ReconcileReport::default();
    let mut asking = ObjectList::new(stripe, context.clock.now());
    while let Some(objects) = asking.next().await? {
        for object in objects {
            hear(context, stripe, object, &mut report).await?;
        }
    }
    report.cut = asking.is_cut();
    for found in &report.found {
        let Found { payment, before, after, .. } = found;
        tracing::warn!(payment, %before, %after, "corrected a payment that did not match Stripe");
    }
    Ok(report)
}

async fn hear(
    context: &Context,
    stripe: &Stripe,
    object: serde_json::Value,
    report: &mut ReconcileReport,
) -> Result<(), ReconcileError> {
    report.read += 1;
    let said = match stripe::object::said(object, stripe.is_live()) {
        Ok(Some(said)) => said,
        Ok(None) => return Ok(()),
        Err(problem) => {
            report.unreadable += 1;
            tracing::error!(alarm = "payment_parked", %problem, "an object cannot be read");
            return Ok(());
        }
    };
    let news = match payment::hear(context, &said, false).await {
        Ok(NoticeOutcome::OrderUpdate(news)) => news,
        Ok(NoticeOutcome::Known | NoticeOutcome::Foreign) => return Ok(()),
        // One account's trouble is not the others'.
        Err(Failure::Store(error)) if error.is_of_one_account() => {
            report.unjoined += 1;
            tracing::error!(alarm = "payment_parked", %error, "a payment cannot be processed");
            return Ok(());
        }
        Err(failure) => return Err(ReconcileError::Failed(failure)),
    };
    let OrderUpdate { order, intent, before, after, parked } = news;
    // What was said before in other words is news without an effect.
    if before != after || parked.is_some() {
        let (order, account) = order.unzip();
        let payment = intent.to_string();
        report.found.push(Found { payment, order, account, before, after, parked });
    }
    Ok(())
}
