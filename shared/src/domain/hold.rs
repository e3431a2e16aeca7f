//! Holds: credits that are set aside for one purpose.

use super::catalog::ActionNumber;
use super::limit::HeldLimits;
use super::rates::ModelNumber;
use super::{Credits, Instant};

/// How many holds an account may have open at once.
pub const MAX_HOLDS: usize = 64;

/// Credits that a hold holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Held and still part of the burn order.
    pub amount: Credits,
    /// Held, but of a grant that has expired since: a capture uses it first, a release loses it.
    pub lapsed: Credits,
    /// The first instant at which the hold has lapsed.
    pub expires_at: Instant,
    pub purpose: HeldFor,
    pub limits: HeldLimits,
}

impl Held {
    pub fn total(&self) -> Credits {
        self.amount + self.lapsed
    }

    pub fn is_over(&self, now: Instant) -> bool {
        self.expires_at <= now
    }

    /// The remainder after `credits` of it are used, at most all of it: expired credits are used
    /// first.
    pub fn less(self, credits: Credits) -> Held {
        let lapsed = self.lapsed.min(credits);
        Held { amount: self.amount - (credits - lapsed), lapsed: self.lapsed - lapsed, ..self }
    }
}

/// What credits are held for. It fixes the price of a capture, whatever the catalog says by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldFor {
    Amount,
    Action(HeldAction),
    Call(HeldCall),
}

impl HeldFor {
    /// The action, if it is for one.
    pub fn action(&self) -> Option<ActionNumber> {
        match self {
            HeldFor::Amount => None,
            HeldFor::Action(action) => Some(action.number),
            HeldFor::Call(call) => Some(call.action),
        }
    }
}

/// The call that a hold is for: a capture by meters is charged by the rates that this version of
/// the catalog has for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldCall {
    pub action: ActionNumber,
    pub model: ModelNumber,
    pub catalog: u32,
}

/// The action that a hold is for, at the price it had then: a capture by quantity is charged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldAction {
    pub number: ActionNumber,
    /// At least 1.
    pub quantity: u64,
    /// The price of that quantity.
    pub credits: Credits,
    /// How much of the quantity was captured.
    pub captured: u64,
}

impl HeldAction {
    /// The price of so much of it: rounded down, so that parts never cost more than the whole.
    /// Rates that divide are exact. Of more than was held it is more than is held.
    pub fn price(&self, quantity: u64) -> Credits {
        let micro = i128::from(self.credits.micro()) * i128::from(quantity);
        let micro = micro / i128::from(self.quantity);
        Credits::from_micro(i64::try_from(micro).unwrap_or(i64::MAX))
    }
}
