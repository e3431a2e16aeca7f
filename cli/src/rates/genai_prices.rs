//! Reads the data of genai-prices, version 2: a list of providers, each with its models.

mod prices;

use serde::Deserialize;
use serde_json::Value;
use shared::domain::period::Day;

use super::names;
use super::notes::Notes;
use super::offer::{Offer, Offers, Prices};
use super::only::Only;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The key that version 2 has, and version 1 lacks: the files are of the same form.
const OF_VERSION_2: &str = "\"cache_write_1h_mtok\"";

#[derive(Deserialize)]
struct Provider {
    id: String,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(rename = "match")]
    clause: Value,
    prices: Value,
}

/// The models of a file that `only` means, at their prices of the day `at`.
///
/// # Errors
/// If it is no such file, or it has none of what `only` means.
pub fn read(text: &str, only: &[Only], at: Day, notes: &mut Notes) -> Result<Offers, Error> {
    let providers: Vec<Provider> = serde_json::from_str(text)
        .map_err(|error| format!("not the data of genai-prices: {error}"))?;
    if !text.contains(OF_VERSION_2) {
        return Err("no model has a price for cache_write_1h_mtok, as in version 1 of the data, \
                    which no longer changes: take prices/new_data/v2/data.json"
            .into());
    }
    let has = |only: &Only| {
        let models = providers.iter().flat_map(|p| p.models.iter().map(|m| (&p.id, &m.id)));
        models.into_iter().any(|(provider, id)| only.means(provider, id))
    };
    let missing: Vec<String> =
        only.iter().filter(|only| !has(only)).map(|only| only.to_string()).collect();
    if !missing.is_empty() {
        return Err(format!("the file has no model of --only {}", missing.join(",")).into());
    }
    let mut offers = Offers::default();
    for Provider { id: provider, models } in &providers {
        for model in models {
            let names = names::read(&model.id, &model.clause);
            offers.mentioned.extend(names.exact.iter().chain([&model.id]).cloned());
            if !only.is_empty() && !only.iter().any(|only| only.means(provider, &model.id)) {
                continue;
            }
            let label = format!("{provider}:{}", model.id);
            match prices::read(&model.prices, provider, at) {
                Err(why) => notes.left_out.add(why, label),
                Ok((prices, notices)) => {
                    notices.into_iter().for_each(|notice| notes.notices.add(notice, &*label));
                    for pattern in &names.patterns {
                        let what = "names by a pattern that a table cannot have";
                        notes.notices.add(what, format!("{label} {pattern}"));
                    }
                    offers.models.push(offer(provider, model, names, prices));
                }
            }
        }
    }
    Ok(offers)
}

fn offer(provider: &str, model: &Model, names: names::Names, prices: Prices) -> Offer {
    let names::Names { exact, dated, patterns: _ } = names;
    Offer { provider: provider.to_owned(), id: model.id.clone(), names: exact, dated, prices }
}
