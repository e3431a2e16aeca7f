//! Reads the catalog's file, and checks it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Action, ActionNumber, Catalog, CatalogError, Pack, Plan};
use crate::domain::credits::{Credits, CreditsError};
use crate::domain::currency::Currency;
use crate::domain::dated::Dated;
use crate::domain::instant::Instant;
use crate::domain::money::Money;
use crate::domain::period::{Day, week};

/// The greatest price of any currency, as Stripe counts it: twelve digits, of IDR.
const MAX_MINOR: u64 = 999_999_999_999;

impl Catalog {
    /// Reads and validates a catalog in TOML.
    ///
    /// # Errors
    /// [`CatalogError`] names the first key that is wrong.
    pub fn parse(text: &str) -> Result<Catalog, CatalogError> {
        let file: CatalogFile = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |at| text[..at.start].lines().count().max(1));
            wrong(format!("line {line}"), e.message())
        })?;
        file.check()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogFile {
    version: u32,
    contact_url: String,
    #[serde(default = "yes")]
    spending_in_debt: Switch,
    #[serde(default)]
    invoices: bool,
    grant_limit: Option<String>,
    plans: BTreeMap<String, PlanFile>,
    actions: BTreeMap<String, ActionFile>,
    #[serde(default)]
    packs: BTreeMap<String, PackFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    ai: Switch,
    weekly: Option<Size>,
    monthly: Option<Size>,
}

/// A value for always, or several with the Mondays from which they are in force.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be true or false, or a list of { from, is }")]
enum Switch {
    Always(bool),
    Dated(Vec<IsFrom>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IsFrom {
    from: Option<String>,
    is: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be credits, or a list of { from, credits }")]
enum Size {
    Always(String),
    Dated(Vec<SizeFrom>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeFrom {
    from: Option<String>,
    credits: String,
}

/// A dated value of which each part was read; `none` is in force before the first date.
fn dated<T: Copy + PartialEq>(
    key: String,
    none: T,
    parts: Vec<(Option<String>, T)>,
) -> Result<Dated<T>, CatalogError> {
    let (mut first, mut then) = (None, Vec::new());
    for (from, value) in parts {
        match from {
            None if first.is_none() && then.is_empty() => first = Some(value),
            None => return Err(wrong(key, "only the first of a list may omit `from`")),
            Some(from) => {
                let monday = Day::parse(&from).map(Day::start);
                let monday = monday.filter(|at| week(*at).start == *at);
                let problem = format!("from {from}: must be a Monday such as \"2026-12-07\"");
                then.push((monday.ok_or_else(|| wrong(key.clone(), problem))?, value));
            }
        }
    }
    if first.is_none() && then.is_empty() {
        return Err(wrong(key, "must not be empty"));
    }
    let ordered = Dated::new(first.unwrap_or(none), then);
    ordered.ok_or_else(|| wrong(key, "the dates must be in order"))
}

impl Switch {
    /// Before its first date it has the opposite of the value from then on.
    fn check(self, key: String) -> Result<Dated<bool>, CatalogError> {
        match self {
            Switch::Always(is) => Ok(Dated::always(is)),
            Switch::Dated(parts) => {
                let none = parts.first().is_some_and(|part| !part.is);
                dated(key, none, parts.into_iter().map(|part| (part.from, part.is)).collect())
            }
        }
    }
}

impl Size {
    fn check(self, key: String) -> Result<Dated<Credits>, CatalogError> {
        match self {
            Size::Always(credits) => Ok(Dated::always(amount(key, &credits)?)),
            Size::Dated(parts) => {
                let read = |part: SizeFrom| match part.credits.as_str() {
                    "0" => Ok((part.from, Credits::ZERO)),
                    text => Ok((part.from, amount(key.clone(), text)?)),
                };
                let parts = parts.into_iter().map(read).collect::<Result<_, CatalogError>>()?;
                dated(key.clone(), Credits::ZERO, parts)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionFile {
    number: ActionNumber,
    credits: String,
    per: u64,
    unit: String,
    limit: u64,
    rounding: Option<String>,
    #[serde(default)]
    retired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    credits: String,
    price_minor: u64,
    currency: String,
    expires_after_months: u32,
}

impl CatalogFile {
    fn check(self) -> Result<Catalog, CatalogError> {
        if self.version == 0 {
            return Err(wrong("version", "must be at least 1"));
        }
        if !self.contact_url.starts_with("https://") {
            return Err(wrong("contact_url", "must begin with https://"));
        }
        if self.plans.is_empty() {
            return Err(wrong("plans", "must name at least one plan"));
        }
        let names = [
            ("plans", self.plans.keys().collect::<Vec<_>>()),
            ("actions", self.actions.keys().collect()),
            ("packs", self.packs.keys().collect()),
        ];
        for (table, keys) in names {
            if let Some(name) = keys.into_iter().find(|name| !is_name(name)) {
                let problem = "must be 1 to 64 lower-case letters, digits and underscores";
                return Err(wrong(format!("{table}.{name}"), problem));
            }
        }
        let mut numbers = BTreeSet::new();
        for (name, action) in &self.actions {
            if action.number == 0 || !numbers.insert(action.number) {
                let problem = "must be at least 1 and different for every action";
                return Err(wrong(format!("actions.{name}.number"), problem));
            }
        }
        let version = self.version;
        let contact_url = self.contact_url;
        let spending_in_debt = self.spending_in_debt.check("spending_in_debt".to_owned())?;
        let grant_limit = self.grant_limit.map(|limit| amount("grant_limit".to_owned(), &limit));
        let plans = self.plans.into_iter().map(|(n, p)| p.check(n)).collect::<Result<_, _>>()?;
        let actions =
            self.actions.into_iter().map(|(n, a)| a.check(n)).collect::<Result<_, _>>()?;
        let packs = self.packs.into_iter().map(|(n, p)| p.check(n)).collect::<Result<_, _>>()?;
        Ok(Catalog {
            version,
            contact_url,
            spending_in_debt,
            invoices: self.invoices,
            grant_limit: grant_limit.transpose()?,
            plans,
            actions,
            packs,
        })
    }
}

impl PlanFile {
    fn check(self, name: String) -> Result<(String, Plan), CatalogError> {
        let key = |field: &str| format!("plans.{name}.{field}");
        let size = |field: &str, size: Option<Size>| match size {
            Some(size) => size.check(key(field)),
            None => Ok(Dated::always(Credits::ZERO)),
        };
        let ai = self.ai.check(key("ai"))?;
        let weekly = size("weekly", self.weekly)?;
        let monthly = size("monthly", self.monthly)?;
        let plan = Plan { ai, weekly, monthly };
        let Plan { ai, weekly, monthly } = &plan;
        let changes = ai.changes().chain(weekly.changes()).chain(monthly.changes());
        let grants = |at| !weekly.at(at).is_zero() || !monthly.at(at).is_zero();
        if std::iter::once(Instant::EPOCH).chain(changes).any(|at| !ai.at(at) && grants(at)) {
            return Err(wrong(key("ai"), "a plan without AI must not grant credits"));
        }
        Ok((name, plan))
    }
}

impl ActionFile {
    fn check(self, name: String) -> Result<(String, Action), CatalogError> {
        let key = |field: &str| format!("actions.{name}.{field}");
        let credits = amount(key("credits"), &self.credits)?;
        if self.per == 0 || self.per > 1_000_000_000 {
            return Err(wrong(key("per"), "must be from 1 to 1000000000"));
        }
        if self.limit == 0 {
            return Err(wrong(key("limit"), "must be at least 1"));
        }
        let round_up = match self.rounding.as_deref() {
            None => false,
            Some("up") => true,
            Some(_) => return Err(wrong(key("rounding"), "must be \"up\" or be omitted")),
        };
        if !round_up && credits.micro() % self.per as i64 != 0 {
            let problem =
                "must divide `credits` into whole micro-credits; or set rounding = \"up\"";
            return Err(wrong(key("per"), problem));
        }
        let most = i128::from(credits.micro()) * i128::from(self.limit) / i128::from(self.per);
        if most > i128::from(Credits::MAX.micro()) {
            let problem = format!("the price of the limit must be at most {}", Credits::MAX);
            return Err(wrong(key("limit"), problem));
        }
        if self.unit.is_empty() || self.unit.len() > 64 {
            return Err(wrong(key("unit"), "must be 1 to 64 bytes"));
        }
        let (number, per, limit, retired) = (self.number, self.per, self.limit, self.retired);
        let unit = self.unit;
        Ok((name, Action { number, credits, per, unit, limit, round_up, retired }))
    }
}

impl PackFile {
    fn check(self, name: String) -> Result<(String, Pack), CatalogError> {
        let key = |field: &str| format!("packs.{name}.{field}");
        let credits = amount(key("credits"), &self.credits)?;
        if !(1..=MAX_MINOR).contains(&self.price_minor) {
            let problem = format!("must be from 1 to {MAX_MINOR}");
            return Err(wrong(key("price_minor"), problem));
        }
        let currency = self.currency.parse::<Currency>();
        let currency = currency.map_err(|e| wrong(key("currency"), e.to_string()))?;
        if !(1..=120).contains(&self.expires_after_months) {
            return Err(wrong(key("expires_after_months"), "must be from 1 to 120"));
        }
        let price = Money { currency, minor: self.price_minor };
        let expires_after_months = self.expires_after_months;
        Ok((name, Pack { credits, price, expires_after_months }))
    }
}

fn yes() -> Switch {
    Switch::Always(true)
}

fn wrong(key: impl Into<String>, problem: impl Into<String>) -> CatalogError {
    CatalogError { key: key.into(), problem: problem.into() }
}

fn amount(key: String, text: &str) -> Result<Credits, CatalogError> {
    text.parse().map_err(|e: CreditsError| wrong(key, e.to_string()))
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
