//! The plans in a catalog's file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::naming::{ContactFile, WordsFile, naming};
use super::values::{Size, Switch, amount, wrong};
use crate::domain::Credits;
use crate::domain::catalog::{CatalogError, Plan};
use crate::domain::dated::Dated;
use crate::domain::instant::Instant;
use crate::domain::limit::{Per, Subject};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    ai: Switch,
    weekly: Option<Size>,
    monthly: Option<Size>,
    trial_monthly: Option<Size>,
    #[serde(default)]
    per_seat: bool,
    #[serde(default)]
    stripe_prices: Vec<String>,
    #[serde(default)]
    limits: Vec<LimitFile>,
    name: Option<WordsFile>,
    about: Option<WordsFile>,
    contact: Option<ContactFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitFile {
    of: String,
    per: String,
    at_most: String,
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
    pub(super) fn check(self, name: String) -> Result<(String, Plan), CatalogError> {
        let key = |field: &str| format!("plans.{name}.{field}");
        let size = |field: &str, size: Option<Size>| match size {
            Some(size) => size.check(key(field)),
            None => Ok(Dated::always(Credits::ZERO)),
        };
        let ai = self.ai.check(key("ai"))?;
        let weekly = size("weekly", self.weekly)?;
        let monthly = size("monthly", self.monthly)?;
        let limits = limits(&key("limits"), self.limits)?;
        let trial_monthly = size("trial_monthly", self.trial_monthly)?;
        let (per_seat, stripe_prices) = (self.per_seat, self.stripe_prices);
        for (place, price) in stripe_prices.iter().enumerate() {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let fits = price.starts_with("price_") && price.len() <= 64 && price.bytes().all(plain);
            if !fits {
                let problem = "must be the id of a price at Stripe, such as \"price_1Q2w3E\"";
                return Err(wrong(key(&format!("stripe_prices[{place}]")), problem));
            }
        }
        let naming = naming(("plans", &name), self.name, self.about)?;
        let contact = self.contact.map(|contact| contact.check(&key("contact"))).transpose()?;
        let plan = Plan {
            ai,
            weekly,
            monthly,
            trial_monthly,
            per_seat,
            stripe_prices,
            limits,
            naming,
            contact,
        };
        let Plan { ai, weekly, monthly, trial_monthly, .. } = &plan;
        let sizes = [weekly, monthly, trial_monthly];
        let changes = ai.changes().chain(sizes.into_iter().flat_map(Dated::changes));
        let grants = |at| sizes.into_iter().any(|size| !size.at(at).is_zero());
        if std::iter::once(Instant::EPOCH).chain(changes).any(|at| !ai.at(at) && grants(at)) {
            return Err(wrong(key("ai"), "a plan without AI must not grant credits"));
        }
        Ok((name, plan))
    }
}
