//! Packs: credits for sale, with a price in each currency that they are sold in.

use super::Credits;
use super::currency::Currency;
use super::money::{Money, PriceError};
use super::words::Naming;

/// Credits for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub credits: Credits,
    pub prices: Prices,
    pub expires_after_months: u32,
    pub naming: Naming,
}

/// The prices of a pack: at least one, and one at most in each currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    first: Money,
    others: Vec<Money>,
    /// Whether the catalog's file has them as a table `prices`, and not as one `price_minor` in one
    /// `currency`.
    in_table: bool,
}

impl Prices {
    /// The only price, written as `price_minor` and `currency`.
    pub fn one(price: Money) -> Prices {
        Prices { first: price, others: Vec::new(), in_table: false }
    }

    /// The prices of a table, in the order in which they are written. None: it is empty, or names
    /// a currency twice.
    pub fn table(prices: Vec<Money>) -> Option<Prices> {
        let (first, others) = prices.split_first()?;
        let repeats = |n: usize| prices[..n].iter().any(|one| one.currency == prices[n].currency);
        let table = Prices { first: *first, others: others.to_vec(), in_table: true };
        (!(0..prices.len()).any(repeats)).then_some(table)
    }

    /// The price for whom no other currency is chosen.
    pub fn first(&self) -> Money {
        self.first
    }

    /// All prices, the first one first.
    pub fn all(&self) -> impl Iterator<Item = Money> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// The price in this currency. None: the pack is not sold in it.
    pub fn in_currency(&self, currency: Currency) -> Option<Money> {
        self.all().find(|price| price.currency == currency)
    }

    /// The price in this currency, if one is chosen and the pack is sold in it; or else the first.
    pub fn preferring(&self, currency: Option<Currency>) -> Money {
        currency.and_then(|currency| self.in_currency(currency)).unwrap_or(self.first)
    }

    /// Checks that Stripe charges each price.
    ///
    /// # Errors
    /// The field of the first price that Stripe does not take, and why.
    pub fn chargeable(&self) -> Result<(), (String, PriceError)> {
        for price in self.all() {
            price.chargeable().map_err(|error| match (self.in_table, &error) {
                (true, _) => (format!("prices.{}", price.currency), error),
                (false, PriceError::Currency(_)) => ("currency".to_owned(), error),
                (false, _) => ("price_minor".to_owned(), error),
            })?;
        }
        Ok(())
    }
}
