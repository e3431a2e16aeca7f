//! Prices: the quote of a debit, and the rate card.

use std::collections::BTreeMap;

use lambda_http::{Body, Response};
use serde::Serialize;

use super::line::Bought;
use super::naming::{Named, NamedUnits};
use super::reply::{json, ok, to_json};
use crate::domain::catalog::Pricing;
use crate::domain::rates::{RateTable, Rates};
use crate::domain::{AccountId, Catalog, Credits, Locales, Refusal};
use crate::query::Quote;

#[derive(Serialize)]
struct Quoted<'a> {
    account: &'a AccountId,
    #[serde(flatten)]
    bought: Bought<'a>,
    credits: Credits,
    available: Credits,
    /// The code of the refusal that a debit would get now. None: it would pass.
    refusal: Option<&'static str>,
    catalog: u32,
}

/// The price of a debit, and whether it would pass now.
pub fn quote(quote: &Quote, catalog: &Catalog) -> Response<Body> {
    let Quote { price, account, refusal } = quote;
    ok(&Quoted {
        account: &account.id,
        bought: Bought::of(catalog, price.action, price.quantity),
        credits: price.credits,
        available: account.available,
        refusal: refusal.as_ref().map(Refusal::code),
        catalog: price.catalog,
    })
}

#[derive(Serialize)]
struct RateCard<'a> {
    catalog: u32,
    contact_url: &'a str,
    actions: Vec<Rate<'a>>,
}

/// The price of an action.
#[derive(Serialize)]
#[serde(untagged)]
enum Rate<'a> {
    Unit(UnitRate<'a>),
    Models(ModelRates<'a>),
}

#[derive(Serialize)]
struct UnitRate<'a> {
    action: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    credits: Credits,
    per: u64,
    unit: &'a str,
    /// Its names by number.
    units: NamedUnits<'a>,
    /// The largest quantity of one operation.
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounding: Option<&'static str>,
}

#[derive(Serialize)]
struct ModelRates<'a> {
    action: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    /// The name of the rate table.
    rates: &'a str,
    /// The meters whose sum decides the tier of a call.
    context: Vec<&'static str>,
    models: Vec<SoldModel<'a>>,
}

#[derive(Serialize)]
struct SoldModel<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<&'a str>,
    /// Credits of a million, by meter.
    rates: BTreeMap<&'static str, Credits>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<Tier>,
}

#[derive(Serialize)]
struct Tier {
    /// In force if the context is larger than this.
    above: u64,
    rates: BTreeMap<&'static str, Credits>,
}

/// The prices of actions, by which debits are priced, with names for this reader.
pub fn catalog(catalog: &Catalog, reader: &Locales) -> Response<Body> {
    json(catalog_json(catalog, reader))
}

/// The rate card, as JSON.
pub fn catalog_json(catalog: &Catalog, reader: &Locales) -> String {
    let sold = catalog.actions.iter().filter(|(_, action)| !action.retired);
    let actions = sold.filter_map(|(name, action)| {
        let named = Named::new(&action.naming, reader);
        let group = action.group.as_ref().map(|group| group.get(reader));
        Some(match &action.pricing {
            Pricing::Unit(unit) => Rate::Unit(UnitRate {
                action: name,
                named,
                group,
                credits: unit.credits,
                per: unit.per,
                unit: &unit.unit,
                units: NamedUnits::new(&unit.units, reader),
                limit: unit.limit,
                rounding: unit.round_up.then_some("up"),
            }),
            Pricing::Rates(rates) => {
                let table = catalog.rates_of(action)?;
                let context = table.context.iter().map(|meter| meter.name()).collect();
                let models = sold_models(table);
                Rate::Models(ModelRates { action: name, named, group, rates, context, models })
            }
        })
    });
    let actions = actions.collect();
    to_json(&RateCard { catalog: catalog.version, contact_url: &catalog.contact_url, actions })
}

/// The models of a table that are not retired.
fn sold_models(table: &RateTable) -> Vec<SoldModel<'_>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, model) in &table.names {
        names.entry(model).or_default().push(name);
    }
    let by_meter =
        |rates: &Rates| rates.iter().map(|(meter, rate)| (meter.name(), *rate)).collect();
    let sold = table.models.iter().filter(|(_, model)| !model.retired);
    let shown = sold.map(|(name, model)| SoldModel {
        model: name,
        dated: model.dated,
        names: names.remove(name.as_str()).unwrap_or_default(),
        rates: by_meter(&model.rates),
        tiers: model
            .tiers
            .iter()
            .map(|(above, rates)| Tier { above: *above, rates: by_meter(rates) })
            .collect(),
    });
    shown.collect()
}
