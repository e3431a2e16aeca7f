//! Brings the models of a file of prices into a rate table.

use std::collections::{BTreeMap, BTreeSet};

use super::names::is_with_date;
use super::notes::Notes;
use super::offer::{MeterPrices, Offer, Offers};
use super::price::Terms;
use super::table::{ModelRates, Rate, RateFile};

/// Gives the table's models the prices of the file, retires those that the file lacks, and adds new
/// ones with the next numbers. A name and `dated`, which the file may lack, stay.
pub fn merge(
    table: &mut RateFile,
    Offers { models: offers, mentioned }: &Offers,
    keep: &BTreeSet<String>,
    terms: Terms,
    notes: &mut Notes,
) {
    let owners: BTreeMap<&str, usize> = offers.iter().zip(0..).flat_map(names).collect();
    let places = places(table, &owners);
    // By the place of its offer: the model of the table that has the offer's names.
    let mut placed: BTreeMap<usize, String> = BTreeMap::new();
    for (name, place) in &places {
        let first = placed.entry(*place).or_insert_with(|| name.clone());
        if offers[*place].id == *name {
            first.clone_from(name);
        }
    }
    for (name, model) in &mut table.models {
        match places.get(name) {
            _ if keep.contains(name) => {}
            Some(_) if model.retired => {
                let what = "retired in the table, and in the file: remove `retired` to sell it";
                notes.notices.add(what, name);
            }
            Some(place) => price(name, model, &offers[*place], terms, notes),
            None if model.retired => {}
            None if model.names.iter().chain([name]).any(|name| mentioned.contains(name)) => {
                let what = "not imported, but in the file: as the table had it";
                notes.notices.add(what, name);
            }
            None => model.retired = true,
        }
    }
    let kept = table.models.iter().filter(|(name, _)| keep.contains(*name));
    let kept: BTreeSet<String> = kept.flat_map(|(_, model)| model.names.clone()).collect();
    let mut number = table.models.values().map(|model| model.number).max().unwrap_or_default();
    for (offer, place) in offers.iter().zip(0..) {
        if placed.contains_key(&place) {
            continue;
        }
        if kept.contains(&offer.id) {
            notes.left_out.add("a name of a model that is kept", &offer.id);
            continue;
        }
        let mut model = ModelRates::default();
        price(&offer.id, &mut model, offer, terms, notes);
        if !model.rates.is_empty() {
            number = number.checked_add(1).expect("a table has at most 1000 models");
            model.number = number;
            placed.insert(place, offer.id.clone());
            table.models.insert(offer.id.clone(), model);
        }
    }
    give_names(table, offers, &placed, keep, kept);
}

/// The place of the offer that each model of the table is: the one of its own name, or else one of
/// another name of it, which no model of the table is by its own.
fn places(table: &RateFile, owners: &BTreeMap<&str, usize>) -> BTreeMap<String, usize> {
    let place = |name: &String| owners.get(name.as_str()).copied();
    let own = table.models.keys().filter_map(|name| Some((name.clone(), place(name)?)));
    let mut places: BTreeMap<String, usize> = own.collect();
    let taken: BTreeSet<usize> = places.values().copied().collect();
    for (name, model) in &table.models {
        let renamed = model.names.iter().filter_map(place).find(|place| !taken.contains(place));
        if let (false, Some(place)) = (places.contains_key(name), renamed) {
            places.insert(name.clone(), place);
        }
    }
    places
}

fn names((offer, place): (&Offer, usize)) -> impl Iterator<Item = (&str, usize)> {
    offer.names.iter().chain([&offer.id]).map(move |name| (name.as_str(), place))
}

/// Sets a model's rates. One that would cost too much leaves it as it is.
fn price(name: &str, model: &mut ModelRates, offer: &Offer, terms: Terms, notes: &mut Notes) {
    let rates = |prices: &MeterPrices| -> Option<BTreeMap<_, _>> {
        let rates = prices.iter().map(|(meter, usd)| {
            let cost = Some(usd.to_string());
            terms.rate(*usd).map(|credits| (*meter, Rate { credits, cost }))
        });
        rates.collect()
    };
    let tiers = offer.prices.tiers.iter().map(|(above, tier)| Some((*above, rates(tier)?)));
    match (rates(&offer.prices.base), tiers.collect()) {
        (Some(rates), Some(tiers)) => {
            (model.rates, model.tiers) = (rates, tiers);
            model.dated |= offer.dated;
        }
        _ => notes.left_out.add("a rate above the most that one operation may cost", name),
    }
}

/// Gives each model the names of its offer, beside those that it has. A name that means another
/// model in the file moves there; one of a model that is kept, of the names `kept`, does not.
fn give_names(
    table: &mut RateFile,
    offers: &[Offer],
    placed: &BTreeMap<usize, String>,
    keep: &BTreeSet<String>,
    kept: BTreeSet<String>,
) {
    let own: BTreeSet<String> = table.models.keys().cloned().collect();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for (place, model) in placed {
        let names = names((&offers[*place], *place)).map(|(name, _)| (name, model.as_str()));
        given.extend(names.filter(|(name, model)| {
            !keep.contains(*model) && !kept.contains(*name) && !own.contains(*name)
        }));
    }
    for (name, model) in table.models.iter_mut().filter(|(name, _)| !keep.contains(*name)) {
        let mut names: BTreeSet<String> = model.names.drain(..).collect();
        names.retain(|one| !own.contains(one) && given.get(&**one).is_none_or(|of| of == name));
        let new: BTreeSet<&str> =
            given.iter().filter(|(_, of)| *of == name).map(|(one, _)| *one).collect();
        // `dated` says these.
        let said = |one: &str| {
            let mut all = new.iter().copied().chain([name.as_str()]);
            model.dated && all.any(|other| is_with_date(one, other))
        };
        names.extend(new.iter().filter(|one| !said(one)).map(|one| (*one).to_owned()));
        model.names = names.into_iter().collect();
    }
}
