//! Debit: prices a charge, and finds why an account would not pay it.

use std::collections::BTreeMap;

use super::limit::{self, InForce};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::Quantity;
use crate::domain::meters::Meters;
use crate::domain::{Account, Catalog, Credits, Instant, Refusal};

/// The subject of a payment in credits: a quantity of an action at its price, a call of a model at
/// its rates, or an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    Action { action: String, quantity: u64 },
    Call { action: String, model: String, meters: BTreeMap<String, u64> },
    Credits(Credits),
}

impl Charge {
    /// The action that is paid for, if it is one.
    pub fn action(&self) -> Option<&str> {
        match self {
            Charge::Action { action, .. } | Charge::Call { action, .. } => Some(action),
            Charge::Credits(_) => None,
        }
    }

    /// Whether the catalog sells all that it names.
    pub fn is_known(&self, catalog: &Catalog) -> bool {
        !matches!(
            price(self, catalog),
            Err(Refusal::UnknownAction { .. }
                | Refusal::UnknownModel { .. }
                | Refusal::UnknownMeter { .. })
        )
    }

    /// The action and how much of it, as entries keep them, sold or not. None: the catalog never
    /// had it.
    pub fn identified(&self, catalog: &Catalog) -> Option<(ActionNumber, Quantity)> {
        let action = catalog.actions.get(self.action()?)?;
        let quantity = match self {
            Charge::Action { quantity, .. } => Quantity::Units(*quantity),
            Charge::Call { model, meters, .. } => {
                let (_, model) = catalog.rates_of(action)?.model(model)?;
                Quantity::Call(model.number, Meters::read(meters).ok()?)
            }
            Charge::Credits(_) => return None,
        };
        Some((action.number, quantity))
    }
}

/// The price of a charge by one version of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub credits: Credits,
    pub action: Option<ActionNumber>,
    pub quantity: Quantity,
    pub catalog: u32,
}

impl Price {
    /// Of a request that the catalog does not price.
    pub fn none(catalog: u32) -> Price {
        Price { credits: Credits::ZERO, action: None, quantity: Quantity::NONE, catalog }
    }
}

/// Prices a charge. A quote, a debit and a hold share it.
///
/// # Errors
/// As [`Catalog::price`] and [`Catalog::price_call`]; [`Refusal::InvalidRequest`] for a call that
/// costs more than [`Credits::MAX`].
pub fn price(charge: &Charge, catalog: &Catalog) -> Result<Price, Refusal> {
    let (action, quantity, credits) = match charge {
        Charge::Credits(credits) => (None, Quantity::NONE, *credits),
        Charge::Action { action, quantity } => {
            let (number, credits) = catalog.price(action, *quantity)?;
            (Some(number), Quantity::Units(*quantity), credits)
        }
        Charge::Call { action, model, meters } => {
            let call = catalog.price_call(action, model, meters)?;
            let credits = call.exact.rounded_up().ok_or_else(too_dear)?;
            (Some(call.action), Quantity::Call(call.model, call.meters), credits)
        }
    };
    Ok(Price { credits, action, quantity, catalog: catalog.version })
}

/// The refusal of meters that cost more than one operation may.
pub(super) fn too_dear() -> Refusal {
    Refusal::invalid("meters", format!("must cost at most {} credits", Credits::MAX))
}

/// Why an advanced account would not pay all of `charges`, each with the limits in force for it, in
/// order of precedence. A quote, a debit and a hold share it.
pub fn refusal<'a>(
    account: &Account,
    charges: impl IntoIterator<Item = (&'a InForce, Credits)>,
    catalog: &Catalog,
    now: Instant,
) -> Option<Refusal> {
    let charges: Vec<_> = charges.into_iter().collect();
    let required = charges.iter().map(|(_, credits)| *credits).sum();
    let available = account.available;
    if account.gate.frozen {
        return Some(Refusal::AccountFrozen { required, available });
    }
    if account.gate.no_plan {
        return Some(Refusal::PlanRequired { required, available });
    }
    if account.gate.in_debt {
        return Some(Refusal::DebtOutstanding { required, available, debt: account.debt() });
    }
    let is_short = available < required;
    let recharge = || account.plan_state.next_recharge(catalog, now).filter(|_| is_short);
    let limits = limit::reached(charges.iter().copied(), account, now);
    if !limits.is_empty() {
        return Some(Refusal::LimitReached { limits, required, available, recharge: recharge() });
    }
    if is_short {
        let (recharge, auto_top_up) = (recharge(), false);
        return Some(Refusal::InsufficientCredits { required, available, recharge, auto_top_up });
    }
    // A charge of nothing begins no count.
    let mut counting = charges.iter().filter(|(_, credits)| !credits.is_zero());
    let full = counting.any(|(limits, _)| limit::is_full(limits, account, now));
    full.then_some(Refusal::TooManyLimits)
}
