//! Reads the catalog's file, and checks it.

mod brand;
mod naming;
mod plan;
mod sale;
mod topup;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use brand::BrandFile;
use naming::{UnitsFile, WordsFile, naming};
use plan::PlanFile;
use sale::{PackFile, TaxFile};
use topup::TopUpFile;
use values::{NO_NAME, Switch, amount, is_name, wrong, yes};

use super::{Action, ActionNumber, Catalog, CatalogError, CatalogFiles, Plan, Pricing, UnitPrice};
use crate::domain::Credits;
use crate::domain::rates::{RateTable, RatesError};
use crate::domain::words::{UnitWords, Words};

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
    #[serde(default)]
    brand: BrandFile,
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
    #[serde(default)]
    topups: BTreeMap<String, TopUpFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionFile {
    number: ActionNumber,
    rates: Option<String>,
    credits: Option<String>,
    per: Option<u64>,
    unit: Option<String>,
    units: Option<UnitsFile>,
    limit: Option<u64>,
    rounding: Option<String>,
    #[serde(default)]
    retired: bool,
    name: Option<WordsFile>,
    about: Option<WordsFile>,
    group: Option<WordsFile>,
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
            ("topups", self.topups.keys().collect()),
        ];
        for (table, keys) in names {
            if let Some(name) = keys.into_iter().find(|name| !is_name(name)) {
                return Err(wrong(format!("{table}.{name}"), NO_NAME));
            }
        }
        // An order and its entries name what was bought, by either name.
        if let Some(name) = self.topups.keys().find(|name| self.packs.contains_key(*name)) {
            return Err(wrong(format!("topups.{name}"), "must not have the name of a pack"));
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
        each_price_once(&plans)?;
        let actions =
            self.actions.into_iter().map(|(n, a)| a.check(n)).collect::<Result<_, _>>()?;
        let packs = self.packs.into_iter().map(|(n, p)| p.check(n)).collect::<Result<_, _>>()?;
        let topups = self.topups.into_iter().map(|(n, t)| t.check(n)).collect::<Result<_, _>>()?;
        Ok(Catalog {
            version,
            contact_url,
            brand: self.brand.check()?,
            spending_in_debt,
            invoices: self.invoices,
            tax: self.tax.check()?,
            grant_limit: grant_limit.transpose()?,
            plans,
            actions,
            packs,
            topups,
            rates: BTreeMap::new(),
        })
    }
}

/// Whether each price at Stripe is of one plan.
fn each_price_once(plans: &BTreeMap<String, Plan>) -> Result<(), CatalogError> {
    let mut known = BTreeSet::new();
    for (name, plan) in plans {
        for price in &plan.stripe_prices {
            if !known.insert(price) {
                let key = format!("plans.{name}.stripe_prices");
                return Err(wrong(key, format!("{price} is named twice")));
            }
        }
    }
    Ok(())
}

impl ActionFile {
    fn check(mut self, name: String) -> Result<(String, Action), CatalogError> {
        let key = |field: &str| format!("actions.{name}.{field}");
        let (number, retired) = (self.number, self.retired);
        let naming = naming(("actions", &name), self.name.take(), self.about.take())?;
        let group = self.group.take().map(|group| group.name(key("group"))).transpose()?;
        let pricing = match self.rates {
            None => Pricing::Unit(self.unit_price(&key)?),
            Some(table) => {
                let sent = [
                    ("credits", self.credits.is_some()),
                    ("per", self.per.is_some()),
                    ("unit", self.unit.is_some()),
                    ("units", self.units.is_some()),
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
        Ok((name, Action { number, pricing, retired, naming, group }))
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
        let same = || UnitWords { one: Words::plain(&*unit), other: Words::plain(&*unit) };
        let units = self.units.map(|units| units.check(&key("units"))).transpose()?;
        let units = units.unwrap_or_else(same);
        Ok(UnitPrice { credits, per, unit, units, limit, round_up })
    }
}
