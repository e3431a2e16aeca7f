//! The catalog: plans, actions and packs. Reviewed data, validated when loaded.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::currency::Currency;
use super::dated::Dated;
use super::money::{Money, PriceError};
use super::period::{Day, week};
use super::{Credits, Instant};

/// Names an action in the ledger. 0 is no action: credits spent by amount.
pub type ActionNumber = u16;

/// The plans, actions and packs and their prices, as one version of reviewed data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// 1, 2, 3, ...: every entry names the version it was priced with.
    pub version: u32,
    /// Where customers who buy through their account executive are sent.
    pub contact_url: String,
    /// Whether an account in debt may spend its credits: those it did not pay for, as bought
    /// credits repay the debt.
    pub spending_in_debt: Dated<bool>,
    /// Whether Stripe makes an invoice for a purchase, beside its receipt.
    pub invoices: bool,
    pub plans: BTreeMap<String, Plan>,
    pub actions: BTreeMap<String, Action>,
    pub packs: BTreeMap<String, Pack>,
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
}

/// Something that costs credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub number: ActionNumber,
    /// `credits` buy `per` units.
    pub credits: Credits,
    pub per: u64,
    pub unit: String,
    /// The largest quantity of one operation.
    pub limit: u64,
    /// Whether a fraction of a micro-credit is rounded up. Without it the rate divides exactly.
    pub round_up: bool,
    /// No longer sold. It keeps its number and its name for the entries that have it.
    pub retired: bool,
}

/// Credits for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub credits: Credits,
    pub price: Money,
    pub expires_after_months: u32,
}

/// The greatest price of any currency, as Stripe counts it: twelve digits, of IDR.
const MAX_MINOR: u64 = 999_999_999_999;

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

    /// Reads and validates a catalog in TOML.
    ///
    /// # Errors
    /// [`CatalogError`] names the first key that is wrong.
    pub fn parse(text: &str) -> Result<Catalog, CatalogError> {
        let raw: raw::Catalog = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |at| text[..at.start].lines().count().max(1));
            wrong(format!("line {line}"), e.message())
        })?;
        raw.check()
    }

    /// Checks that Stripe charges the prices of the packs, when a catalog is published: the catalog
    /// in force is read whatever Stripe takes by now.
    ///
    /// # Errors
    /// [`CatalogError`] names the first pack whose price or currency Stripe does not take.
    pub fn chargeable(&self) -> Result<(), CatalogError> {
        for (name, pack) in &self.packs {
            pack.price.chargeable().map_err(|error| {
                let field = match error {
                    PriceError::Currency(_) => "currency",
                    PriceError::Step { .. } | PriceError::Range { .. } => "price_minor",
                };
                wrong(format!("packs.{name}.{field}"), error.to_string())
            })?;
        }
        Ok(())
    }

    /// The plan called `name`.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.get(name)
    }

    /// The name of the action with this number.
    pub fn action_name(&self, number: ActionNumber) -> Option<&str> {
        let mut actions = self.actions.iter();
        actions.find(|(_, action)| action.number == number).map(|(name, _)| name.as_str())
    }
}

fn wrong(key: impl Into<String>, problem: impl Into<String>) -> CatalogError {
    CatalogError { key: key.into(), problem: problem.into() }
}

fn amount(key: String, text: &str) -> Result<Credits, CatalogError> {
    text.parse().map_err(|e: super::credits::CreditsError| wrong(key, e.to_string()))
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// The file as it is written; [`Catalog`] is what it means.
mod raw {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Catalog {
        version: u32,
        contact_url: String,
        #[serde(default = "yes")]
        spending_in_debt: Switch,
        #[serde(default)]
        invoices: bool,
        plans: BTreeMap<String, Plan>,
        actions: BTreeMap<String, Action>,
        #[serde(default)]
        packs: BTreeMap<String, Pack>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plan {
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
    struct Action {
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
    struct Pack {
        credits: String,
        price_minor: u64,
        currency: String,
        expires_after_months: u32,
    }

    impl Catalog {
        pub(super) fn check(self) -> Result<super::Catalog, CatalogError> {
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
            let plans =
                self.plans.into_iter().map(|(n, p)| p.check(n)).collect::<Result<_, _>>()?;
            let actions =
                self.actions.into_iter().map(|(n, a)| a.check(n)).collect::<Result<_, _>>()?;
            let packs =
                self.packs.into_iter().map(|(n, p)| p.check(n)).collect::<Result<_, _>>()?;
            Ok(super::Catalog {
                version,
                contact_url,
                spending_in_debt,
                invoices: self.invoices,
                plans,
                actions,
                packs,
            })
        }
    }

    impl Plan {
        fn check(self, name: String) -> Result<(String, super::Plan), CatalogError> {
            let key = |field: &str| format!("plans.{name}.{field}");
            let size = |field: &str, size: Option<Size>| match size {
                Some(size) => size.check(key(field)),
                None => Ok(Dated::always(Credits::ZERO)),
            };
            let ai = self.ai.check(key("ai"))?;
            let weekly = size("weekly", self.weekly)?;
            let monthly = size("monthly", self.monthly)?;
            let plan = super::Plan { ai, weekly, monthly };
            let super::Plan { ai, weekly, monthly } = &plan;
            let changes = ai.changes().chain(weekly.changes()).chain(monthly.changes());
            let grants = |at| !weekly.at(at).is_zero() || !monthly.at(at).is_zero();
            if std::iter::once(Instant::EPOCH).chain(changes).any(|at| !ai.at(at) && grants(at)) {
                return Err(wrong(key("ai"), "a plan without AI must not grant credits"));
            }
            Ok((name, plan))
        }
    }

    impl Action {
        fn check(self, name: String) -> Result<(String, super::Action), CatalogError> {
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
            Ok((name, super::Action { number, credits, per, unit, limit, round_up, retired }))
        }
    }

    impl Pack {
        fn check(self, name: String) -> Result<(String, super::Pack), CatalogError> {
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
            Ok((name, super::Pack { credits, price, expires_after_months }))
        }
    }

    fn yes() -> Switch {
        Switch::Always(true)
    }
}
