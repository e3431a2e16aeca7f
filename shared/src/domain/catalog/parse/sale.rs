//! Reads what the catalog's file says of sales: packs with their prices, and tax.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::naming::{WordsFile, naming};
use super::values::{MAX_MINOR, amount, wrong};
use crate::domain::catalog::CatalogError;
use crate::domain::currency::Currency;
use crate::domain::money::Money;
use crate::domain::pack::{Pack, Prices};
use crate::domain::tax::{Tax, TaxBehavior};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackFile {
    credits: String,
    price_minor: Option<u64>,
    currency: Option<String>,
    /// By currency. The places in the file tell in which order they are written.
    prices: Option<BTreeMap<Spanned<String>, u64>>,
    expires_after_months: u32,
    name: Option<WordsFile>,
    about: Option<WordsFile>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct TaxFile {
    #[serde(default)]
    automatic: bool,
    behavior: Option<String>,
    #[serde(default)]
    ids: bool,
}

impl PackFile {
    pub(super) fn check(self, name: String) -> Result<(String, Pack), CatalogError> {
        let key = |field: &str| format!("packs.{name}.{field}");
        let credits = amount(key("credits"), &self.credits)?;
        let prices = match self.prices {
            None => {
                let missing = |field| wrong(key(field), "is required, unless the pack has prices");
                let minor = self.price_minor.ok_or_else(|| missing("price_minor"))?;
                let currency = self.currency.ok_or_else(|| missing("currency"))?;
                Prices::one(price((key("price_minor"), minor), (key("currency"), &currency))?)
            }
            Some(table) => {
                let sent = [
                    ("price_minor", self.price_minor.is_some()),
                    ("currency", self.currency.is_some()),
                ];
                if let Some((field, _)) = sent.into_iter().find(|(_, sent)| *sent) {
                    return Err(wrong(key(field), "must be omitted: the pack has prices"));
                }
                let mut table: Vec<_> = table.into_iter().collect();
                table.sort_by_key(|(currency, _)| currency.span().start);
                let prices = table.iter().map(|(currency, minor)| {
                    let key = key(&format!("prices.{}", currency.get_ref()));
                    price((key.clone(), *minor), (key, currency.get_ref()))
                });
                let prices = prices.collect::<Result<Vec<_>, _>>()?;
                let prices = Prices::table(prices);
                prices.ok_or_else(|| wrong(key("prices"), "must have at least one price"))?
            }
        };
        if !(1..=120).contains(&self.expires_after_months) {
            return Err(wrong(key("expires_after_months"), "must be from 1 to 120"));
        }
        let expires_after_months = self.expires_after_months;
        let naming = naming(("packs", &name), self.name, self.about)?;
        Ok((name, Pack { credits, prices, expires_after_months, naming }))
    }
}

/// A price, each part with its key.
fn price(minor: (String, u64), currency: (String, &str)) -> Result<Money, CatalogError> {
    let ((minor_key, minor), (currency_key, currency)) = (minor, currency);
    if !(1..=MAX_MINOR).contains(&minor) {
        return Err(wrong(minor_key, format!("must be from 1 to {MAX_MINOR}")));
    }
    let currency = currency.parse::<Currency>();
    let currency = currency.map_err(|e| wrong(currency_key, e.to_string()))?;
    Ok(Money { currency, minor })
}

impl TaxFile {
    pub(super) fn check(self) -> Result<Tax, CatalogError> {
        let key = "tax.behavior";
        let behavior = match (self.automatic, self.behavior) {
            (true, Some(name)) => {
                let known = TaxBehavior::ALL.map(TaxBehavior::name).join(", ");
                let behavior = TaxBehavior::named(&name);
                Some(behavior.ok_or_else(|| wrong(key, format!("must be one of {known}")))?)
            }
            (true, None) => return Err(wrong(key, "is required with automatic = true")),
            (false, Some(_)) => return Err(wrong(key, "must be omitted without automatic = true")),
            (false, None) => None,
        };
        Ok(Tax { behavior, ids: self.ids })
    }
}
