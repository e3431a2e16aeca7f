//! The state of a replay: an account as it was, and as it would have been.

use crate::domain::grant::BurnOrder;
use crate::domain::{Credits, Debt, DebtChange, Debts, Grant, GrantId, Instant, Movement, Seq};

/// An advance, which begins a new burn order.
#[derive(Clone, Debug)]
pub(super) struct LaidOut {
    /// The number of the advance.
    pub seq: Seq,
    /// The credits that were burnt of the burn order before.
    pub burnt: BurnOrder,
    /// The grants that expired, arrived or got another end.
    pub moved: Vec<Movement>,
    pub at: Instant,
    /// The changes of the debts, and how much of each is undone.
    pub debts: Vec<(DebtChange, Credits)>,
}

impl LaidOut {
    /// Whether a grant is known to have been in the burn order before.
    pub(super) fn knows(&self, id: GrantId) -> bool {
        let lapsed = |moved: &Movement| moved.grant == id && moved.credits < Credits::ZERO;
        let burnt = || self.burnt.grants().iter().any(|grant| grant.id == id);
        self.moved.iter().any(lapsed) || burnt()
    }
}

/// An account as it was, and as it would have been if what is undone had never left.
///
/// Only the part of a burn order that was burnt before the next one matters: with more credits
/// before it, and less spent, no debit would have reached the rest.
#[derive(Debug, Default)]
pub(super) struct Both {
    /// The credits that would have been there: those that were burnt of the latest burn order, and
    /// those in addition to it. Once all that was burnt of it is replayed: those in addition to it.
    pub never: BurnOrder,
    /// The debts as they were.
    owed: Debts,
    /// The part of them that would not have been owed.
    pub unowed: Debts,
    /// The grants of the latest burn order that were burnt: none of them after its expiry.
    burnt: Vec<GrantId>,
    /// The credits that would have expired in addition.
    lapsed: BurnOrder,
}

impl Both {
    pub(super) fn owing(owed: Debts) -> Both {
        Both { owed, ..Both::default() }
    }

    /// Replays an advance. `burnt`: what was burnt of its burn order, up to the next. `back`: what
    /// came back to it until then that would have been there anyway.
    pub(super) fn lay_out(&mut self, laid_out: &LaidOut, burnt: BurnOrder, back: &BurnOrder) {
        let mut more = std::mem::take(&mut self.never);
        for moved in &laid_out.moved {
            if let Some(end) = moved.expires_at {
                more.end_at(moved.grant, end);
            }
        }
        self.repay(&mut more, |_| true);
        for (change, undone) in &laid_out.debts {
            match change {
                DebtChange::Reversed { grant, taken, owed, .. } => {
                    let asked = *owed + left(taken.as_ref()) - *undone;
                    taken.iter().cloned().for_each(|grant| more.add(grant));
                    let mut rest = asked;
                    // The part of it that no debit would have used would not be owed.
                    for burn_order in [&mut more, &mut self.lapsed] {
                        let taken = burn_order.take(rest, |known| known.id == *grant);
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
        self.never = more.less(back);
        self.burnt = Vec::new();
        self.expire(laid_out.at);
        self.burnt = burnt.grants().iter().map(|grant| grant.id).collect();
        burnt.into_grants().for_each(|grant| self.never.add(grant));
    }

    /// Repays what would still have been owed from the bought credits in `more`.
    fn repay(&mut self, more: &mut BurnOrder, meant: impl Fn(&Grant) -> bool) {
        for debt in self.owed.less(&self.unowed).iter() {
            let repaid = more.take(debt.credits, |grant| grant.kind.is_paid() && meant(grant));
            self.unowed.add(debt.grant, repaid.iter().map(|grant| grant.left).sum());
        }
    }

    /// Expires what is in addition to the burn order. A burnt grant stays: around its expiry, two
    /// stamps can be out of order.
    pub(super) fn expire(&mut self, at: Instant) {
        for grant in self.never.expire(at) {
            match self.burnt.contains(&grant.id) {
                true => self.never.add(grant),
                false => self.lapsed.add(grant),
            }
        }
    }

    pub(super) fn waive(&mut self, debts: &Debts) {
        self.owed = self.owed.less(debts);
        let still =
            |debt: Debt| Debt { credits: debt.credits.min(self.owed.of(debt.grant)), ..debt };
        self.unowed = self.unowed.iter().map(still).collect();
    }

    /// Replays a revocation. Its advance follows at once, so all that was burnt of the burn order is
    /// replayed, and what there is of the grant would have been free: a refund changes no hold.
    pub(super) fn revoke(&mut self, grant: GrantId) {
        self.never.take(Credits::MAX_BALANCE, |known| known.id == grant);
    }

    /// Replays an undoing, since which `unowed` is not owed any more; if it is `known`, it would
    /// not have been owed anyway.
    pub(super) fn forgive(&mut self, unowed: &Debts, known: bool) {
        self.owed = self.owed.less(unowed);
        if known {
            self.unowed = self.unowed.less(unowed);
        }
    }
}

pub(super) fn left(grant: Option<&Grant>) -> Credits {
    grant.map_or(Credits::ZERO, |grant| grant.left)
}
