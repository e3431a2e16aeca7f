//! Money: a whole number, as Stripe counts its currency, never a float.

use std::fmt;

use super::Credits;
use super::currency::Currency;

/// An amount of money, as Stripe counts its currency: 4900 usd is 49 dollars, 4900 jpy is 4900
/// yen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    pub currency: Currency,
    pub minor: u64,
}

/// Why Stripe would not charge an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("{0} is not a currency that Stripe accepts")]
    Currency(Currency),
    #[error("must be a multiple of {step}, the smallest amount of {currency} that Stripe accepts")]
    Step { currency: Currency, step: u64 },
    #[error("must be from {} to {}: {least} to {most}", least.minor, most.minor)]
    Range { least: Money, most: Money },
}

impl Money {
    /// Checks that Stripe charges this amount, as far as the currency alone decides it.
    ///
    /// # Errors
    /// [`PriceError`] if Stripe would not charge it.
    pub fn chargeable(self) -> Result<(), PriceError> {
        let currency = self.currency;
        let scale = currency.known().ok_or(PriceError::Currency(currency))?;
        let (least, most) = (currency.least(), currency.most());
        if !self.minor.is_multiple_of(scale.step()) {
            return Err(PriceError::Step { currency, step: scale.step() });
        }
        if !(least..=most).contains(&self.minor) {
            let of = |minor| Money { currency, minor };
            return Err(PriceError::Range { least: of(least), most: of(most) });
        }
        Ok(())
    }

    /// The amount as a person writes it, with all decimals of its currency: 4900 usd is `49.00`,
    /// 500 ugx is `5`.
    pub fn decimal(self) -> String {
        let scale = self.currency.scale();
        decimal(u128::from(self.minor / scale.counted()), scale.decimals())
    }

    /// The price of one credit if `credits` cost this amount, as a person writes it. It has two
    /// decimals more than the currency and is rounded up.
    pub fn each(self, credits: Credits) -> String {
        let scale = self.currency.scale();
        let whole = u128::from(self.minor / scale.counted()) * 100 * 1_000_000;
        let each = whole.div_ceil(u128::from(credits.micro().unsigned_abs().max(1)));
        decimal(each, scale.decimals() + 2)
    }
}

/// A whole number of small units as a decimal: 4900 with 2 decimals is `49.00`.
fn decimal(small: u128, decimals: usize) -> String {
    let digits = format!("{small:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
