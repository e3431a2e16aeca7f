//! Rate tables: what the models of AI providers cost, by meter. Reviewed data, published with the
//! catalog.

mod parse;

pub use parse::RatesError;

use std::collections::{BTreeMap, BTreeSet};

use super::Credits;
use super::meters::{Meter, Meters};

/// Names a model of a rate table in the ledger: permanent.
pub type ModelNumber = u16;

/// The most models of one table, retired ones among them.
pub const MAX_MODELS: usize = 1_000;
/// The longest text of one table, in bytes: it lies in one item.
pub const MAX_TABLE_BYTES: usize = 350_000;
/// The most tables of a catalog: all are published in one transaction, of at most 4 MB.
pub const MAX_TABLES: usize = 10;

/// The rates of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTable {
    /// The meters whose sum is the context of a call: it decides the tier.
    pub context: BTreeSet<Meter>,
    /// By the provider's own name.
    pub models: BTreeMap<String, Model>,
    /// The other exact names, each with the model that it means.
    pub names: BTreeMap<String, String>,
}

/// A model of a provider, at its rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub number: ModelNumber,
    /// Whether its name with a date behind it, `-20260801` or `-2026-08-01`, means it, too.
    pub dated: bool,
    /// No longer sold. It keeps its number and its name for the entries that have it.
    pub retired: bool,
    pub rates: Rates,
    /// By the context above which each is in force, for the whole call.
    pub tiers: BTreeMap<u64, Rates>,
}

/// Credits for a million of each meter. A meter that is not among them is not sold.
pub type Rates = BTreeMap<Meter, Credits>;

/// A price before it is rounded: in millionths of a micro-credit. The largest, of ten meters of
/// 10^12 at 10^15, is far below 2^128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactPrice(u128);

/// A rate is for so many of a meter.
const PER: u128 = 1_000_000;

impl ExactPrice {
    /// In whole micro-credits, rounded up. None: more than [`Credits::MAX`].
    pub fn rounded_up(self) -> Option<Credits> {
        credits(self.0.div_ceil(PER))
    }

    /// The same, rounded down.
    pub fn rounded_down(self) -> Option<Credits> {
        credits(self.0 / PER)
    }
}

fn credits(micro: u128) -> Option<Credits> {
    let credits = Credits::from_micro(i64::try_from(micro).ok()?);
    (credits <= Credits::MAX).then_some(credits)
}

impl RateTable {
    /// The model that `name` means, and its own name: an exact name, or one with a date behind it.
    pub fn model(&self, name: &str) -> Option<(&str, &Model)> {
        let exact = |name: &str| {
            let own = self.names.get(name).map_or(name, String::as_str);
            self.models.get_key_value(own)
        };
        let dated = || exact(undated(name)?).filter(|(_, model)| model.dated);
        exact(name).or_else(dated).map(|(name, model)| (name.as_str(), model))
    }

    /// The model with this number, and its name.
    pub fn numbered(&self, number: ModelNumber) -> Option<(&str, &Model)> {
        let mut models = self.models.iter();
        let found = models.find(|(_, model)| model.number == number);
        found.map(|(name, model)| (name.as_str(), model))
    }

    /// The exact price of a call of a model. The tier is that of the whole context, and holds for
    /// all meters.
    ///
    /// # Errors
    /// The first meter that counts something and for which the model has no rate.
    pub fn exact(&self, model: &Model, meters: &Meters) -> Result<ExactPrice, Meter> {
        let context = self.context.iter().map(|meter| meters.get(*meter)).sum();
        let mut sum = 0;
        for (meter, count) in meters.counted() {
            let rate = model.rate(meter, context).ok_or(meter)?;
            sum += u128::from(count) * u128::from(rate.micro().unsigned_abs());
        }
        Ok(ExactPrice(sum))
    }
}

impl Model {
    /// What a million of `meter` costs in a call of this context.
    fn rate(&self, meter: Meter, context: u64) -> Option<Credits> {
        let tiers = self.tiers.range(..context).rev().map(|(_, rates)| rates);
        tiers.chain([&self.rates]).find_map(|rates| rates.get(&meter)).copied()
    }
}

/// A name without the date behind it, `-20260801` or `-2026-08-01`. None: it has none.
pub fn undated(name: &str) -> Option<&str> {
    let date = ["-dddddddd", "-dddd-dd-dd"].into_iter().find(|form| {
        let start = name.len().checked_sub(form.len());
        let tail = start.and_then(|start| name.as_bytes().get(start..)).unwrap_or_default();
        let fits = |(byte, form): (&u8, u8)| match form {
            b'd' => byte.is_ascii_digit(),
            form => *byte == form,
        };
        tail.len() == form.len() && tail.iter().zip(form.bytes()).all(fits)
    })?;
    name.get(..name.len() - date.len())
}
