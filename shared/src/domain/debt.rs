//! Debts: credits owed because a payment went back after the credits it bought were gone.

use super::payment::Cause;
use super::{Credits, Grant, GrantId};

/// The debt for one bought grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    pub grant: GrantId,
    /// More than 0.
    pub credits: Credits,
}

/// Debts in the order in which they are repaid: the longest owed first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debts(Vec<Debt>);

impl Debts {
    pub const NONE: Debts = Debts(Vec::new());

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Debt> {
        self.0.iter().copied()
    }

    pub fn total(&self) -> Credits {
        self.iter().map(|debt| debt.credits).sum()
    }

    /// The credits owed for `grant`.
    pub fn of(&self, grant: GrantId) -> Credits {
        self.iter().find(|debt| debt.grant == grant).map_or(Credits::ZERO, |debt| debt.credits)
    }

    /// Owes so much more for `grant`; if nothing was, it is the last to be repaid.
    pub fn add(&mut self, grant: GrantId, credits: Credits) {
        match self.0.iter_mut().find(|debt| debt.grant == grant) {
            Some(debt) => debt.credits += credits,
            None => self.0.push(Debt { grant, credits }),
        }
        self.0.retain(|debt| debt.credits > Credits::ZERO);
    }

    /// Owes so much less for `grant`, down to nothing. Returns by how much.
    pub fn pay(&mut self, grant: GrantId, credits: Credits) -> Credits {
        let paid = self.of(grant).min(credits);
        self.add(grant, -paid);
        paid
    }

    /// Owes so much more for `grant`; if nothing was, it is the first to be repaid.
    pub fn restore(&mut self, grant: GrantId, credits: Credits) {
        match self.of(grant) {
            Credits::ZERO => self.0.insert(0, Debt { grant, credits }),
            _ => self.add(grant, credits),
        }
    }

    /// Without `other`, debt by debt.
    #[must_use]
    pub fn less(&self, other: &Debts) -> Debts {
        let mut rest = self.clone();
        other.iter().for_each(|debt| {
            rest.pay(debt.grant, debt.credits);
        });
        rest
    }
}

impl FromIterator<Debt> for Debts {
    fn from_iter<I: IntoIterator<Item = Debt>>(debts: I) -> Debts {
        let mut all = Debts::NONE;
        debts.into_iter().for_each(|debt| all.add(debt.grant, debt.credits));
        all
    }
}

/// A change that an advance makes to the debts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DebtChange {
    /// The money for credits of `grant` went back: what was left of it was taken, the others are
    /// owed.
    Reversed { grant: GrantId, cause: Cause, taken: Option<Grant>, owed: Credits },
    /// The credits left of a grant repaid the debt for another grant, or for itself.
    Repaid { grant: GrantId, by: Grant },
}

impl DebtChange {
    /// The change of the debt: positive if more is owed after it.
    pub fn owed(&self) -> Credits {
        match self {
            DebtChange::Reversed { owed, .. } => *owed,
            DebtChange::Repaid { by, .. } => -by.left,
        }
    }
}
