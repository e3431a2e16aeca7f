//! The data of the page: the answers of the routes, and the few sums that they do not contain.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::catalog::{Action, Pricing, UnitPrice};
use shared::domain::viewer::Viewer;
use shared::domain::{Account, Catalog, Credits, Currency, Instant, Locales, Money, Pack};
use shared::query::ledger::KINDS;

use super::lead::{Offered, lead};
use super::names::{contact, names};
use super::pace;

/// The answers of the routes, and addresses.
pub(super) struct Data {
    /// The account's name, or else its id.
    pub account_name: String,
    pub balance: Value,
    pub rate_card: Value,
    /// The rows of the ledger.
    pub entries: Vec<Value>,
    pub limits: Value,
    /// What is left of this period's allowance, and in addition to it.
    pub left: Value,
    /// The answer to the question about usage.
    pub usage: Value,
    /// The purchases, those that are not credited apart.
    pub payments: Value,
    /// The account's plan and subscription, and the plans that are offered.
    pub subscriptions: Value,
    /// The top-up plans that are offered, and those that the account has.
    pub topups: Value,
    /// The account's auto top-up.
    pub auto: Value,
    pub session: Value,
    /// Whether customers can buy credits here.
    pub sells: bool,
    /// The currency to show packs in, if they are sold in it.
    pub currency: Option<Currency>,
    /// The server's time.
    pub now: Instant,
    pub filter: Value,
    pub older: Option<String>,
    pub newest: Option<String>,
    pub csv: String,
    /// The months whose statements are offered.
    pub months: Vec<String>,
    /// What the form that chooses a currency keeps of other sections.
    pub currency_keeps: Value,
}

/// The price list shows what this many credits buy.
const MANY: Credits = Credits::whole(100);

/// The price list shows so many models of an action.
const MODELS: usize = 50;

pub(super) fn of(data: Data, account: &Account, catalog: &Catalog, reader: &Locales) -> Value {
    // A new setting has the currency of the one before, so that what was charged still counts.
    let set_in = data.auto["setting"]["currency"].as_str().and_then(|code| code.parse().ok());
    let sold = data.sells.then(|| packs(account, catalog, data.currency, reader));
    let sold = sold.unwrap_or_default();
    let buys = data.sells && data.session["buy"] == true;
    let plans = &data.subscriptions;
    let has_plan = plans.pointer("/subscription").is_some_and(|own| !own.is_null());
    let offered = Offered {
        packs: buys && !catalog.packs.is_empty(),
        plans: buys && !has_plan && plans["plans"] != json!([]),
        portal: buys && plans["portal"] == true,
    };
    json!({
        "account_name": data.account_name,
        "names": names(catalog, reader),
        "contact": contact(&data.subscriptions, catalog),
        "lead": lead(account, offered).map(|lead| json!({
            "about": lead.about.name(), "action": lead.action.name(),
            "is_closed": lead.is_closed, "is_empty": lead.is_empty,
        })),
        // While the gate is closed, for any reason, nothing is called available.
        "spends": account.gate.is_open(),
        "left": data.left,
        "enough": enough(account, catalog, reader),
        "pools": pools(&data.balance, account),
        "sold_here": data.sells,
        "packs": sold,
        "currencies": currencies(catalog, data.currency),
        "tax": catalog.tax.behavior,
        "payments": data.payments,
        "subscriptions": data.subscriptions,
        "topups": data.topups,
        "auto": data.auto,
        "auto_packs": packs(account, catalog, set_in.or(data.currency), reader),
        "rate_groups": rate_groups(&data.rate_card, catalog),
        "model_rates": model_rates(&data.rate_card),
        "kinds": KINDS.iter().filter(|kind| !Viewer::UNSEEN.contains(kind)).collect::<Vec<_>>(),
        "usage": data.usage,
        "limits": data.limits,
        "balance": data.balance,
        "catalog": data.rate_card,
        "entries": data.entries,
        "session": data.session,
        "now": data.now,
        "filter": data.filter,
        "older": data.older,
        "newest": data.newest,
        "csv": data.csv,
        "months": data.months,
        "currency_keeps": data.currency_keeps,
    })
}

/// How many units the credits still buy of the action used most, or of the first action.
fn enough(account: &Account, catalog: &Catalog, reader: &Locales) -> Option<Value> {
    let most = account.consumed.iter().filter(|(number, _)| **number > 0);
    let most = most.max_by_key(|(_, credits)| **credits).map(|(number, _)| *number);
    let sold = catalog.actions.values().filter(|action| !action.retired);
    let mut sold: Vec<(u16, &UnitPrice)> =
        sold.filter_map(|action| Some((action.number, unit_price(action)?))).collect();
    sold.sort_by_key(|(number, _)| (Some(*number) != most, *number));
    let (_, price) = sold.first()?;
    let n = buys(price, account.available);
    let gate = account.gate.is_open();
    let unit = if n == 1 { &price.units.one } else { &price.units.other };
    (gate && n > 0).then(|| json!({ "n": n.to_string(), "what": unit.get(reader) }))
}

fn unit_price(action: &Action) -> Option<&UnitPrice> {
    match &action.pricing {
        Pricing::Unit(price) => Some(price),
        Pricing::Rates(_) => None,
    }
}

/// The number of units of an action that an amount buys.
fn buys(price: &UnitPrice, credits: Credits) -> i128 {
    i128::from(credits.micro()) * i128::from(price.per) / i128::from(price.credits.micro())
}

/// The grants in burn order, in two groups: the period's allowance, and those in addition to it.
fn pools(balance: &Value, account: &Account) -> Vec<Value> {
    let shown = balance["grants"].as_array().into_iter().flatten();
    let numbered =
        shown.zip(account.burn_order.grants()).zip(1..).map(|((shown, grant), order)| {
            let mut shown = shown.clone();
            shown["order"] = json!(order);
            (grant, shown)
        });
    let numbered: Vec<_> = numbered.collect();
    let pool = |name, is_allowance| {
        let own = numbered.iter();
        let own = own.filter(move |(grant, _)| pace::is_allowance(grant.kind) == is_allowance);
        let left: Credits = own.clone().map(|(grant, _)| grant.left).sum();
        let grants: Vec<_> = own.map(|(_, shown)| shown.clone()).collect();
        (!grants.is_empty()).then(|| json!({ "name": name, "left": left, "grants": grants }))
    };
    [pool("allowance", true), pool("extra", false)].into_iter().flatten().collect()
}

/// The actions that are priced by the unit, by the group that they are in; those without one first.
fn rate_groups(rate_card: &Value, catalog: &Catalog) -> Vec<Value> {
    let shown = rate_card["actions"].as_array().into_iter().flatten();
    let mut groups = BTreeMap::<Option<&str>, Vec<Value>>::new();
    for (rate, shown) in shown.filter_map(|rate| Some((rate, shown_rate(rate, catalog)?))) {
        groups.entry(rate["group"].as_str()).or_default().push(shown);
    }
    groups.into_iter().map(|(name, rates)| json!({ "name": name, "rates": rates })).collect()
}

fn shown_rate(rate: &Value, catalog: &Catalog) -> Option<Value> {
    let price = unit_price(catalog.actions.get(rate["action"].as_str()?)?)?;
    let mut rate = rate.clone();
    rate["buys"] = json!(buys(price, MANY).to_string());
    rate["order"] = json!(price.credits.micro() / i64::try_from(price.per).ok()?);
    Some(rate)
}

/// The actions that are priced by model: the first models by name, and how many more there are.
fn model_rates(rate_card: &Value) -> Vec<Value> {
    let shown = rate_card["actions"].as_array().into_iter().flatten();
    let rates = shown.filter_map(|rate| {
        let models = rate["models"].as_array()?;
        let first = &models[..models.len().min(MODELS)];
        let more = models.len() - first.len();
        let about = &rate["about"];
        Some(json!({ "action": rate["action"], "about": about, "models": first, "more": more }))
    });
    rates.collect()
}

/// The packs, the smallest first: prices in several currencies have no order.
fn packs(
    account: &Account,
    catalog: &Catalog,
    currency: Option<Currency>,
    reader: &Locales,
) -> Vec<Value> {
    let mut packs: Vec<_> = catalog.packs.iter().collect();
    packs.sort_by_key(|(_, pack)| pack.credits);
    let offer = |(name, pack): (&String, &Pack)| {
        let mut offer = offer(name, pack, pack.prices.preferring(currency), account.debt());
        offer["name"] = json!(pack.naming.name.get(reader));
        offer["about"] = json!(pack.naming.about.as_ref().map(|about| about.get(reader)));
        offer
    };
    packs.into_iter().map(offer).collect()
}

/// The currencies that any pack is sold in, those of the smallest pack first. One is selected.
fn currencies(catalog: &Catalog, chosen: Option<Currency>) -> Vec<Value> {
    let mut packs: Vec<&Pack> = catalog.packs.values().collect();
    packs.sort_by_key(|pack| pack.credits);
    let mut known: Vec<Currency> = Vec::new();
    for price in packs.iter().flat_map(|pack| pack.prices.all()) {
        if !known.contains(&price.currency) {
            known.push(price.currency);
        }
    }
    let selected = chosen.filter(|chosen| known.contains(chosen)).or(known.first().copied());
    let shown = |known: &Currency| {
        let is = Some(*known) == selected;
        json!({ "currency": known, "selected": is })
    };
    known.iter().map(shown).collect()
}

fn offer(name: &str, pack: &Pack, price: Money, debt: Credits) -> Value {
    let repays = pack.credits.min(debt);
    json!({
        "repays": repays,
        "to_use": pack.credits - repays,
        "pack": name,
        "credits": pack.credits,
        "currency": price.currency,
        "price": price.decimal(),
        "price_minor": price.minor,
        "each": price.each(pack.credits),
        "expires_after_months": pack.expires_after_months.to_string(),
    })
}
