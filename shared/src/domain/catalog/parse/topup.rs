//! The top-up plans in a catalog's file.

use serde::Deserialize;

use super::naming::{WordsFile, naming};
use super::values::{MAX_MINOR, amount, wrong};
use crate::domain::catalog::CatalogError;
use crate::domain::currency::Currency;
use crate::domain::money::Money;
use crate::domain::topup::{Every, TopUpPlan};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopUpFile {
    credits: String,
    price_minor: u64,
    currency: String,
    every: String,
    expires_after_months: u32,
    name: Option<WordsFile>,
    about: Option<WordsFile>,
}

impl TopUpFile {
    pub(super) fn check(self, name: String) -> Result<(String, TopUpPlan), CatalogError> {
        let key = |field: &str| format!("topups.{name}.{field}");
        let credits = amount(key("credits"), &self.credits)?;
        if !(1..=MAX_MINOR).contains(&self.price_minor) {
            let problem = format!("must be from 1 to {MAX_MINOR}");
            return Err(wrong(key("price_minor"), problem));
        }
        let currency = self.currency.parse::<Currency>();
        let currency = currency.map_err(|e| wrong(key("currency"), e.to_string()))?;
        let every = Every::ALL.into_iter().find(|every| every.name() == self.every);
        let every = every.ok_or_else(|| wrong(key("every"), "must be week or month"))?;
        if !(1..=120).contains(&self.expires_after_months) {
            return Err(wrong(key("expires_after_months"), "must be from 1 to 120"));
        }
        let price = Money { currency, minor: self.price_minor };
        let expires_after_months = self.expires_after_months;
        let naming = naming(("topups", &name), self.name, self.about)?;
        Ok((name, TopUpPlan { credits, price, every, expires_after_months, naming }))
    }
}
