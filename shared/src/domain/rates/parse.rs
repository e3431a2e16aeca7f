//! Reads the file of a rate table, and checks it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::{Table, Value};

use super::{MAX_MODELS, Model, ModelNumber, RateTable, Rates};
use crate::domain::Credits;
use crate::domain::credits::CreditsError;
use crate::domain::meters::Meter;
use crate::domain::nearest::nearest;

/// The longest name of a model, in bytes.
const NAME_BYTES: usize = 128;
/// A cost has at most so many digits before its point, and behind it.
const COST_DIGITS: (usize, usize) = (9, 9);
/// The context above which a tier is in force is at most this.
const MAX_ABOVE: u64 = 1_000_000_000_000;

/// Why a rate table is refused: the key that is wrong and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatesError {
    pub key: String,
    pub problem: String,
}

impl RateTable {
    /// Reads and validates a rate table in TOML.
    ///
    /// # Errors
    /// [`RatesError`] names the first key that is wrong.
    pub fn parse(text: &str) -> Result<RateTable, RatesError> {
        let file: TableFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |at| text[..at.start].lines().count().max(1));
            wrong(format!("line {line}"), e.message())
        })?;
        file.check()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    /// Where the rates come from, for those who review them.
    #[serde(rename = "source")]
    _source: Option<String>,
    /// The currency of the costs, for those who review them.
    #[serde(rename = "cost_currency")]
    _cost_currency: Option<String>,
    context: Vec<String>,
    /// What [`ModelHead`] says of each, its rates by meter, and its tiers.
    models: BTreeMap<String, Table>,
}

/// The fields of a model that are no rates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelHead {
    number: ModelNumber,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    dated: bool,
    #[serde(default)]
    retired: bool,
}

impl ModelHead {
    const FIELDS: [&str; 4] = ["number", "names", "dated", "retired"];

    /// Takes these fields out of a model's table.
    fn take(key: &str, model: &mut Table) -> Result<ModelHead, RatesError> {
        let take = |field: &str| Some((field.to_owned(), model.remove(field)?));
        let head: Table = ModelHead::FIELDS.into_iter().filter_map(take).collect();
        head.try_into().map_err(|e: toml::de::Error| wrong(key, e.message()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateFile {
    credits: String,
    /// What the provider charges, for those who review the margin.
    cost: Option<String>,
}

impl TableFile {
    fn check(self) -> Result<RateTable, RatesError> {
        let count = self.models.len();
        if !(1..=MAX_MODELS).contains(&count) {
            let problem = format!("must name 1 to {MAX_MODELS} models, not {count}");
            return Err(wrong("models", problem));
        }
        let mut context = BTreeSet::new();
        for (place, name) in self.context.iter().enumerate() {
            context.insert(meter(format!("context[{place}]"), name)?);
        }
        let (mut numbers, mut models, mut names) =
            (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let own: BTreeSet<String> = self.models.keys().cloned().collect();
        for (name, mut rates) in self.models {
            let key = format!("models.{name:?}");
            if !is_name(&name) {
                return Err(wrong(key, no_name()));
            }
            let file = ModelHead::take(&key, &mut rates)?;
            if file.number == 0 || !numbers.insert(file.number) {
                let problem = "must be at least 1 and different for every model";
                return Err(wrong(format!("{key}.number"), problem));
            }
            for other in &file.names {
                let known = own.contains(other) || names.contains_key(other);
                match (is_name(other), known) {
                    (true, false) => names.insert(other.clone(), name.clone()),
                    (true, true) => {
                        let problem = format!("{other:?} is the name of another model");
                        return Err(wrong(format!("{key}.names"), problem));
                    }
                    (false, _) => return Err(wrong(format!("{key}.names"), no_name())),
                };
            }
            models.insert(name, file.with(&key, rates)?);
        }
        Ok(RateTable { context, models, names })
    }
}

impl ModelHead {
    /// The model with these rates and tiers.
    fn with(self, key: &str, table: Table) -> Result<Model, RatesError> {
        let ModelHead { number, dated, retired, .. } = self;
        let (mut rates, mut tiers) = (Rates::new(), BTreeMap::new());
        for (name, value) in table {
            let key = format!("{key}.{name}");
            match name.strip_prefix("above_") {
                None => {
                    rates.insert(meter(key.clone(), &name)?, rate(key, value)?);
                }
                Some(above) => {
                    let context = above.parse().ok().filter(|above| *above <= MAX_ABOVE);
                    let context = context.filter(|context: &u64| context.to_string() == above);
                    let problem = format!("must be above_ and a number up to {MAX_ABOVE}");
                    let context = context.ok_or_else(|| wrong(key.clone(), problem))?;
                    tiers.insert(context, tier(&key, value)?);
                }
            }
        }
        if rates.is_empty() {
            return Err(wrong(key, "must have a rate for one meter at least"));
        }
        let mut below = rates.clone();
        for (above, tier) in &tiers {
            for (meter, rate) in tier {
                let key = || format!("{key}.above_{above}.{}", meter.name());
                match below.insert(*meter, *rate) {
                    Some(before) if before > *rate => {
                        let problem = format!("must not be cheaper than {before}, the rate below");
                        return Err(wrong(key(), problem));
                    }
                    Some(_) => {}
                    None => return Err(wrong(key(), "must have a rate below the tier, too")),
                }
            }
        }
        Ok(Model { number, dated, retired, rates, tiers })
    }
}

fn tier(key: &str, value: Value) -> Result<Rates, RatesError> {
    let Value::Table(table) = value else {
        return Err(wrong(key, "must be a table of rates by meter"));
    };
    let mut rates = Rates::new();
    for (name, value) in table {
        let key = format!("{key}.{name}");
        rates.insert(meter(key.clone(), &name)?, rate(key, value)?);
    }
    match rates.is_empty() {
        false => Ok(rates),
        true => Err(wrong(key, "must have a rate for one meter at least")),
    }
}

fn meter(key: String, name: &str) -> Result<Meter, RatesError> {
    Meter::named(name).ok_or_else(|| {
        let meant = nearest(name, Meter::ALL.map(Meter::name));
        let meant = meant.map(|word| format!(" (did you mean {word:?}?)")).unwrap_or_default();
        wrong(key, format!("{name:?} is no meter{meant}"))
    })
}

fn rate(key: String, value: Value) -> Result<Credits, RatesError> {
    let form = "must be { credits = \"390\" }, of a million, and may have a cost beside it";
    let file: RateFile = value.try_into().map_err(|_| wrong(key.clone(), form))?;
    if file.cost.is_some_and(|cost| !is_cost(&cost)) {
        let (whole, decimals) = COST_DIGITS;
        let problem = format!("must be a decimal of up to {whole} digits and {decimals} decimals");
        return Err(wrong(format!("{key}.cost"), problem));
    }
    match file.credits.as_str() {
        "0" => Ok(Credits::ZERO),
        text => {
            text.parse().map_err(|e: CreditsError| wrong(format!("{key}.credits"), e.to_string()))
        }
    }
}

fn is_cost(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    digits(whole, COST_DIGITS.0) && digits(decimals, COST_DIGITS.1)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn no_name() -> String {
    format!("must be 1 to {NAME_BYTES} bytes in UTF-8 without control characters")
}

fn wrong(key: impl Into<String>, problem: impl Into<String>) -> RatesError {
    RatesError { key: key.into(), problem: problem.into() }
}
