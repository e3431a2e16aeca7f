//! An account twice: as it was, and as it would have been.

use crate::domain::grant::Line;
use crate::domain::{Credits, Debt, DebtChange, Debts, Grant, GrantId, Instant, Movement};

/// A line was laid out.
#[derive(Debug)]
pub(super) struct LaidOut {
    pub line: Line,
    /// What was spent of the one before.
    pub spent: Credits,
    pub at: Instant,
    /// What happened to the debts, and how much of each is undone.
    pub debts: Vec<(DebtChange, Credits)>,
}

/// An account as it was, and as it would have been if what is undone had never left.
#[derive(Debug, Default)]
pub(super) struct Both {
    pub line: Line,
    pub never: Line,
    /// What was owed,
    owed: Debts,
    /// and what of it would not have been.
    pub unowed: Debts,
    /// What would have lapsed besides.
    lapsed: Line,
}

impl Both {
    pub(super) fn owing(owed: Debts) -> Both {
        Both { owed, ..Both::default() }
    }

    /// `more`: what there would have been besides, before it.
    pub(super) fn lay_out(&mut self, mut more: Line, laid_out: &LaidOut) {
        self.repay(&mut more, |_| true);
        for (change, undone) in &laid_out.debts {
            match change {
                DebtChange::Reversed { grant, taken, owed } => {
                    let asked = *owed + left(taken.as_ref()) - *undone;
                    taken.iter().cloned().for_each(|grant| more.add(grant));
                    let mut rest = asked;
                    // What nobody would have used of it would not be owed.
                    for line in [&mut more, &mut self.lapsed] {
                        let taken = line.take(rest, |known| known.id == *grant);
                        rest -= taken.iter().map(|grant| grant.left).sum();
                    }
                    self.owed.add(*grant, *owed);
                    self.unowed.add(*grant, *owed - rest);
                }
                DebtChange::Repaid { grant, by } => {
                    self.repay(&mut more, |known| known.is_burnt_before(by));
                    let owed = self.owed.of(*grant) - self.unowed.of(*grant);
                    let spared = by.left - by.left.min(owed);
                    if !spared.is_zero() {
                        more.add(Grant { left: spared, ..by.clone() });
                    }
                    self.unowed.pay(*grant, spared);
                    self.owed.pay(*grant, by.left);
                }
            }
        }
        self.repay(&mut more, |_| true);
        self.line = laid_out.line.clone();
        self.never = laid_out.line.clone();
        more.into_grants().for_each(|grant| self.never.add(grant));
        self.expire(laid_out.at);
    }

    /// What would have repaid what would still have been owed.
    fn repay(&mut self, more: &mut Line, meant: impl Fn(&Grant) -> bool) {
        for debt in self.owed.less(&self.unowed).iter() {
            let repaid = more.take(debt.credits, |grant| grant.kind.is_paid() && meant(grant));
            self.unowed.add(debt.grant, repaid.iter().map(|grant| grant.left).sum());
        }
    }

    pub(super) fn expire(&mut self, at: Instant) {
        self.never.expire(at).into_iter().for_each(|grant| self.lapsed.add(grant));
    }

    pub(super) fn waive(&mut self, debts: &Debts) {
        self.owed = self.owed.less(debts);
        let still =
            |debt: Debt| Debt { credits: debt.credits.min(self.owed.of(debt.grant)), ..debt };
        self.unowed = self.unowed.iter().map(still).collect();
    }

    /// Something came back. `unknown`: as if it had just arrived, either way.
    pub(super) fn give(&mut self, moved: &[Movement], unowed: &Debts, unknown: bool) {
        for moved in moved {
            let grant = grant_of(moved, &self.never);
            if unknown {
                self.never.add(grant.clone());
            }
            self.line.add(grant);
        }
        self.owed = self.owed.less(unowed);
        if !unknown {
            self.unowed = self.unowed.less(unowed);
        }
    }
}

/// The grant that came back by a movement, as `never` knows it: it would have been there anyway.
fn grant_of(moved: &Movement, never: &Line) -> Grant {
    match never.grants().iter().find(|grant| grant.id == moved.grant) {
        Some(grant) => Grant { left: moved.credits, ..grant.clone() },
        None => {
            let granted_at = match moved.grant {
                GrantId::Week(at) | GrantId::Period(at) => at,
                GrantId::Operation(id) => id.time(),
            };
            arrived(moved, granted_at)
        }
    }
}

/// The grant that arrived by a movement.
pub(super) fn arrived(moved: &Movement, at: Instant) -> Grant {
    Grant::new(moved.grant, moved.kind, moved.credits, at, moved.expires_at)
}

pub(super) fn left(grant: Option<&Grant>) -> Credits {
    grant.map_or(Credits::ZERO, |grant| grant.left)
}
