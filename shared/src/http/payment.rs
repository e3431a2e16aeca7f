//! Packs, checkouts and payments, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::naming::Named;
use super::reply::{ok, to_json};
use crate::command::payment::OrderUpdate;
use crate::config::origin_of;
use crate::domain::payment::{Facts, Payment, State};
use crate::domain::period::end_of_day_after;
use crate::domain::{
    AccountId, Catalog, Credits, Currency, Instant, Locales, Money, OperationId, Pack, TaxBehavior,
};
use crate::query::checkouts::Checkout;
use crate::stripe::object::is_stripes;

#[derive(Serialize)]
struct Offers<'a> {
    packs: Vec<Offer<'a>>,
    /// Whether tax is added to the prices, or a part of them. None: Stripe computes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<TaxBehavior>,
    contact_url: &'a str,
}

#[derive(Serialize)]
struct OfferedPrice {
    currency: Currency,
    /// Formatted for a person.
    price: String,
    price_minor: u64,
}

#[derive(Serialize)]
struct Offer<'a> {
    pack: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
    credits: Credits,
    /// Formatted for a person.
    price: String,
    price_minor: u64,
    currency: Currency,
    /// The same in all its currencies, the first one first.
    prices: Vec<OfferedPrice>,
    /// The price of one credit, in millionths of the unit of `price_minor`, rounded down.
    price_per_credit_micro: u64,
    expires_after_months: u32,
    /// When the credits would expire if they were bought now.
    expires_at: Instant,
}

/// The packs for sale, the smallest first: each at its price in `currency`, if it has one, or else
/// at its first price. Their names are for this reader.
pub fn packs(
    catalog: &Catalog,
    currency: Option<Currency>,
    reader: &Locales,
    now: Instant,
) -> Response<Body> {
    let offers = catalog.packs.iter().map(|(name, pack)| {
        let named = Named::new(&pack.naming, reader);
        offer((name, named), pack, currency, now)
    });
    let mut packs: Vec<Offer<'_>> = offers.collect();
    packs.sort_by_key(|offer| (offer.credits, offer.pack));
    ok(&Offers { packs, tax: catalog.tax.behavior, contact_url: &catalog.contact_url })
}

fn offer<'a>(
    (name, named): (&'a str, Named<'a>),
    pack: &Pack,
    currency: Option<Currency>,
    now: Instant,
) -> Offer<'a> {
    let price = pack.prices.preferring(currency);
    let prices = pack.prices.all().map(|price| OfferedPrice {
        currency: price.currency,
        price: price.decimal(),
        price_minor: price.minor,
    });
    Offer {
        pack: name,
        named,
        credits: pack.credits,
        price: price.decimal(),
        price_minor: price.minor,
        currency: price.currency,
        prices: prices.collect(),
        price_per_credit_micro: per_credit_micro(price.minor, pack.credits),
        expires_after_months: pack.expires_after_months,
        expires_at: end_of_day_after(now, pack.expires_after_months),
    }
}

pub(super) fn per_credit_micro(minor: u64, credits: Credits) -> u64 {
    let micro = u128::from(minor) * 1_000_000 * 1_000_000;
    u64::try_from(micro / u128::from(credits.micro().unsigned_abs().max(1))).unwrap_or(u64::MAX)
}

/// What Stripe says was paid. Each amount is absent until it has said so.
#[derive(Serialize)]
pub(super) struct PaidShown {
    /// Formatted for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<String>,
    /// All that the buyer paid, tax included.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_minor: Option<u64>,
    /// Formatted for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<String>,
    /// The part of it that is tax, if Stripe computed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_minor: Option<u64>,
}

impl PaidShown {
    pub(super) fn new(payment: Option<&Payment>) -> PaidShown {
        let facts = payment.map(|payment| &payment.facts);
        let paid = facts.and_then(Facts::paid);
        let tax = facts.and_then(Facts::tax);
        PaidShown {
            paid: paid.map(Money::decimal),
            paid_minor: paid.map(|paid| paid.minor),
            tax: tax.map(Money::decimal),
            tax_minor: tax.map(|tax| tax.minor),
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    id: OperationId,
    account: &'a AccountId,
    pack: &'a str,
    state: State,
    credits: Credits,
    /// How many of them are in the account now.
    credited: Credits,
    /// Formatted for a person.
    price: String,
    price_minor: u64,
    currency: Currency,
    #[serde(flatten)]
    paid: PaidShown,
    expires_at: Instant,
    at: Instant,
    /// The address where to pay. None: there is nothing to pay any more.
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_url: Option<&'a str>,
    /// The message of the operator who decided the payment, for the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// A 201 with the address where the customer pays; for a repeated request, with the checkout's
/// present state. `base`: our own address.
pub fn ordered(checkout: &Checkout, base: &str, replayed: bool) -> Response<Body> {
    super::reply::created(to_json(&shown(checkout, base)), replayed)
}

/// A checkout and its state.
pub fn checkout(checkout: &Checkout, base: &str) -> Response<Body> {
    ok(&shown(checkout, base))
}

#[derive(Serialize)]
struct Listed<'a> {
    checkouts: Vec<Shown<'a>>,
}

/// Checkouts, in the order in which they are given.
pub fn checkouts(found: &[Checkout], base: &str) -> Response<Body> {
    super::reply::json(checkouts_json(found, base))
}

/// Checkouts, as JSON.
pub fn checkouts_json(found: &[Checkout], base: &str) -> String {
    to_json(&Listed { checkouts: found.iter().map(|checkout| shown(checkout, base)).collect() })
}

/// The address of a payment's receipt that a customer may follow: Stripe's, or, under `base`, that
/// of the local Stripe.
pub fn receipt<'a>(payment: &'a Payment, base: &str) -> Option<&'a str> {
    let own = |url: &str| origin_of(url).as_deref() == Some(base);
    payment.facts.receipt.as_deref().filter(|url| is_stripes(url) || own(url))
}

fn shown<'a>(checkout: &'a Checkout, base: &str) -> Shown<'a> {
    let Checkout { order, state, payment } = checkout;
    let decided = payment.as_ref().and_then(|payment| payment.decided.as_ref());
    Shown {
        id: order.id,
        account: &order.account,
        pack: &order.pack,
        state: *state,
        credits: order.credits,
        credited: checkout.credited(),
        price: order.price.decimal(),
        price_minor: order.price.minor,
        currency: order.price.currency,
        paid: PaidShown::new(payment.as_ref()),
        expires_at: order.expires_at(),
        at: order.at,
        url: order.url.as_deref().filter(|_| *state == State::Open),
        receipt_url: payment.as_ref().and_then(|payment| receipt(payment, base)),
        message: decided.and_then(|decided| decided.explanation.message.as_deref()),
    }
}

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// It is about a payment without a known order.
    Kept,
    /// It was known already.
    Known,
    /// It does not matter here.
    Ignored,
    /// It waits for an operator.
    Parked,
}

impl Outcome {
    /// Its word in the answer and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Kept => "kept",
            Outcome::Known => "known",
            Outcome::Ignored => "ignored",
            Outcome::Parked => "parked",
        }
    }
}

#[derive(Serialize)]
struct HeardEvent {
    received: bool,
    outcome: &'static str,
}

/// A 200 for Stripe: it need not send the event again.
pub fn heard(outcome: Outcome) -> Response<Body> {
    ok(&HeardEvent { received: true, outcome: outcome.name() })
}

#[derive(Serialize)]
struct DecidedOn<'a> {
    id: &'a str,
    verdict: &'static str,
    account: Option<&'a AccountId>,
    order: Option<OperationId>,
    /// How many of its credits are in the account now.
    credited: Credits,
}

/// The result of an operator's decision.
pub fn decided(id: &str, verdict: &'static str, news: Option<&OrderUpdate>) -> Response<Body> {
    let order = news.and_then(|news| news.order.as_ref());
    ok(&DecidedOn {
        id,
        verdict,
        account: order.map(|(_, account)| account),
        order: order.map(|(order, _)| *order),
        credited: news.map_or(Credits::ZERO, |news| news.after),
    })
}
