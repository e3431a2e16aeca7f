//! Tax on purchases: how Stripe is asked for it, and what a checkout session says of it.
//!
//! Stripe alone computes tax. Only a session says how much of a payment it is: charges, intents,
//! refunds and disputes say gross amounts.

use std::collections::BTreeSet;

use super::money::Money;

/// How Stripe taxes the purchases of a catalog. By default not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tax {
    /// Stripe computes the tax, and adds it to the price or counts it as a part of the price. None:
    /// it computes none.
    pub behavior: Option<TaxBehavior>,
    /// Whether Stripe asks a buyer for a tax id.
    pub ids: bool,
}

/// Whether a price contains its tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBehavior {
    /// The tax is added to the price.
    Exclusive,
    /// The tax is a part of the price.
    Inclusive,
}

/// The amounts that a completed session says of a purchase with tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priced {
    /// The price as the catalog says it: without the tax if that is added, and with it if it is a
    /// part of the price.
    pub price: Money,
    /// The tax, as Stripe counts the currency of the price.
    pub tax_minor: u64,
}

impl TaxBehavior {
    pub const ALL: [TaxBehavior; 2] = [TaxBehavior::Exclusive, TaxBehavior::Inclusive];

    pub fn name(self) -> &'static str {
        match self {
            TaxBehavior::Exclusive => "exclusive",
            TaxBehavior::Inclusive => "inclusive",
        }
    }

    pub fn named(name: &str) -> Option<TaxBehavior> {
        TaxBehavior::ALL.into_iter().find(|behavior| behavior.name() == name)
    }

    /// The gross amount: all that the buyer pays.
    fn gross_minor(self, priced: &Priced) -> u64 {
        match self {
            TaxBehavior::Exclusive => priced.price.minor.saturating_add(priced.tax_minor),
            TaxBehavior::Inclusive => priced.price.minor,
        }
    }
}

impl Tax {
    /// Whether an amount differs from an order at `price`. Without tax the price is what is paid.
    /// With tax the session has to say the price, and the gross amount has to be paid: what is paid
    /// says nothing before a session has said what the price is. A discount makes it differ.
    pub fn differs(self, price: Money, paid: &BTreeSet<Money>, priced: &BTreeSet<Priced>) -> bool {
        let Some(behavior) = self.behavior else {
            return paid.iter().any(|paid| paid.minor != price.minor);
        };
        let wrong = |priced: &Priced| {
            let gross = behavior.gross_minor(priced);
            priced.price.minor != price.minor || paid.iter().any(|paid| paid.minor != gross)
        };
        paid.len() > 1 || priced.iter().any(wrong)
    }
}
