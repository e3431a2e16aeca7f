//! What a file of prices offers: models of providers, with their names and prices.

use std::collections::{BTreeMap, BTreeSet};

use shared::domain::meters::Meter;

use super::price::Usd;

/// Dollars for a million of each meter.
pub type MeterPrices = BTreeMap<Meter, Usd>;

/// The prices of a model, and those above each size of the context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    pub base: MeterPrices,
    pub tiers: BTreeMap<u64, MeterPrices>,
}

/// A model that a provider sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub provider: String,
    pub id: String,
    /// Its other names.
    pub names: BTreeSet<String>,
    pub dated: bool,
    pub prices: Prices,
}

/// A file of prices, as far as it can be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    pub models: Vec<Offer>,
    /// All names of the file, with those of models that are not imported.
    pub mentioned: BTreeSet<String>,
}

/// Names that mean models of several providers at different prices, with these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} names mean models of several providers at different prices: choose with --only. {}",
    .0.len(), listed(.0)
)]
pub struct AmbiguousNames(pub BTreeMap<String, BTreeSet<String>>);

fn listed(names: &BTreeMap<String, BTreeSet<String>>) -> String {
    let names = names.iter().map(|(name, providers)| {
        let providers: Vec<&str> = providers.iter().map(String::as_str).collect();
        format!("{name} ({})", providers.join(", "))
    });
    names.collect::<Vec<_>>().join("; ")
}

/// The models, each name of which means one of them. Models of several providers that have a name
/// in common and the same prices are one. Within a provider the first model has the name, as
/// genai-prices reads its file; its own id is always a model's.
///
/// # Errors
/// [`AmbiguousNames`]
pub fn united(models: Vec<Offer>) -> Result<Vec<Offer>, AmbiguousNames> {
    let ids: BTreeSet<_> = models.iter().map(|m| (m.provider.clone(), m.id.clone())).collect();
    let mut ambiguous: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Offer> = Vec::new();
    for mut model in models {
        let provider = model.provider.clone();
        model.names.retain(|name| !ids.contains(&(provider.clone(), name.clone())));
        let all = || model.names.iter().chain([&model.id]);
        let foreign: Vec<(String, usize)> = all()
            .filter_map(|name| Some((name.clone(), *owners.get(name)?)))
            .filter(|(_, owner)| kept[*owner].provider != provider)
            .collect();
        for (name, owner) in &foreign {
            if kept[*owner].prices != model.prices {
                let providers = [kept[*owner].provider.clone(), provider.clone()];
                ambiguous.entry(name.clone()).or_default().extend(providers);
            }
        }
        let new: BTreeSet<String> =
            all().filter(|name| !owners.contains_key(*name)).cloned().collect();
        let place = foreign.first().map_or(kept.len(), |(_, owner)| *owner);
        owners.extend(new.iter().map(|name| (name.clone(), place)));
        match kept.get_mut(place) {
            Some(same) => {
                same.names.extend(new);
                same.dated |= model.dated;
            }
            None => {
                model.names.retain(|name| new.contains(name));
                kept.push(model);
            }
        }
    }
    if ambiguous.is_empty() { Ok(kept) } else { Err(AmbiguousNames(ambiguous)) }
}
