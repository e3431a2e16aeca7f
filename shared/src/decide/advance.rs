//! Advance: brings an account up to an instant.
//!
//! Recharge, expiry and the lapse of holds are functions of time. An advance walks every instant up
//! to now, in order, so an advance that is weeks late does what punctual ones would have done.

use super::renew::{Why, closed_by_plan, renew, turn_after};
use super::{AccountWrite, Fault, Guard, Step};
use crate::domain::grant::BurnOrder;
use crate::domain::limit::{Counter, MAX_DROPPED};
use crate::domain::period::Period;
use crate::domain::{
    Account, Catalog, Credits, DebtChange, Entry, EntryKind, Gate, Grant, GrantId, GrantKind, Held,
    Instant, Movement, OperationId, PendingChange, Plan, PlanState,
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

impl Advanced {
    /// Whether time changed nothing in `before`. Then what was spent is not taken from the burn
    /// order.
    fn is_as_before(&self, before: &Account) -> bool {
        let (plan_state, known) = (&self.account.plan_state, &before.plan_state);
        let same = PlanState { weekly: known.weekly, ..plan_state.clone() } == *known;
        let none = plan_state.weekly.amount.is_zero() && known.weekly.amount.is_zero();
        let quiet = self.moved.is_empty() && self.lapsed.is_empty() && self.debts.is_empty();
        let gate = self.account.gate == before.gate;
        quiet
            && gate
            && same
            && none
            && before.pending_changes.is_empty()
            && before.valid_until > Instant::EPOCH
    }

    /// The entry that records it as number `seq + 1`.
    pub fn entry(&self, before: &Account, catalog: &Catalog, now: Instant) -> Entry {
        let kind = EntryKind::TimePassed {
            moved: self.moved.clone(),
            lapsed: self.lapsed.clone(),
            before: (before.advanced_seq, before.advanced_at),
            burnt: self.burnt.clone(),
            debts: self.debts.clone(),
        };
        let id = OperationId::of_entry(now, before.seq + 1);
        Entry {
            available: self.account.available - before.available,
            held: self.account.held() - before.held(),
            ..Entry::new(id, now, catalog.version, kind)
        }
    }
}

/// Advances `account` to `now`.
///
/// # Errors
/// [`Fault`] if more was spent than the burn order holds, or the catalog lacks the account's plan.
pub fn advance(account: &Account, catalog: &Catalog, now: Instant) -> Result<Advanced, Fault> {
    let mut clock = Clockwork::of(account, catalog)?;
    // Credits that came back since the latest advance are in the burn order again.
    clock.repay();
    for note in &account.pending_changes {
        // Whatever is due before the pending change happens before it.
        clock.strike_until(note.at().map_or(Instant::EPOCH, |at| at.min(now)));
        clock.fold(note)?;
    }
    clock.strike_until(now);
    Ok(clock.stop(now))
}

/// Whether time has changed `account` and no write has recorded it yet: its burn order is no longer
/// valid, or a hold has lapsed.
pub fn is_due(account: &Account, now: Instant) -> bool {
    account.valid_until <= now || account.has_lapsed_hold(now)
}

/// The write that advances `account`, compared and set on its latest entry: every change of the
/// burn order, the pending changes, the holds or what is available appends an entry, so the number
/// covers them all.
///
/// # Errors
/// As [`advance`].
pub fn change(account: &Account, catalog: &Catalog, now: Instant) -> Result<AccountWrite, Fault> {
    let advanced = advance(account, catalog, now)?;
    // The burn order in `account` still holds what was spent since the latest advance.
    let expiry = account.burn_order.next_expiry().unwrap_or(Instant::MAX);
    if advanced.is_as_before(account) && expiry > now {
        // Nothing changed: only `valid_until` is written. A pending change that came meanwhile set
        // it to the epoch, and goes first.
        let until = advanced.account.valid_until.min(expiry);
        let same = Guard::AdvancedIs(account.advanced_seq);
        let when = vec![Guard::ValidUntilIs(account.valid_until), same];
        let then = vec![Step::ValidUntil(until)];
        return Ok(AccountWrite { account: account.id.clone(), when, then });
    }
    Ok(record(account, advanced, catalog, now))
}

/// As [`change`], with an entry even if nothing changed: for a caller that needs what was spent
/// since the last advance kept apart from what is spent from now on.
///
/// # Errors
/// As [`advance`].
pub fn lay_out(account: &Account, catalog: &Catalog, now: Instant) -> Result<AccountWrite, Fault> {
    Ok(record(account, advance(account, catalog, now)?, catalog, now))
}

/// The write of an advance of `account`, with its entry.
pub(super) fn record(
    account: &Account,
    mut advanced: Advanced,
    catalog: &Catalog,
    now: Instant,
) -> AccountWrite {
    (advanced.account.advanced_seq, advanced.account.advanced_at) = (account.seq + 1, now);
    let entry = advanced.entry(account, catalog, now);
    let mut then = Vec::new();
    if advanced.account.debts != account.debts {
        then.push(Step::SetDebts(advanced.account.debts.clone()));
    }
    if advanced.account.gate != account.gate {
        then.push(Step::SetGate(advanced.account.gate));
    }
    then.extend(counts(account, &advanced.account, now));
    then.extend([Step::Advance(Box::new(advanced.account)), Step::Append(entry)]);
    let when = vec![Guard::SeqIs(account.seq)];
    AccountWrite { account: account.id.clone(), when, then }
}

/// The steps by which what lapsed holds did not spend returns to counts, and by which those of
/// nothing and those of past windows are dropped.
fn counts(before: &Account, after: &Account, now: Instant) -> Vec<Step> {
    let mut past = after.past_counts(now);
    let nothing = after.used.iter().filter(|(_, used)| used.is_zero());
    let nothing: Vec<Counter> = nothing.map(|(counter, _)| *counter).take(MAX_DROPPED).collect();
    past.extend(nothing);
    past.sort();
    past.dedup();
    let changed = after.used.iter().filter(|(counter, used)| before.used(**counter) != **used);
    let changed = changed.filter(|(counter, _)| !past.contains(counter));
    let set = changed.map(|(counter, used)| Step::SetUsed(*counter, *used));
    set.chain(past.iter().map(|counter| Step::DropCount(*counter))).collect()
}

/// The state of the walk from instant to instant.
struct Clockwork<'a> {
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
    fn of(account: &Account, catalog: &'a Catalog) -> Result<Clockwork<'a>, Fault> {
        let broken = |problem: String| Fault::Account { account: account.id.to_string(), problem };
        let burn_order = account.burnt().map_err(|e| broken(e.to_string()))?;
        let burnt = account.whole_order().less(&burn_order);
        let plan = find_plan(catalog, account, &account.plan_state.plan)?;
        let account = Account { burn_order, pending_changes: Vec::new(), ..account.clone() };
        let (moved, lapsed, debts, ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // Every instant between the Monday before the latest advance and that advance was struck
        // already: to strike it again changes nothing.
        let struck = account.plan_state.weekly.period.start;
        Ok(Clockwork { catalog, plan, account, burnt, moved, lapsed, debts, ended, struck })
    }

    fn fold(&mut self, note: &PendingChange) -> Result<(), Fault> {
        match note {
            // It is in `available` and in the ledger since it arrived: no movement now.
            PendingChange::Grant { grant, at } => {
                self.account.burn_order.add(grant.clone());
                self.account.plan_state.filled_at = *at;
            }
            // It is in the burn order already, and was spent with the rest of it.
            PendingChange::Returned(_) => {}
            PendingChange::Plan { plan, status, anchor, restart, at, entry } => {
                self.plan = find_plan(self.catalog, &self.account, plan)?;
                let plan_state = &mut self.account.plan_state;
                if *restart {
                    plan_state.counted_until = *at;
                    if plan_state.monthly.runs(*at) {
                        self.end_period_at(*at);
                    }
                } else if plan_state.monthly.runs(*at) && plan_state.anchor != *anchor {
                    // A new anchor grants nothing: it moves the renewal, never to before the end of
                    // what was granted.
                    let end = anchor.from(plan_state.monthly.until).max(*at);
                    self.end_period_at(end);
                }
                let plan_state = &mut self.account.plan_state;
                plan_state.plan = plan.clone();
                (plan_state.status, plan_state.anchor, plan_state.since) =
                    (*status, *anchor, *entry);
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
    fn repay(&mut self) {
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
    fn strike_until(&mut self, now: Instant) {
        while let Some(next) = self.next().filter(|next| *next <= now) {
            self.strike(next);
        }
    }

    /// Applies what this instant changes: holds lapse, then grants expire, then due grants arrive.
    fn strike(&mut self, now: Instant) {
        self.struck = now;
        self.end_holds(now);
        self.repay();
        self.lapse(now);
        self.arrive(now, Why::PeriodBegins);
        self.count(now);
        // With what arrived, bought credits may be free of holds.
        self.repay();
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

    fn stop(mut self, now: Instant) -> Advanced {
        let ended = &self.ended;
        self.moved.retain(|moved| !moved.credits.is_zero() || ended.contains(&moved.grant));
        let valid_until = self.turn().unwrap_or(Instant::MAX);
        let available = self.account.burn_order.left() - self.account.set_aside();
        debug_assert!(available >= Credits::ZERO, "holds exceed the burn order");
        let in_debt = !self.account.debts.is_empty() && !self.catalog.spending_in_debt.at(now);
        let no_plan = closed_by_plan(self.plan, self.account.plan_state.status, now);
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
