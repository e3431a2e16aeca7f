//! The catalog: plans, actions and packs. Reviewed data, validated when loaded.

mod parse;

use std::collections::BTreeMap;

use super::brand::{Accent, Brand, HttpsUrl};
use super::dated::Dated;
use super::limit::Per;
use super::money::PriceError;
use super::pack::Pack;
use super::rates::{Model, ModelNumber, RateTable};
use super::tax::Tax;
use super::topup::TopUpPlan;
use super::words::{Naming, UnitWords, Words};
use super::{Credits, Status};

/// Names an action in the ledger. 0 is no action: credits spent by amount.
pub type ActionNumber = u16;

/// The plans, actions and packs and their prices, as one version of reviewed data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// 1, 2, 3, ...: every entry names the version it was priced with.
    pub version: u32,
    /// Where customers who buy through their account executive are sent, unless their plan has a
    /// contact of its own.
    pub contact_url: String,
    /// How the customer's page looks.
    pub brand: Brand,
    /// Whether an account in debt may spend its credits: those it did not pay for, as bought
    /// credits repay the debt.
    pub spending_in_debt: Dated<bool>,
    /// Whether Stripe makes an invoice for a purchase, beside its receipt.
    pub invoices: bool,
    /// How Stripe taxes purchases.
    pub tax: Tax,
    /// The most credits of one grant by an operator. None: as many as an account may hold.
    pub grant_limit: Option<Credits>,
    pub plans: BTreeMap<String, Plan>,
    pub actions: BTreeMap<String, Action>,
    pub packs: BTreeMap<String, Pack>,
    /// Credits for sale by subscription. No pack has the name of one.
    pub topups: BTreeMap<String, TopUpPlan>,
    /// The rate tables that actions name.
    pub rates: BTreeMap<String, RateTable>,
}

/// A catalog as it is written: its own file, and that of each rate table by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFiles {
    pub catalog: String,
    pub rates: BTreeMap<String, String>,
}

impl CatalogFiles {
    /// The files in the repository: `shared/catalog.toml` and `shared/rates/`.
    pub fn built_in() -> CatalogFiles {
        let llm = include_str!("../../rates/llm.toml");
        let rates = BTreeMap::from([("llm".to_owned(), llm.to_owned())]);
        CatalogFiles { catalog: Catalog::DEFAULT.to_owned(), rates }
    }
}

/// The credits that an account gets automatically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether AI is included at all. Without it every credit of the account is frozen.
    pub ai: Dated<bool>,
    /// The size of the bundle that is refilled every Monday 00:00 UTC; 0 is none.
    pub weekly: Dated<Credits>,
    /// The grant of a plan period, a month from the anchor's day; 0 is none. A period has the size
    /// that is in force when it begins.
    pub monthly: Dated<Credits>,
    /// The grant of a plan period while the plan is tried for free; 0 is none.
    pub trial_monthly: Dated<Credits>,
    /// Whether the sizes are those of one seat.
    pub per_seat: bool,
    /// The prices at Stripe whose subscriptions are this plan, the default first.
    pub stripe_prices: Vec<String>,
    /// The most that may be charged for each subject of a kind in each window.
    pub limits: BTreeMap<(String, Per), Credits>,
    pub naming: Naming,
    /// Whom its customers talk to. None: [`Catalog::contact_url`].
    pub contact: Option<Contact>,
}

/// A link to somebody who answers a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub label: Words,
    pub url: HttpsUrl,
}

impl Plan {
    /// The size of a plan period in this status.
    pub fn sized(&self, status: Status) -> &Dated<Credits> {
        match status {
            Status::Trialing => &self.trial_monthly,
            Status::Active | Status::PastDue | Status::Canceled => &self.monthly,
        }
    }
}

/// Something that costs credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub number: ActionNumber,
    pub pricing: Pricing,
    /// No longer sold. It keeps its number and its name for the entries that have it.
    pub retired: bool,
    pub naming: Naming,
    /// Under which heading the price list has it.
    pub group: Option<Words>,
}

/// How an action is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pricing {
    Unit(UnitPrice),
    /// By model and meter, with the rate table of this name.
    Rates(String),
}

/// The price of the units of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPrice {
    /// `credits` buy `per` units.
    pub credits: Credits,
    pub per: u64,
    pub unit: String,
    pub units: UnitWords,
    /// The largest quantity of one operation.
    pub limit: u64,
    /// Whether a fraction of a micro-credit is rounded up. Without it the rate divides exactly.
    pub round_up: bool,
}

/// Why a catalog is refused: the key that is wrong and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalog: {key}: {problem}")]
pub struct CatalogError {
    pub key: String,
    pub problem: String,
}

impl Catalog {
    /// The catalog in the repository, `shared/catalog.toml`.
    pub const DEFAULT: &'static str = include_str!("../../catalog.toml");

    /// Checks that Stripe charges the prices of packs and top-up plans, when a catalog is published:
    /// the catalog in force is read whatever Stripe takes by now.
    ///
    /// # Errors
    /// [`CatalogError`] names the first of them whose price or currency Stripe does not take.
    pub fn chargeable(&self) -> Result<(), CatalogError> {
        for (name, pack) in &self.packs {
            pack.prices.chargeable().map_err(|(field, error)| {
                let key = format!("packs.{name}.{field}");
                CatalogError { key, problem: error.to_string() }
            })?;
        }
        for (name, topup) in &self.topups {
            topup.price.chargeable().map_err(|error| {
                let field = match error {
                    PriceError::Currency(_) => "currency",
                    PriceError::Step { .. } | PriceError::Range { .. } => "price_minor",
                };
                let key = format!("topups.{name}.{field}");
                CatalogError { key, problem: error.to_string() }
            })?;
        }
        Ok(())
    }

    /// Checks that the accent can be read on the page's own colours, when a catalog is published:
    /// the catalog in force is read whatever colours a later page has.
    ///
    /// # Errors
    /// [`CatalogError`] says on which colour it cannot be read, and the contrast there.
    pub fn legible(&self) -> Result<(), CatalogError> {
        let checked = self.brand.accent.map_or(Ok(()), Accent::legible);
        checked.map_err(|faint| {
            let key = format!("brand.accent.{}", faint.theme.name());
            CatalogError { key, problem: faint.to_string() }
        })
    }

    /// The plan called `name`.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.get(name)
    }

    /// The plan that has this price at Stripe, and its name.
    pub fn plan_of_price(&self, price: &str) -> Option<(&str, &Plan)> {
        let mut plans = self.plans.iter();
        let found = plans.find(|(_, plan)| plan.stripe_prices.iter().any(|known| known == price));
        found.map(|(name, plan)| (name.as_str(), plan))
    }

    /// Whether a plan limits subjects of one of these kinds.
    pub fn limits_kind(&self, kind: &str) -> bool {
        self.plans.values().any(|plan| plan.limits.keys().any(|(limited, _)| limited == kind))
    }

    /// The rate table of an action. None: it is priced by the unit.
    pub fn rates_of(&self, action: &Action) -> Option<&RateTable> {
        match &action.pricing {
            Pricing::Rates(table) => self.rates.get(table),
            Pricing::Unit(_) => None,
        }
    }

    /// The action with this number.
    pub fn numbered(&self, number: ActionNumber) -> Option<&Action> {
        self.actions.values().find(|action| action.number == number)
    }

    /// This model of this action's rate table, with the table and the model's name.
    pub fn model(
        &self,
        action: ActionNumber,
        model: ModelNumber,
    ) -> Option<(&RateTable, &str, &Model)> {
        let table = self.rates_of(self.numbered(action)?)?;
        table.numbered(model).map(|(name, model)| (table, name, model))
    }

    /// The name of this model of this action's rate table.
    pub fn model_name(&self, action: ActionNumber, model: ModelNumber) -> Option<&str> {
        self.model(action, model).map(|(_, name, _)| name)
    }

    /// What is bought by calls of the model that `name` means, in the table of each action that has
    /// one. None: no table knows the name.
    pub fn models_named(&self, name: &str) -> Option<Vec<(ActionNumber, ModelNumber)>> {
        let models = self.actions.values().filter_map(|action| {
            let (_, model) = self.rates_of(action)?.model(name)?;
            Some((action.number, model.number))
        });
        Some(models.collect()).filter(|found: &Vec<_>| !found.is_empty())
    }

    /// The name of the action with this number.
    pub fn action_name(&self, number: ActionNumber) -> Option<&str> {
        let mut actions = self.actions.iter();
        actions.find(|(_, action)| action.number == number).map(|(name, _)| name.as_str())
    }
}
