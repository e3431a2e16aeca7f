//! What a catalog has under a name; or the refusal, which says what was probably meant.

use super::nearest::nearest;
use super::{Action, Catalog, Pack, Plan, Refusal};

impl Catalog {
    /// An action that is sold.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`]; of a retired one, too.
    pub fn sold_action(&self, name: &str) -> Result<&Action, Refusal> {
        let sold = |action: &&Action| !action.retired;
        self.actions.get(name).filter(sold).ok_or_else(|| {
            let names = self.actions.iter().filter(|(_, action)| sold(action));
            let did_you_mean = nearest(name, names.map(|(name, _)| name.as_str()));
            Refusal::UnknownAction { action: name.to_owned(), did_you_mean }
        })
    }

    /// A plan that an account may be put on.
    ///
    /// # Errors
    /// [`Refusal::UnknownPlan`].
    pub fn offered_plan(&self, name: &str) -> Result<&Plan, Refusal> {
        self.plan(name).ok_or_else(|| Refusal::UnknownPlan {
            plan: name.to_owned(),
            did_you_mean: nearest(name, self.plans.keys().map(String::as_str)),
        })
    }

    /// A pack that is sold.
    ///
    /// # Errors
    /// [`Refusal::UnknownPack`].
    pub fn sold_pack(&self, name: &str) -> Result<&Pack, Refusal> {
        self.packs.get(name).ok_or_else(|| Refusal::UnknownPack {
            pack: name.to_owned(),
            did_you_mean: nearest(name, self.packs.keys().map(String::as_str)),
        })
    }
}
