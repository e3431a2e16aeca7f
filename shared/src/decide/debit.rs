//! Debit: prices a charge, and finds why an account would not pay it.

use crate::domain::catalog::ActionNumber;
use crate::domain::{Account, Catalog, Credits, Instant, Refusal};

/// The subject of a payment in credits: a quantity of an action at its price, or an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    Action { action: String, quantity: u64 },
    Credits(Credits),
}

impl Charge {
    /// The action that is paid for, if it is one.
    pub fn action(&self) -> Option<&str> {
        match self {
            Charge::Action { action, .. } => Some(action),
            Charge::Credits(_) => None,
        }
    }

    /// The quantity of the action; 0 for an amount.
    pub fn quantity(&self) -> u64 {
        match self {
            Charge::Action { quantity, .. } => *quantity,
            Charge::Credits(_) => 0,
        }
    }
}

/// The price of a charge by one version of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub credits: Credits,
    pub action: Option<ActionNumber>,
    pub catalog: u32,
}

/// Prices a charge. A quote, a debit and a hold share it.
///
/// # Errors
/// As [`Catalog::price`].
pub fn price(charge: &Charge, catalog: &Catalog) -> Result<Price, Refusal> {
    let (action, credits) = match charge {
        Charge::Credits(credits) => (None, *credits),
        Charge::Action { action, quantity } => {
            let (number, credits) = catalog.price(action, *quantity)?;
            (Some(number), credits)
        }
    };
    Ok(Price { credits, action, catalog: catalog.version })
}

/// Why an advanced account would not pay `required`, in order of precedence. A quote, a debit and a
/// hold share it.
pub fn refusal(
    account: &Account,
    required: Credits,
    catalog: &Catalog,
    now: Instant,
) -> Option<Refusal> {
    refusal_with(account, account.available, required, catalog, now)
}

/// The same, if this much were available.
pub(super) fn refusal_with(
    account: &Account,
    available: Credits,
    required: Credits,
    catalog: &Catalog,
    now: Instant,
) -> Option<Refusal> {
    if account.gate.frozen {
        return Some(Refusal::AccountFrozen { required, available });
    }
    if account.gate.no_plan {
        return Some(Refusal::PlanRequired { required, available });
    }
    if account.gate.in_debt {
        return Some(Refusal::DebtOutstanding { required, available, debt: account.debt() });
    }
    if available < required {
        let recharge = account.plan_state.next_recharge(catalog, now);
        return Some(Refusal::InsufficientCredits { required, available, recharge });
    }
    None
}
