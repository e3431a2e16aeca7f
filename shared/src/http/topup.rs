//! Top-up plans, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::naming::Named;
use super::payment::per_credit_micro;
use super::reply::{created, json, to_json};
use crate::domain::subscription::{Billing, Subscription};
use crate::domain::topup::Every;
use crate::domain::{Catalog, Credits, Currency, Instant, Locales};

#[derive(Serialize)]
struct Listed<'a> {
    topups: Vec<Offer<'a>>,
    running: Vec<Running<'a>>,
}

#[derive(Serialize)]
struct Offer<'a> {
    topup: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
    credits: Credits,
    every: Every,
    /// Formatted for a person.
    price: String,
    price_minor: u64,
    currency: Currency,
    /// What one credit costs, in millionths of the currency's smallest unit.
    price_per_credit_micro: u64,
    expires_after_months: u32,
}

#[derive(Serialize)]
struct Running<'a> {
    topup: &'a str,
    /// None: the catalog offers it no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Stripe's word: `past_due` and `unpaid` bring no credits until the card is changed.
    status: &'static str,
    /// When it is paid next. None: it ends.
    renews_at: Option<Instant>,
    /// When it ends, if that is decided.
    ends_at: Option<Instant>,
}

/// The top-up plans that are offered, the smallest first, and those that an account has, with names
/// for this reader.
pub fn topups(catalog: &Catalog, billing: &Billing, reader: &Locales) -> Response<Body> {
    json(topups_json(catalog, billing, reader))
}

/// The same as JSON.
pub fn topups_json(catalog: &Catalog, billing: &Billing, reader: &Locales) -> String {
    let offers = catalog.topups.iter().map(|(name, terms)| Offer {
        topup: name,
        named: Named::new(&terms.naming, reader),
        credits: terms.credits,
        every: terms.every,
        price: terms.price.decimal(),
        price_minor: terms.price.minor,
        currency: terms.price.currency,
        price_per_credit_micro: per_credit_micro(terms.price.minor, terms.credits),
        expires_after_months: terms.expires_after_months,
    });
    let mut topups: Vec<Offer<'_>> = offers.collect();
    topups.sort_by_key(|offer| (offer.credits, offer.topup));
    let running = billing.topups().map(|(topup, known)| {
        let name = catalog.topups.get(topup).map(|terms| terms.naming.name.get(reader));
        running(topup, name, known)
    });
    to_json(&Listed { topups, running: running.collect() })
}

fn running<'a>(topup: &'a str, name: Option<&'a str>, known: &Subscription) -> Running<'a> {
    let ends_at = known.ends_at;
    let cycle_end = known.items.first().map(|item| item.cycle.end);
    let renews_at = cycle_end.filter(|at| ends_at.is_none_or(|ends| *at < ends));
    Running { topup, name, status: known.status.name(), renews_at, ends_at }
}

#[derive(Serialize)]
struct Begun<'a> {
    topup: &'a str,
    /// The address where the customer begins it.
    url: &'a str,
}

/// A 201 with the address where the customer begins a top-up plan.
pub fn begun(topup: &str, url: &str) -> Response<Body> {
    created(to_json(&Begun { topup, url }), false)
}
