//! Paid invoices of top-up plans.

use sha2::{Digest, Sha256};

use super::payment::IntentId;
use super::tax::Priced;
use super::topup::InvoiceId;
use super::{Instant, Money, OperationId};

/// A paid invoice of a top-up plan's subscription, as Stripe says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidInvoice {
    pub id: InvoiceId,
    /// The account and the top-up plan that its subscription names.
    pub account: String,
    pub topup: String,
    /// The version of the catalog that offered it when it was begun.
    pub catalog: Option<u32>,
    pub live: bool,
    pub created: Instant,
    pub paid_at: Instant,
    /// The payment. Where there was nothing to pay there is none, and the invoice's id stands for
    /// it.
    pub intent: IntentId,
    pub paid: Money,
    /// The price and the tax, if Stripe computed one.
    pub priced: Option<Priced>,
    /// Stripe's id of who pays, and Stripe's page of the invoice, with its receipt.
    pub customer: Option<String>,
    pub url: Option<String>,
}

impl PaidInvoice {
    /// The id of its order: always the same.
    pub fn order(&self) -> OperationId {
        let digest = Sha256::digest(self.id.as_str());
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        OperationId::own(self.created, random)
    }
}
