//! The work's side of a charge: it reports what it delivers.

use std::sync::{Arc, Mutex, PoisonError};

use crate::amount::{InvalidCredits, credits, micros};
use crate::request::Spend;

/// Reports what work delivers. A clone reports for the same work.
#[derive(Clone)]
pub struct Work {
    unit: Unit,
    /// In micro-credits where credits were asked for.
    reported: Arc<Mutex<Option<u128>>>,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Quantity,
    Credits,
}

/// A report that does not fit what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The text is no amount.
    #[error(transparent)]
    InvalidCredits(#[from] InvalidCredits),
    /// An action is charged by its quantity.
    #[error("an action is charged by its quantity, not by credits")]
    NotCredits,
}

impl Work {
    pub(crate) fn new(asked: &Spend) -> Work {
        let unit = if asked.credits.is_some() { Unit::Credits } else { Unit::Quantity };
        Work { unit, reported: Arc::default() }
    }

    /// Reports what was delivered so far, in all: a quantity of the action, or whole credits where
    /// credits were asked for. Call it as often as you like. More than is held counts as all that
    /// is held, unless the charge may go [`beyond`](crate::Charge::beyond) it.
    pub fn delivered(&self, total: u64) {
        let factor = if self.unit == Unit::Credits { 1_000_000 } else { 1 };
        self.report(u128::from(total) * factor);
    }

    /// Reports what was delivered so far, in all, in decimal credits: `"1.25"`.
    ///
    /// # Errors
    /// If the text is no amount, or an action was asked for.
    pub fn delivered_credits(&self, total: &str) -> Result<(), ReportError> {
        if self.unit != Unit::Credits {
            return Err(ReportError::NotCredits);
        }
        self.report(micros(total)?);
        Ok(())
    }

    fn report(&self, total: u128) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
    }

    /// What to charge of what was asked for; nothing if nothing was delivered. Work that ended and
    /// reported nothing delivered all of it.
    pub(crate) fn charge(&self, asked: &Spend, has_ended: bool, beyond: bool) -> Option<Spend> {
        let most = match (&asked.credits, asked.quantity) {
            // Scrip held them, so that they are an amount.
            (Some(credits), _) => micros(credits).unwrap_or_default(),
            (None, quantity) => u128::from(quantity.unwrap_or_default()),
        };
        let reported = *self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = reported.unwrap_or(if has_ended { most } else { 0 });
        let delivered = if beyond { delivered } else { delivered.min(most) };
        if delivered == 0 {
            return None;
        }
        let mut spend = asked.clone();
        match self.unit {
            Unit::Credits => spend.credits = Some(credits(delivered)),
            Unit::Quantity => spend.quantity = Some(u64::try_from(delivered).unwrap_or(u64::MAX)),
        }
        Some(spend)
    }
}
