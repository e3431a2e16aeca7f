//! The walk of an advance from instant to instant.

use super::super::Fault;
use super::super::renew::{Why, closed_by_plan, renew, turn_after};
use crate::domain::grant::BurnOrder;
use crate::domain::period::Period;
use crate::domain::{
    Account, Catalog, Credits, DebtChange, Gate, Grant, GrantId, GrantKind, Held, Instant,
    Movement, OperationId, PendingChange, Plan, PlanTerms,
};

/// An account at an instant, and what time did to it since it was last advanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    pub account: Account,
    /// The credits that were burnt of the burn order before the advance.
    pub burnt: BurnOrder,
    /// The grants that arrived or expired, one movement each, and those that got another end. A
    /// grant that arrived and expired in between is left out: its sum is zero.
    pub moved: Vec<Movement>,
    /// The holds that lapsed.
    pub lapsed: Vec<OperationId>,
    /// The credits that were taken back, are owed and were repaid, in that order.
    pub debts: Vec<DebtChange>,
}

/// The state of the walk from instant to instant.
pub(super) struct Clockwork<'a> {
    catalog: &'a Catalog,
    plan: &'a Plan,
    /// The account with everything but `available`, which follows from burn order and holds.
    account: Account,
    burnt: BurnOrder,
    moved: Vec<Movement>,
    lapsed: Vec<OperationId>,
    debts: Vec<DebtChange>,
    /// The grants that got another end.
    ended: Vec<GrantId>,
    /// The latest instant that the walk has reached.
    struck: Instant,
}

impl<'a> Clockwork<'a> {
    pub(super) fn of(account: &Account, catalog: &'a Catalog) -> Result<Clockwork<'a>, Fault> {
        let broken = |problem: String| Fault::Account { account: account.id.to_string(), problem };
        let burn_order = account.burnt().map_err(|e| broken(e.to_string()))?;
        let burnt = account.whole_order().less(&burn_order);
        let plan = find_plan(catalog, account, &account.plan_state.terms.plan)?;
        let account = Account { burn_order, pending_changes: Vec::new(), ..account.clone() };
        let (moved, lapsed, debts, ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // Every instant between the Monday before the latest advance and that advance was struck
        // already: to strike it again changes nothing.
        let struck = account.plan_state.weekly.period.start;
        Ok(Clockwork { catalog, plan, account, burnt, moved, lapsed, debts, ended, struck })
    }

    pub(super) fn fold(&mut self, note: &PendingChange) -> Result<(), Fault> {
        match note {
            // It is in `available` and in the ledger since it arrived: no movement now.
            PendingChange::Grant { grant, at } => {
                self.account.burn_order.add(grant.clone());
                self.account.plan_state.filled_at = *at;
            }
            // It is in the burn order already, and was spent with the rest of it.
            PendingChange::Returned(_) => {}
            PendingChange::Plan { terms, next, restart, at, entry } => {
                let plan_state = &mut self.account.plan_state;
                if *restart {
                    plan_state.counted_until = *at;
                    if plan_state.monthly.runs(*at) {
                        self.end_period_at(*at);
                    }
                } else if plan_state.monthly.runs(*at) && plan_state.terms.anchor != terms.anchor {
                    // A new anchor grants nothing: it moves the renewal, never to before the end of
                    // what was granted.
                    let end = terms.anchor.from(plan_state.monthly.until).max(*at);
                    self.end_period_at(end);
                }
                (self.account.plan_state.next, self.account.plan_state.since) =
                    (next.clone(), *entry);
                self.set_terms(terms.clone())?;
                self.lapse(*at);
                self.arrive(*at, Why::PlanBegins { restarts: *restart });
                self.count(*at);
                self.struck = *at;
            }
            PendingChange::TakenBack { grant, credits, cause, .. } => {
                let taken = self.take(*credits, |known| known.id == *grant).pop();
                let owed = *credits - taken.as_ref().map_or(Credits::ZERO, |grant| grant.left);
                self.account.debts.add(*grant, owed);
                let (grant, cause) = (*grant, *cause);
                self.debts.push(DebtChange::Reversed { grant, cause, taken, owed });
            }
        }
        self.repay();
        Ok(())
    }

    fn set_terms(&mut self, terms: PlanTerms) -> Result<(), Fault> {
        self.plan = find_plan(self.catalog, &self.account, &terms.plan)?;
        self.account.plan_state.terms = terms;
        Ok(())
    }

    /// Takes up to `most` of the grants that are `meant`, but no held credits: a hold is a promise,
    /// and keeps what it has. Returns what was taken.
    fn take(&mut self, most: Credits, meant: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        let free = self.account.burn_order.left() - self.account.set_aside();
        let taken = self.account.burn_order.take(most.min(free), meant);
        taken.iter().for_each(|grant| self.note(grant, -grant.left));
        taken
    }

    /// Repays debts from bought credits, so that the two never exist together: the result is the
    /// same whether the money for one pack went back before another was bought or after.
    pub(super) fn repay(&mut self) {
        for owed in self.account.debts.clone().iter() {
            for by in self.take(owed.credits, |grant| grant.kind.is_paid()) {
                self.account.debts.pay(owed.grant, by.left);
                self.debts.push(DebtChange::Repaid { grant: owed.grant, by });
            }
        }
    }

    fn end_holds(&mut self, now: Instant) {
        let over = self.account.holds.extract_if(.., |_, held| held.is_over(now));
        let over: Vec<(OperationId, Held)> = over.collect();
        for (id, held) in over {
            self.uncount(&held);
            self.lapsed.push(id);
        }
    }

    /// Returns what a lapsed hold did not spend to the limits that it counts for, where the window
    /// still ran when it lapsed.
    fn uncount(&mut self, held: &Held) {
        let Account { used, plan_state, .. } = &mut self.account;
        let period = plan_state.period(held.expires_at);
        let counters = held.limits.counts.iter();
        for counter in counters.filter(|counter| counter.window.runs(held.expires_at, period)) {
            if let Some(used) = used.get_mut(counter) {
                *used -= (*used).min(held.total());
            }
        }
    }

    /// The next instant at which time changes something.
    fn next(&self) -> Option<Instant> {
        let holds = self.account.holds.values().map(|held| held.expires_at).min();
        holds.into_iter().chain(self.turn()).min()
    }

    /// The next instant at which the burn order means something else: all but the end of holds.
    /// Every Monday is one, so no write spends from a burn order that does not know what the
    /// catalog changes then.
    fn turn(&self) -> Option<Instant> {
        let Account { plan_state, burn_order, .. } = &self.account;
        [Some(turn_after(plan_state, self.plan, self.struck)), burn_order.next_expiry()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends the current plan period, and what is left of its grant, at `end`.
    fn end_period_at(&mut self, end: Instant) {
        let plan_state = &mut self.account.plan_state;
        let Period { start, end: before } = plan_state.monthly.period;
        plan_state.monthly.period.end = end;
        // Consumption may be counted in this period.
        if plan_state.counted_until == before {
            plan_state.counted_until = end;
        }
        let grant = GrantId::Period(start);
        self.account.burn_order.end_at(grant, end);
        // Recorded even for a spent grant: what was spent of it may come back.
        if end != before {
            let (kind, amount) = (GrantKind::Plan, plan_state.monthly.amount);
            self.note(&Grant::new(grant, kind, amount, start, Some(end)), Credits::ZERO);
            self.ended.push(grant);
        }
    }

    /// Applies everything that time changes up to `now`, instant by instant.
    pub(super) fn strike_until(&mut self, now: Instant) -> Result<(), Fault> {
        while let Some(next) = self.next().filter(|next| *next <= now) {
            self.strike(next)?;
        }
        Ok(())
    }

    /// Applies what this instant changes: holds lapse, then grants expire, then a change of plan
    /// that is due happens, then due grants arrive.
    fn strike(&mut self, now: Instant) -> Result<(), Fault> {
        self.struck = now;
        self.end_holds(now);
        self.repay();
        self.lapse(now);
        let due = self.account.plan_state.next.take_if(|next| next.at <= now);
        let why = match due {
            Some(next) => {
                self.set_terms(next.terms(self.account.plan_state.terms.anchor))?;
                Why::PlanBegins { restarts: false }
            }
            None => Why::PeriodBegins,
        };
        self.arrive(now, why);
        self.count(now);
        // With what arrived, bought credits may be free of holds.
        self.repay();
        Ok(())
    }

    fn lapse(&mut self, now: Instant) {
        for grant in self.account.burn_order.expire(now) {
            let kept = self.keep_held(grant.left);
            self.note(&grant, kept - grant.left);
        }
    }

    /// Resets consumption to zero if the period that it was counted in is over. Another plan keeps
    /// the count until its own period ends.
    fn count(&mut self, now: Instant) {
        let plan_state = &mut self.account.plan_state;
        let Period { end, .. } = plan_state.period(now);
        if plan_state.counted_until <= now {
            plan_state.counted_from = now;
            self.account.consumed.clear();
        }
        plan_state.counted_until = end;
    }

    /// Moves the held part of a grant that expires into the holds, the soonest to lapse first: a
    /// capture uses it before anything else, a release loses it. Returns how much was held.
    fn keep_held(&mut self, left: Credits) -> Credits {
        let mut order: Vec<_> = self.account.holds.iter_mut().collect();
        order.sort_by_key(|(id, held)| (held.expires_at, **id));
        let mut rest = left;
        for (_, held) in order {
            let taken = held.amount.min(rest);
            held.amount -= taken;
            held.lapsed += taken;
            rest -= taken;
        }
        left - rest
    }

    fn arrive(&mut self, now: Instant, why: Why) {
        for grant in renew(&mut self.account.plan_state, self.plan, now, why) {
            self.note(&grant, grant.left);
            self.account.burn_order.add(grant);
            self.account.plan_state.filled_at = now;
        }
    }

    /// Adds to the movement of a grant; a grant that arrived and expired leaves none.
    fn note(&mut self, grant: &Grant, credits: Credits) {
        match self.moved.iter_mut().find(|moved| moved.grant == grant.id) {
            Some(moved) => {
                moved.credits += credits;
                moved.expires_at = grant.expires_at;
            }
            None => self.moved.push(Movement::of(grant, credits)),
        }
    }

    pub(super) fn stop(mut self, now: Instant) -> Advanced {
        let ended = &self.ended;
        self.moved.retain(|moved| !moved.credits.is_zero() || ended.contains(&moved.grant));
        let valid_until = self.turn().unwrap_or(Instant::MAX);
        let available = self.account.burn_order.left() - self.account.set_aside();
        debug_assert!(available >= Credits::ZERO, "holds exceed the burn order");
        let in_debt = !self.account.debts.is_empty() && !self.catalog.spending_in_debt.at(now);
        let no_plan = closed_by_plan(self.plan, self.account.plan_state.terms.status, now);
        let gate = Gate { no_plan, in_debt, ..self.account.gate };
        let account = Account { available, valid_until, gate, ..self.account };
        let (burnt, moved, lapsed, debts) = (self.burnt, self.moved, self.lapsed, self.debts);
        Advanced { account, burnt, moved, lapsed, debts }
    }
}

fn find_plan<'a>(catalog: &'a Catalog, account: &Account, plan: &str) -> Result<&'a Plan, Fault> {
    catalog
        .plan(plan)
        .ok_or_else(|| Fault::NoPlan { account: account.id.to_string(), plan: plan.to_owned() })
}
