//! Pricing: what actions cost by the catalog.

use super::catalog::ActionNumber;
use super::{Catalog, Credits, Refusal};

impl Catalog {
    /// The credits that `quantity` of `action` costs. Quotes and debits share this one pricing
    /// function.
    ///
    /// Exact in micro-credits: splitting a job never changes its price, unless the action rounds.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`] if the catalog does not sell `action`;
    /// [`Refusal::InvalidRequest`] if `quantity` is beyond the action's limit.
    pub fn price(&self, action: &str, quantity: u64) -> Result<(ActionNumber, Credits), Refusal> {
        let found = self.sold_action(action)?;
        if quantity > found.limit {
            let problem = format!("must be at most {} for {action}", found.limit);
            return Err(Refusal::invalid("quantity", problem));
        }
        let micro = i128::from(found.credits.micro()) * i128::from(quantity);
        let per = i128::from(found.per);
        let micro = if found.round_up { (micro + per - 1) / per } else { micro / per };
        let micro = i64::try_from(micro).expect("a checked catalog bounds the price of the limit");
        Ok((found.number, Credits::from_micro(micro)))
    }
}
