//! Top-up plans: credits that a subscription of its own buys each week or month.

use std::fmt;
use std::str::FromStr;

use super::words::Naming;
use super::{AccountId, Credits, Money, Tax};

/// Credits for sale by subscription, beside the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUpPlan {
    /// What each payment buys, and what it costs.
    pub credits: Credits,
    pub price: Money,
    pub every: Every,
    /// Of each payment's credits, from its invoice on.
    pub expires_after_months: u32,
    pub naming: Naming,
}

/// How often a top-up plan is paid. Its words are Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    Week,
    Month,
}

impl Every {
    pub const ALL: [Every; 2] = [Every::Week, Every::Month];

    pub fn name(self) -> &'static str {
        match self {
            Every::Week => "week",
            Every::Month => "month",
        }
    }
}

/// A top-up plan that a customer may begin, with what Stripe is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUpCheckout {
    pub account: AccountId,
    pub topup: String,
    pub terms: TopUpPlan,
    pub tax: Tax,
    /// The version of the catalog that offers it.
    pub catalog: u32,
    /// Stripe's id of who pays for the account, if one is known.
    pub customer: Option<String>,
    /// Where Stripe sends the customer back to, as the session says.
    pub return_url: String,
}

/// Stripe's id of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvoiceId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of an invoice")]
pub struct InvoiceIdError;

impl InvoiceId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InvoiceId {
    type Err = InvoiceIdError;

    fn from_str(text: &str) -> Result<InvoiceId, InvoiceIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = text.starts_with("in_") && text.len() <= 128 && text.bytes().all(plain);
        fits.then(|| InvoiceId(text.to_owned())).ok_or(InvoiceIdError)
    }
}

impl fmt::Display for InvoiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
