//! Reads the catalog's file, and checks it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::sale::{PackFile, TaxFile};
use super::value::{amount, wrong};
use super::{Action, ActionNumber, Catalog, CatalogError, CatalogFiles, Plan, Pricing, UnitPrice};
use crate::domain::credits::Credits;
use crate::domain::dated::Dated;
use crate::domain::instant::Instant;
use crate::domain::limit::{Per, Subject};
use crate::domain::period::{Day, week};
use crate::domain::rates::{RateTable, RatesError};

const NO_NAME: &str = "must be 1 to 64 lower-case letters, digits and underscores";

impl Catalog {
    /// Reads and validates a catalog in TOML, and the rate tables that its actions name.
    ///
    /// # Errors
    /// [`CatalogError`] names the first key that is wrong.
    pub fn parse(files: &CatalogFiles) -> Result<Catalog, CatalogError> {
        let mut catalog = CatalogFile::read(&files.catalog)?.check()?;
        for (name, action) in &catalog.actions {
            let Pricing::Rates(table) = &action.pricing else { continue };
            let Some(text) = files.rates.get(table) else {
                let problem = format!("there is no rate table rates/{table}.toml");
                return Err(wrong(format!("actions.{name}.rates"), problem));
            };
            if !catalog.rates.contains_key(table) {
                let within = |e: RatesError| wrong(format!("rates.{table}.{}", e.key), e.problem);
                catalog.rates.insert(table.clone(), RateTable::parse(text).map_err(within)?);
            }
        }
        Ok(catalog)
    }

    /// The names of the rate tables that the actions of a catalog's file name.
    ///
    /// # Errors
    /// As [`Catalog::parse`].
    pub fn tables(catalog: &str) -> Result<BTreeSet<String>, CatalogError> {
        let actions = CatalogFile::read(catalog)?.check()?.actions.into_values();
        let tables = actions.filter_map(|action| match action.pricing {
            Pricing::Rates(table) => Some(table),
            Pricing::Unit(_) => None,
        });
        Ok(tables.collect())
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
    #[serde(default)]
    tax: TaxFile,
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
    #[serde(default)]
    limits: Vec<LimitFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitFile {
    of: String,
    per: String,
    at_most: String,
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
    rates: Option<String>,
    credits: Option<String>,
    per: Option<u64>,
    unit: Option<String>,
    limit: Option<u64>,
    rounding: Option<String>,
    #[serde(default)]
    retired: bool,
}

impl CatalogFile {
    fn read(text: &str) -> Result<CatalogFile, CatalogError> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |at| text[..at.start].lines().count().max(1));
            wrong(format!("line {line}"), e.message())
        })
    }

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
                return Err(wrong(format!("{table}.{name}"), NO_NAME));
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
            tax: self.tax.check()?,
            grant_limit: grant_limit.transpose()?,
            plans,
            actions,
            packs,
            rates: BTreeMap::new(),
        })
    }
}

/// The limits of a plan for each subject of a kind.
fn limits(
    key: &str,
    listed: Vec<LimitFile>,
) -> Result<BTreeMap<(String, Per), Credits>, CatalogError> {
    let mut limits = BTreeMap::new();
    for (place, LimitFile { of, per, at_most }) in listed.into_iter().enumerate() {
        let key = |field: &str| format!("{key}[{place}].{field}");
        if !Subject::is_kind(&of) {
            return Err(wrong(key("of"), "must be a kind of subjects, such as user or team"));
        }
        let window = Per::ALL.into_iter().find(|known| known.name() == per);
        let window = window.ok_or_else(|| {
            wrong(key("per"), format!("must be one of {}", Per::ALL.map(Per::name).join(", ")))
        })?;
        let at_most = match at_most.as_str() {
            "0" => Credits::ZERO,
            text => amount(key("at_most"), text)?,
        };
        if limits.insert((of, window), at_most).is_some() {
            return Err(wrong(key("per"), "is repeated for the kind"));
        }
    }
    Ok(limits)
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
        let limits = limits(&key("limits"), self.limits)?;
        let plan = Plan { ai, weekly, monthly, limits };
        let Plan { ai, weekly, monthly, .. } = &plan;
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
        let (number, retired) = (self.number, self.retired);
        let pricing = match self.rates {
            None => Pricing::Unit(self.unit_price(&key)?),
            Some(table) => {
                let sent = [
                    ("credits", self.credits.is_some()),
                    ("per", self.per.is_some()),
                    ("unit", self.unit.is_some()),
                    ("limit", self.limit.is_some()),
                    ("rounding", self.rounding.is_some()),
                ];
                if let Some((field, _)) = sent.into_iter().find(|(_, sent)| *sent) {
                    return Err(wrong(key(field), "must be omitted: the action has rates"));
                }
                if !is_name(&table) {
                    return Err(wrong(key("rates"), NO_NAME));
                }
                Pricing::Rates(table)
            }
        };
        Ok((name, Action { number, pricing, retired }))
    }

    fn unit_price(self, key: &impl Fn(&str) -> String) -> Result<UnitPrice, CatalogError> {
        let missing = |field| wrong(key(field), "is required, unless the action has rates");
        let credits = self.credits.ok_or_else(|| missing("credits"))?;
        let credits = amount(key("credits"), &credits)?;
        let per = self.per.ok_or_else(|| missing("per"))?;
        if per == 0 || per > 1_000_000_000 {
            return Err(wrong(key("per"), "must be from 1 to 1000000000"));
        }
        let limit = self.limit.ok_or_else(|| missing("limit"))?;
        if limit == 0 {
            return Err(wrong(key("limit"), "must be at least 1"));
        }
        let round_up = match self.rounding.as_deref() {
            None => false,
            Some("up") => true,
            Some(_) => return Err(wrong(key("rounding"), "must be \"up\" or be omitted")),
        };
        if !round_up && credits.micro() % per as i64 != 0 {
            let problem =
                "must divide `credits` into whole micro-credits; or set rounding = \"up\"";
            return Err(wrong(key("per"), problem));
        }
        let most = i128::from(credits.micro()) * i128::from(limit) / i128::from(per);
        if most > i128::from(Credits::MAX.micro()) {
            let problem = format!("the price of the limit must be at most {}", Credits::MAX);
            return Err(wrong(key("limit"), problem));
        }
        let unit = self.unit.ok_or_else(|| missing("unit"))?;
        if unit.is_empty() || unit.len() > 64 {
            return Err(wrong(key("unit"), "must be 1 to 64 bytes"));
        }
        Ok(UnitPrice { credits, per, unit, limit, round_up })
    }
}

fn yes() -> Switch {
    Switch::Always(true)
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
