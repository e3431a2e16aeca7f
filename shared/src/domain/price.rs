//! Pricing: what actions cost by the catalog.

use std::collections::BTreeMap;

use super::catalog::{ActionNumber, Pricing};
use super::meters::Meters;
use super::nearest::nearest;
use super::rates::{ExactPrice, Model, ModelNumber, RateTable};
use super::{Catalog, Credits, Refusal};

/// A call of a model, at its exact price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedCall {
    pub action: ActionNumber,
    pub model: ModelNumber,
    pub meters: Meters,
    pub exact: ExactPrice,
}

impl Catalog {
    /// The credits that `quantity` of `action` costs. Quotes and debits share this one pricing
    /// function.
    ///
    /// Exact in micro-credits: splitting a job never changes its price, unless the action rounds.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`] if the catalog does not sell `action`;
    /// [`Refusal::InvalidRequest`] if `quantity` is beyond the action's limit, or the action is
    /// priced by meters.
    pub fn price(&self, action: &str, quantity: u64) -> Result<(ActionNumber, Credits), Refusal> {
        let found = self.sold_action(action)?;
        let Pricing::Unit(unit) = &found.pricing else {
            let problem = format!("is not allowed: {action} is priced by model and meters");
            return Err(Refusal::invalid("quantity", problem));
        };
        if quantity > unit.limit {
            let problem = format!("must be at most {} for {action}", unit.limit);
            return Err(Refusal::invalid("quantity", problem));
        }
        let micro = i128::from(unit.credits.micro()) * i128::from(quantity);
        let per = i128::from(unit.per);
        let micro = if unit.round_up { (micro + per - 1) / per } else { micro / per };
        let micro = i64::try_from(micro).expect("a checked catalog bounds the price of the limit");
        Ok((found.number, Credits::from_micro(micro)))
    }

    /// The exact price of a call of `model` that consumed `meters`.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`], [`Refusal::UnknownModel`] and [`Refusal::UnknownMeter`] for what
    /// is not sold; [`Refusal::InvalidRequest`] if the action is priced by the unit.
    pub fn price_call(
        &self,
        action: &str,
        model: &str,
        meters: &BTreeMap<String, u64>,
    ) -> Result<PricedCall, Refusal> {
        let found = self.sold_action(action)?;
        let Some(table) = self.rates_of(found) else {
            let problem = format!("is not allowed: {action} is priced by quantity");
            return Err(Refusal::invalid("model", problem));
        };
        let (name, model) = table.sold_model(model)?;
        let (meters, exact) = table.price((name, model), meters)?;
        Ok(PricedCall { action: found.number, model: model.number, meters, exact })
    }
}

impl RateTable {
    /// The exact price of the counts that were sent for a model, and those counts.
    ///
    /// # Errors
    /// [`Refusal::UnknownMeter`]: a word is no meter's, or the model has no rate for one that
    /// counts something.
    pub fn price(
        &self,
        (name, model): (&str, &Model),
        sent: &BTreeMap<String, u64>,
    ) -> Result<(Meters, ExactPrice), Refusal> {
        let unknown = |meter: &str| {
            let known = model.rates.keys().map(|meter| meter.name());
            let (model, did_you_mean) = (name.to_owned(), nearest(meter, known));
            Refusal::UnknownMeter { model, meter: meter.to_owned(), did_you_mean }
        };
        let meters = Meters::read(sent).map_err(unknown)?;
        let exact = self.exact(model, &meters).map_err(|meter| unknown(meter.name()))?;
        Ok((meters, exact))
    }
}
