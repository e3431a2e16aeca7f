//! Prices: the quote of a debit, and the rate card.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::reply::{json, ok, to_json};
use crate::decide::debit::Charge;
use crate::decide::operation::Request;
use crate::domain::{AccountId, Catalog, Credits, Refusal};
use crate::query::Quote;

#[derive(Serialize)]
struct Quoted<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    credits: Credits,
    available: Credits,
    /// The code of the refusal that a debit would get now. None: it would pass.
    refusal: Option<&'static str>,
    catalog: u32,
}

/// The price of a debit, and whether it would pass now.
pub fn quote(request: &Request, quote: &Quote) -> Response<Body> {
    let Quote { price, account, refusal } = quote;
    let (action, quantity) = match request.ask.charge() {
        Some(Charge::Action { action, quantity }) => (Some(action.as_str()), Some(*quantity)),
        Some(Charge::Credits(_)) | None => (None, None),
    };
    ok(&Quoted {
        account: &account.id,
        action,
        quantity,
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
    let actions = sold.map(|(name, action)| Rate {
        action: name,
        credits: action.credits,
        per: action.per,
        unit: &action.unit,
        limit: action.limit,
        rounding: action.round_up.then_some("up"),
    });
    let actions = actions.collect();
    to_json(&RateCard { catalog: catalog.version, contact_url: &catalog.contact_url, actions })
}
