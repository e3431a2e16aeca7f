//! What a repair did about a difference, as a log, a person and a script read it.

use ::audit::Difference;
use serde::{Serialize, Serializer};
use shared::domain::AccountId;

/// A difference, and the result of its repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Act {
    pub done: Done,
    #[serde(flatten)]
    pub difference: Difference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Repaired,
    /// An operator is told: the account is frozen, or a question is parked.
    Parked,
    /// Nothing could be written: a person has to look at the table.
    Left,
}

impl Done {
    pub fn name(self) -> &'static str {
        match self {
            Done::Repaired => "repaired",
            Done::Parked => "parked",
            Done::Left => "left",
        }
    }
}

impl Serialize for Done {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Act {
    /// Logs what was done.
    pub(super) fn log(&self) {
        let Act { done, difference: Difference { account, kind, expected, found, .. } } = self;
        let (account, done) = (account.as_ref().map(AccountId::as_str), done.name());
        let (words, about, kind) = (kind.words(), kind.about(), kind.name());
        tracing::warn!(account, kind, about, expected, found, done, "{words}");
    }
}
