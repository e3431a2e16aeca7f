//! How much of an action an entry is for.

use crate::domain::meters::Meters;
use crate::domain::rates::ModelNumber;

/// How much of an action an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// So many units; 0 of a charge by amount.
    Units(u64),
    /// What a call of this model consumed.
    Call(ModelNumber, Meters),
}

impl Quantity {
    pub const NONE: Quantity = Quantity::Units(0);

    /// The units. None: it counts none.
    pub fn units(&self) -> Option<u64> {
        match self {
            Quantity::Units(units) => Some(*units).filter(|units| *units > 0),
            Quantity::Call(..) => None,
        }
    }

    /// The model, of a call.
    pub fn model(&self) -> Option<ModelNumber> {
        self.call().map(|(model, _)| model)
    }

    /// The model and its meters, of a call.
    pub fn call(&self) -> Option<(ModelNumber, Meters)> {
        match self {
            Quantity::Units(_) => None,
            Quantity::Call(model, meters) => Some((*model, *meters)),
        }
    }
}
