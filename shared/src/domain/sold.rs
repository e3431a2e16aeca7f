//! Looks up what the catalog has by name; a refusal suggests the nearest known name.

use super::nearest::{misspelt, nearest};
use super::rates::{Model, RateTable};
use super::topup::TopUpPlan;
use super::{Action, Catalog, Pack, Plan, Refusal};

impl Catalog {
    /// The action `name`, if it is sold.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`], also for a retired action.
    pub fn sold_action(&self, name: &str) -> Result<&Action, Refusal> {
        let sold = |action: &&Action| !action.retired;
        self.actions.get(name).filter(sold).ok_or_else(|| {
            let names = self.actions.iter().filter(|(_, action)| sold(action));
            let did_you_mean = nearest(name, names.map(|(name, _)| name.as_str()));
            Refusal::UnknownAction { action: name.to_owned(), did_you_mean }
        })
    }

    /// The plan `name`, if an account may be put on it.
    ///
    /// # Errors
    /// [`Refusal::UnknownPlan`].
    pub fn offered_plan(&self, name: &str) -> Result<&Plan, Refusal> {
        self.plan(name).ok_or_else(|| Refusal::UnknownPlan {
            plan: name.to_owned(),
            did_you_mean: nearest(name, self.plans.keys().map(String::as_str)),
        })
    }

    /// The pack `name`, if it is sold.
    ///
    /// # Errors
    /// [`Refusal::UnknownPack`].
    pub fn sold_pack(&self, name: &str) -> Result<&Pack, Refusal> {
        self.packs.get(name).ok_or_else(|| Refusal::UnknownPack {
            pack: name.to_owned(),
            did_you_mean: nearest(name, self.packs.keys().map(String::as_str)),
        })
    }

    /// The top-up plan `name`, if it is offered.
    ///
    /// # Errors
    /// [`Refusal::UnknownTopUp`].
    pub fn offered_topup(&self, name: &str) -> Result<&TopUpPlan, Refusal> {
        self.topups.get(name).ok_or_else(|| Refusal::UnknownTopUp {
            topup: name.to_owned(),
            did_you_mean: nearest(name, self.topups.keys().map(String::as_str)),
        })
    }
}

impl RateTable {
    /// The model that `name` means, if it is sold, and its own name.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`], also for a retired model.
    pub fn sold_model(&self, name: &str) -> Result<(&str, &Model), Refusal> {
        self.model(name).filter(|(_, model)| !model.retired).ok_or_else(|| {
            let sold = self.models.iter().filter(|(_, model)| !model.retired);
            let did_you_mean = misspelt(name, sold.map(|(name, _)| name.as_str()));
            Refusal::UnknownModel { model: name.to_owned(), did_you_mean }
        })
    }
}
