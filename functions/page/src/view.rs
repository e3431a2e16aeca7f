//! The data of the page: the answers of the routes, and the few sums that they do not contain.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::catalog::{Action, ActionNumber, Pricing, UnitPrice};
use shared::domain::period::Day;
use shared::domain::rates::ModelNumber;
use shared::domain::viewer::Viewer;
use shared::domain::{Account, Catalog, Credits, Currency, Instant, Locales, Money, Pack, Usage};
use shared::query::ledger::KINDS;

use super::names::{contact, names};

/// The answers of the routes, and addresses.
pub(super) struct Data {
    /// The account's name, or else its id.
    pub account_name: String,
    pub balance: Value,
    pub rate_card: Value,
    /// The rows of the ledger.
    pub entries: Vec<Value>,
    pub limits: Value,
    pub usage: Value,
    /// The same by model.
    pub models: Vec<Value>,
    /// The checkouts of the last days that are not credited.
    pub payments: Value,
    /// The account's plan and subscription, and the plans that are offered.
    pub subscriptions: Value,
    /// The top-up plans that are offered, and those that the account has.
    pub topups: Value,
    /// The account's auto top-up.
    pub auto: Value,
    /// The days of the usage, including those without any.
    pub days: Vec<Day>,
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
}

/// The price list shows what this many credits buy.
const MANY: Credits = Credits::whole(100);

/// The price list shows so many models of an action.
const MODELS: usize = 50;

pub(super) fn of(data: Data, account: &Account, catalog: &Catalog, reader: &Locales) -> Value {
    let (available, held) = (account.available, account.held());
    let consumed: Credits = account.consumed.values().copied().sum();
    let total = available + held + consumed;
    let share = |part: Credits| per_mille(part, total);
    // A new setting has the currency of the one before, so that what was charged still counts.
    let set_in = data.auto["setting"]["currency"].as_str().and_then(|code| code.parse().ok());
    let sold = data.sells.then(|| packs(account, catalog, data.currency, reader));
    let sold = sold.unwrap_or_default();
    json!({
        "account_name": data.account_name,
        "names": names(catalog, reader),
        "contact": contact(&data.subscriptions, catalog),
        "total": total,
        // While the gate is closed, for any reason, nothing is called available.
        "spends": account.gate.is_open(),
        "share": { "available": share(available), "held": share(held) },
        "enough": enough(account, catalog, reader),
        "pools": pools(&data.balance, account),
        "consumed": used(&data.balance, account, catalog),
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
        "days": chart(&data.usage, &data.days),
        "models": data.models,
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

/// The grants in burn order, in two groups: included, and purchased.
fn pools(balance: &Value, account: &Account) -> Vec<Value> {
    let shown = balance["grants"].as_array().into_iter().flatten();
    let numbered =
        shown.zip(account.burn_order.grants()).zip(1..).map(|((shown, grant), order)| {
            let mut shown = shown.clone();
            shown["order"] = json!(order);
            (grant, shown)
        });
    let numbered: Vec<_> = numbered.collect();
    let pool = |name, paid| {
        let own = numbered.iter().filter(move |(grant, _)| grant.kind.is_paid() == paid);
        let left: Credits = own.clone().map(|(grant, _)| grant.left).sum();
        let grants: Vec<_> = own.map(|(_, shown)| shown.clone()).collect();
        (!grants.is_empty()).then(|| json!({ "name": name, "left": left, "grants": grants }))
    };
    [pool("included", false), pool("purchased", true)].into_iter().flatten().collect()
}

/// The consumption by action, the largest first, with its share of the total.
fn used(balance: &Value, account: &Account, catalog: &Catalog) -> Vec<Value> {
    let total: Credits = account.consumed.values().copied().sum();
    let shown = balance["consumed"]["actions"].as_array().into_iter().flatten();
    let mut used: Vec<(Credits, Value)> = shown
        .zip(account.consumed.values())
        .filter(|(_, credits)| !credits.is_zero())
        .map(|(shown, credits)| {
            let mut shown = shown.clone();
            shown["share"] = json!(per_mille(*credits, total));
            (*credits, shown)
        })
        .collect();
    debug_assert!(used.iter().all(|(_, shown)| {
        shown["action"].as_str().is_none_or(|name| catalog.actions.contains_key(name))
    }));
    used.sort_by_key(|(credits, _)| -*credits);
    used.into_iter().map(|(_, shown)| shown).collect()
}

/// The consumption of models on these days, the largest first.
pub(super) fn models(days: &BTreeMap<Day, Usage>, catalog: &Catalog) -> Vec<Value> {
    let mut used = BTreeMap::<(ActionNumber, ModelNumber), Credits>::new();
    for (of, of_day) in days.values().flat_map(|usage| &usage.models) {
        *used.entry(*of).or_default() += of_day.credits;
    }
    let mut used: Vec<_> = used.into_iter().filter(|(_, credits)| !credits.is_zero()).collect();
    used.sort_by_key(|(_, credits)| -*credits);
    let shown = used.into_iter().map(|((action, model), credits)| {
        let (of, name) = (catalog.action_name(action), catalog.model_name(action, model));
        json!({ "action": of, "model": name, "credits": credits })
    });
    shown.collect()
}

/// The days as bars: the tallest has height 100. None: no day has consumption.
fn chart(usage: &Value, days: &[Day]) -> Option<Value> {
    let used: Vec<(String, Credits)> = usage["days"].as_array()?.iter().filter_map(read).collect();
    let most =
        used.iter().map(|(_, credits)| *credits).max().filter(|most| *most > Credits::ZERO)?;
    let bars = days.iter().map(|day| {
        let day = day.to_string();
        let credits = used.iter().find(|(used, _)| *used == day).map_or(Credits::ZERO, |u| u.1);
        // A day with more refunds than debits has no bar; the table has its number.
        let height = per_mille(credits.max(Credits::ZERO), most) / 10;
        json!({ "day": day, "credits": credits, "height": height })
    });
    let bars: Vec<_> = bars.collect();
    Some(json!({ "credits": usage["credits"], "width": 10 * bars.len(), "days": bars }))
}

fn read(day: &Value) -> Option<(String, Credits)> {
    let credits = day["credits"].as_str()?;
    let unsigned = credits.trim_start_matches('-').parse().unwrap_or(Credits::ZERO);
    let credits = if credits.starts_with('-') { -unsigned } else { unsigned };
    Some((day["day"].as_str()?.to_owned(), credits))
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

fn per_mille(part: Credits, total: Credits) -> i64 {
    match total.is_zero() {
        true => 0,
        false => (i128::from(part.micro()) * 1000 / i128::from(total.micro())) as i64,
    }
}
