//! The work's side of a charge: it reports what it delivers.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::amount::{InvalidCredits, credits, micros};
use crate::metered::{Meters, UsageFormat};
use crate::request::Spend;

/// Reports what work delivers. A clone reports for the same work.
#[derive(Clone)]
pub struct Work {
    unit: Unit,
    reported: Arc<Mutex<Reported>>,
}

#[derive(Clone, Default)]
struct Reported {
    /// In micro-credits where credits were asked for.
    total: Option<u128>,
    meters: Option<Meters>,
    /// Reported after these meters.
    usage: Option<(UsageFormat, Value)>,
}

/// What is to be charged.
pub(crate) struct Delivered {
    pub(crate) spend: Spend,
    /// The meters that are charged if Scrip cannot read the usage object.
    pub(crate) otherwise: Option<Meters>,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Quantity,
    Credits,
    Meters,
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
    /// A model is charged by its meters, and nothing else is.
    #[error("only a charge by meters is reported by meters")]
    NotMeters,
}

impl Work {
    pub(crate) fn new(asked: &Spend) -> Work {
        let unit = match (&asked.credits, &asked.model) {
            (Some(_), _) => Unit::Credits,
            (None, Some(_)) => Unit::Meters,
            (None, None) => Unit::Quantity,
        };
        Work { unit, reported: Arc::default() }
    }

    /// Reports what was delivered so far, in all: a quantity of the action, or whole credits where
    /// credits were asked for. Call it as often as you like. More than is held counts as all that
    /// is held, unless the charge may go [`beyond`](crate::Charge::beyond) it. Of a charge by meters
    /// it says nothing.
    pub fn delivered(&self, total: u64) {
        let factor = if self.unit == Unit::Credits { 1_000_000 } else { 1 };
        self.report(|reported| reported.total = Some(u128::from(total) * factor));
    }

    /// Reports what was delivered so far, in all, in decimal credits: `"1.25"`.
    ///
    /// # Errors
    /// If the text is no amount, or an action was asked for.
    pub fn delivered_credits(&self, total: &str) -> Result<(), ReportError> {
        if self.unit != Unit::Credits {
            return Err(ReportError::NotCredits);
        }
        let total = micros(total)?;
        self.report(|reported| reported.total = Some(total));
        Ok(())
    }

    /// Reports what a model used so far, in all.
    ///
    /// # Errors
    /// If no meters were asked for.
    pub fn delivered_meters(&self, total: Meters) -> Result<(), ReportError> {
        if self.unit != Unit::Meters {
            return Err(ReportError::NotMeters);
        }
        self.report(|reported| (reported.meters, reported.usage) = (Some(total), None));
        Ok(())
    }

    /// Reports what a model used so far, in all, by the usage object of its provider. If Scrip
    /// cannot read it, it charges the meters that were reported last, or else those that were asked
    /// for.
    ///
    /// # Errors
    /// If no meters were asked for.
    pub fn delivered_usage(&self, format: UsageFormat, total: Value) -> Result<(), ReportError> {
        if self.unit != Unit::Meters {
            return Err(ReportError::NotMeters);
        }
        self.report(|reported| reported.usage = Some((format, total)));
        Ok(())
    }

    fn report(&self, report: impl FnOnce(&mut Reported)) {
        report(&mut self.reported.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What to charge of what was asked for; nothing if nothing was delivered. Work that ended and
    /// reported nothing delivered all of it.
    pub(crate) fn charge(&self, asked: &Spend, has_ended: bool, beyond: bool) -> Option<Delivered> {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.unit == Unit::Meters {
            return used(asked, reported, has_ended);
        }
        let most = match (&asked.credits, asked.quantity) {
            // Scrip held them, so that they are an amount.
            (Some(credits), _) => micros(credits).unwrap_or_default(),
            (None, quantity) => u128::from(quantity.unwrap_or_default()),
        };
        let delivered = reported.total.unwrap_or(if has_ended { most } else { 0 });
        let delivered = if beyond { delivered } else { delivered.min(most) };
        if delivered == 0 {
            return None;
        }
        let mut spend = asked.clone();
        match self.unit {
            Unit::Credits => spend.credits = Some(credits(delivered)),
            Unit::Quantity => spend.quantity = Some(u64::try_from(delivered).unwrap_or(u64::MAX)),
            Unit::Meters => {}
        }
        Some(Delivered { spend, otherwise: None })
    }
}

/// The charge of what a model used.
fn used(asked: &Spend, reported: Reported, has_ended: bool) -> Option<Delivered> {
    if let Some((format, usage)) = reported.usage {
        let (usage, usage_format) = (Some(usage), Some(format));
        let spend = Spend { meters: None, usage, usage_format, ..asked.clone() };
        return Some(Delivered { spend, otherwise: reported.meters.or(asked.meters.clone()) });
    }
    let whole = if has_ended { asked.meters.clone() } else { None };
    let meters = reported.meters.or(whole).filter(|meters| !meters.is_nothing())?;
    Some(Delivered { spend: Spend { meters: Some(meters), ..asked.clone() }, otherwise: None })
}
