//! The differences between two rate tables, with warnings of those that are rarely meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use shared::domain::Credits;
use shared::domain::meters::Meter;

use super::table::{ModelRates, Rate, RateFile};
use crate::terminal::plain;

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// None: it is of the table.
    pub model: Option<String>,
    /// Such as `input`, `above_200000.output` or `names`. None: the whole model.
    pub key: Option<String>,
    pub was: Option<String>,
    pub is: Option<String>,
    pub warning: Option<&'static str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = [self.model.as_deref(), self.key.as_deref()];
        let of = plain(&of.into_iter().flatten().collect::<Vec<_>>().join(" "));
        let show = |value: &Option<String>| value.as_deref().map(plain);
        match (show(&self.was), show(&self.is)) {
            (Some(was), None) => write!(f, "- {of}: {was}")?,
            (None, Some(is)) => write!(f, "+ {of}: {is}")?,
            (was, is) => {
                write!(f, "  {of}: {} -> {}", was.unwrap_or_default(), is.unwrap_or_default())?;
            }
        }
        match self.warning {
            Some(warning) => write!(f, "  WARNING: {warning}"),
            None => Ok(()),
        }
    }
}

/// The differences between the table `was` and the table `is`, which has all of its models.
pub fn differences(was: &RateFile, is: &RateFile) -> Vec<Difference> {
    let mut found = Vec::new();
    let of_table = |key: &str, was: &Option<String>, is: &Option<String>| {
        let (key, was, is) = (Some(key.to_owned()), was.clone(), is.clone());
        Difference { model: None, key, was, is, warning: None }
    };
    found.push(of_table("source", &was.source, &is.source));
    found.push(of_table("cost_currency", &was.cost_currency, &is.cost_currency));
    for (name, model) in &is.models {
        match was.models.get(name) {
            Some(before) => found.extend(changed(name, before, model)),
            None => found.push(new(name, model)),
        }
    }
    found.extend(moved(was, is));
    found.retain(|difference| difference.was != difference.is);
    found
}

/// The names that mean another model in `is` than in `was`, or none.
fn moved(was: &RateFile, is: &RateFile) -> Vec<Difference> {
    let models = was.models.iter().chain(&is.models);
    let names: BTreeSet<&String> =
        models.flat_map(|(own, model)| model.names.iter().chain([own])).collect();
    let moved = names.into_iter().filter_map(|name| {
        let (was, before) = was.model(name)?;
        let after = is.model(name);
        if after.is_some_and(|(own, _)| own == was) {
            return None;
        }
        let warning = match after {
            None => Some("is gone: calls by it are refused"),
            Some((_, after)) if after.retired && !before.retired => {
                Some("means a model that is no longer sold")
            }
            Some((_, after)) => moves(before, after).then_some(
                "means a model with a rate that vanished, is 0, or differs by more than half",
            ),
        };
        Some(Difference {
            model: Some(name.clone()),
            key: Some("means".to_owned()),
            was: Some(was.to_owned()),
            is: after.map(|(own, _)| own.to_owned()),
            warning,
        })
    });
    moved.collect()
}

/// Whether there is something to warn of, if calls of the model `was` become calls of `is`.
fn moves(was: &ModelRates, is: &ModelRates) -> bool {
    let mut keys = by_key(was).into_keys().chain(by_key(is).into_keys());
    keys.any(|(above, meter, _)| {
        warning(was.rate_above(above, meter), is.rate_above(above, meter)).is_some()
    })
}

fn new(name: &str, model: &ModelRates) -> Difference {
    let rates = by_key(model);
    let free = rates.values().any(|rate| rate.credits.is_zero());
    let listed = rates.iter().map(|((_, _, key), rate)| format!("{key} {}", rate.credits));
    let listed = listed.collect::<Vec<_>>().join(", ");
    Difference {
        model: Some(name.to_owned()),
        key: None,
        was: None,
        is: Some(format!("number {}, {listed}", model.number)),
        warning: free.then_some("a rate is 0: it is sold for nothing"),
    }
}

fn changed(name: &str, was: &ModelRates, is: &ModelRates) -> Vec<Difference> {
    let differs = |key: &str, was: Option<String>, is: Option<String>, warning| {
        let (model, key) = (Some(name.to_owned()), Some(key.to_owned()));
        Difference { model, key, was, is, warning }
    };
    let word = |is: bool| is.then(|| "true".to_owned());
    let names = |model: &ModelRates| (!model.names.is_empty()).then(|| model.names.join(", "));
    let mut found = vec![
        differs("dated", word(was.dated), word(is.dated), None),
        differs(
            "retired",
            word(was.retired),
            word(is.retired),
            Some("vanished from the file: it is no longer sold"),
        ),
        differs("names", names(was), names(is), None),
    ];
    let (rates, others) = (by_key(was), by_key(is));
    let keys: BTreeSet<_> = rates.keys().chain(others.keys()).collect();
    for key in keys {
        // Where no tier named the meter, these calls had the rate below it.
        let before = was.rate_above(key.0, key.1);
        let (was, is) = (rates.get(key).copied(), others.get(key).copied());
        let same = was.map(|rate| rate.credits) == is.map(|rate| rate.credits);
        let text = |rate: &Rate| match (&rate.cost, same) {
            (Some(cost), true) => format!("{} (cost {cost})", rate.credits),
            _ => rate.credits.to_string(),
        };
        found.push(differs(&key.2, was.map(text), is.map(text), warning(before, is)));
    }
    found
}

/// All rates of a model: above which context, of which meter, and their key.
fn by_key(model: &ModelRates) -> BTreeMap<(u64, Meter, String), &Rate> {
    let base = model.rates.iter().map(|(meter, rate)| ((0, *meter, meter.name().to_owned()), rate));
    let tiers = model.tiers.iter().flat_map(|(above, tier)| {
        tier.iter().map(move |(meter, rate)| {
            ((*above, *meter, format!("above_{above}.{}", meter.name())), rate)
        })
    });
    base.chain(tiers).collect()
}

fn warning(was: Option<&Rate>, is: Option<&Rate>) -> Option<&'static str> {
    let (was, is) = (was.map(|rate| rate.credits), is.map(|rate| rate.credits));
    match (was, is) {
        (Some(_), None) => Some("vanished"),
        (None, Some(Credits::ZERO)) => Some("is 0: it is sold for nothing"),
        (Some(was), Some(Credits::ZERO)) if !was.is_zero() => {
            Some("became 0: it is sold for nothing")
        }
        (Some(was), Some(is)) => {
            let moved = was.micro().abs_diff(is.micro());
            (2 * moved > was.micro().unsigned_abs()).then_some("moved by more than half")
        }
        (None, _) => None,
    }
}
