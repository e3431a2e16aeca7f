//! Reconcile: asks Stripe for every payment that may still change, and applies it like its webhook.
//!
//! It finds payments not credited, or refunded and still credited, and corrects them.

pub mod invoke;

use serde::Serialize;
use shared::command::payment::{self, NoticeOutcome, OrderUpdate};
use shared::context::Context;
use shared::domain::{AccountId, Credits, OperationId};
use shared::failure::Failure;
use shared::stripe::{self, ObjectList, Stripe, StripeError};

/// The objects that a run read, and the payments that it corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// The objects that Stripe listed.
    pub read: usize,
    /// Objects that could not be read.
    pub unreadable: usize,
    /// Objects of an account that is gone or contradicts itself: `audit` names it.
    pub unjoined: usize,
    /// True: Stripe had more than one run reads.
    pub cut: bool,
    pub found: Vec<Found>,
}

/// A payment whose credits did not match Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    pub payment: String,
    pub order: Option<OperationId>,
    pub account: Option<AccountId>,
    /// The credits of the payment in the account, before and after the correction.
    pub before: Credits,
    pub after: Credits,
    /// What is wrong with the payment, if it is parked now.
    pub parked: Option<String>,
}

/// Why a run stopped early. Payments already corrected stay corrected.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error("a payment was not processed: {0:?}")]
    Failed(Failure),
}

/// Lists every object that may still change, and applies each.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn run(context: &Context, stripe: &Stripe) -> Result<ReconcileReport, ReconcileError> {
    let mut report = ReconcileReport::default();
    let mut asking = ObjectList::new(stripe, context.clock.now());
    while let Some(objects) = asking.next().await? {
        for object in objects {
            take_notice(context, stripe, object, &mut report).await?;
        }
    }
    report.cut = asking.is_cut();
    for found in &report.found {
        let Found { payment, before, after, .. } = found;
        tracing::warn!(payment, %before, %after, "corrected a payment that did not match Stripe");
    }
    Ok(report)
}

async fn take_notice(
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
    let news = match payment::take_notice(context, &said, false).await {
        Ok(NoticeOutcome::OrderUpdate(news)) => news,
        Ok(NoticeOutcome::Known | NoticeOutcome::Foreign) => return Ok(()),
        // A broken account does not stop the others.
        Err(Failure::Store(error)) if error.is_of_one_account() => {
            report.unjoined += 1;
            tracing::error!(alarm = "payment_parked", %error, "a payment cannot be processed");
            return Ok(());
        }
        Err(failure) => return Err(ReconcileError::Failed(failure)),
    };
    let OrderUpdate { order, intent, before, after, parked } = news;
    // An update may change nothing: Stripe repeated the same state in another form.
    if before != after || parked.is_some() {
        let (order, account) = order.unzip();
        let payment = intent.to_string();
        report.found.push(Found { payment, order, account, before, after, parked });
    }
    Ok(())
}
