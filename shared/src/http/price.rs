//! Prices: the quote of a debit, and the rate card.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::line::Bought;
use super::reply::{json, ok, to_json};
use crate::domain::catalog::Pricing;
use crate::domain::meters::Meters;
use crate::domain::{AccountId, Catalog, Credits, Refusal};
use crate::query::Quote;

#[derive(Serialize)]
struct Quoted<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meters: Option<Meters>,
    credits: Credits,
    available: Credits,
    /// The code of the refusal that a debit would get now. None: it would pass.
    refusal: Option<&'static str>,
    catalog: u32,
}

/// The price of a debit, and whether it would pass now.
pub fn quote(quote: &Quote, catalog: &Catalog) -> Response<Body> {
    let Quote { price, account, refusal } = quote;
    let Bought { action, quantity, model, meters } =
        Bought::of(catalog, price.action, price.quantity);
    ok(&Quoted {
        account: &account.id,
        action,
        quantity,
        model,
        meters,
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

#[derive(Serialize)]
struct Rate<'a> {
    action: &'a str,
    credits: Credits,
    per: u64,
    unit: &'a str,
    /// The largest quantity of one operation.
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounding: Option<&'static str>,
}

/// The prices of actions, by which debits are priced.
pub fn catalog(catalog: &Catalog) -> Response<Body> {
    json(catalog_json(catalog))
}

/// The rate card, as JSON.
pub fn catalog_json(catalog: &Catalog) -> String {
    let sold = catalog.actions.iter().filter(|(_, action)| !action.retired);
    let actions = sold.filter_map(|(name, action)| match &action.pricing {
        Pricing::Unit(unit) => Some(Rate {
            action: name,
            credits: unit.credits,
            per: unit.per,
            unit: &unit.unit,
            limit: unit.limit,
            rounding: unit.round_up.then_some("up"),
        }),
        Pricing::Rates(_) => None,
    });
    let actions = actions.collect();
    to_json(&RateCard { catalog: catalog.version, contact_url: &catalog.contact_url, actions })
}
