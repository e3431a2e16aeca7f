//! One account: its credits, their burn order, and the entries not yet in a segment.

use std::collections::BTreeMap;

use super::auto_top_up::Threshold;
use super::catalog::ActionNumber;
use super::grant::{self, Overspent};
use super::ledger::{EntryRun, PostedEntry};
use super::limit::{Counter, Counts, MAX_DROPPED};
use super::payment::Cause;
use super::period::Period;
use super::{
    AccountId, Catalog, Credits, Dated, Debts, Entry, Grant, GrantId, Held, Instant, NextPlan,
    OperationId, PlanTerms, Seq, Status,
};

/// An account as one item says it, at one instant of its own.
///
/// `available` and `recent` are current; `burn_order`, `consumed` and `plan_state` are as of the
/// last advance, and [`decide::advance`](crate::decide::advance::advance) brings them up to an
/// instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    /// The credits that can be spent, if the gate is open. Never negative.
    pub available: Credits,
    /// The credits still owed for refunded and disputed payments: bought credits repay them first.
    pub debts: Debts,
    /// The grants at the last advance, in burn order.
    pub burn_order: grant::BurnOrder,
    /// The changes since the last advance that the next one folds in.
    pub pending_changes: Vec<PendingChange>,
    /// The first instant at which the burn order is no longer valid. The epoch: advance first.
    pub valid_until: Instant,
    pub gate: Gate,
    pub holds: BTreeMap<OperationId, Held>,
    /// Consumed since [`PlanState::counted_from`], per action.
    pub consumed: BTreeMap<ActionNumber, Credits>,
    /// Used of limits: those of past windows are dropped after a while.
    pub used: Counts,
    /// The version of its own limits. 0: it never had one.
    pub limits_version: u64,
    /// The threshold of its auto top-up. None: it is off.
    pub threshold: Option<Threshold>,
    pub plan_state: PlanState,
    /// The operations ever applied: the number of the latest entry.
    pub seq: Seq,
    /// The number of entries that are in segments. The others are `recent`.
    pub archived_seq: Seq,
    /// The number of the latest advance, or of the opening,
    pub advanced_seq: Seq,
    /// and when it was.
    pub advanced_at: Instant,
    /// The latest time inside an id, chosen by a caller, that has left for a segment.
    pub dedup_floor: Instant,
    /// The time in the key of the latest segment.
    pub archived_at: Instant,
    /// The entries that are in no segment yet, oldest first.
    pub recent: Vec<Entry>,
}

/// The reasons that keep an account from spending. Open when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// An operator froze the account.
    pub frozen: bool,
    /// Its plan does not include AI, or was canceled.
    pub no_plan: bool,
    /// It is in debt, and the catalog lets nobody spend in debt.
    pub in_debt: bool,
}

impl Gate {
    pub const OPEN: Gate = Gate { frozen: false, no_plan: false, in_debt: false };

    /// The words of [`Gate::name`].
    pub const NAMES: [&str; 4] = ["open", "account_frozen", "plan_required", "debt_outstanding"];

    pub fn is_open(self) -> bool {
        self == Gate::OPEN
    }

    /// The first reason, as the code of the refusal that it leads to; or `open`.
    pub fn name(self) -> &'static str {
        let [open, frozen, no_plan, in_debt] = Gate::NAMES;
        match self {
            Gate { frozen: true, .. } => frozen,
            Gate { no_plan: true, .. } => no_plan,
            Gate { in_debt: true, .. } => in_debt,
            Gate::OPEN => open,
        }
    }
}

/// How many grants an account may have of which something is left. Of what was paid it takes more.
pub const MAX_GRANTS: usize = 100;
/// From how many on it is sold no pack, so that what is ordered still finds room.
pub const ORDER_GRANTS: usize = 90;

/// Something that was written without rewriting the burn order, for the next advance to fold in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingChange {
    /// Credits that arrived at that instant. They are part of `available` already.
    Grant { grant: Grant, at: Instant },
    /// Credits that had left and came back. They are part of `available` already, and spending
    /// since the last advance burns them too, as if they had never left.
    Returned(Grant),
    /// The plan changed at that instant.
    Plan {
        terms: PlanTerms,
        /// The change that is due to come after it; none replaces one that was.
        next: Option<NextPlan>,
        /// Whether the plan period that runs ends and a whole one begins.
        restart: bool,
        at: Instant,
        /// The entry that records it.
        entry: OperationId,
    },
    /// The money for so many credits of a grant went back at that instant: they are taken back, and
    /// what is not left of them is debt.
    TakenBack { grant: GrantId, credits: Credits, cause: Cause, at: Instant },
}

impl PendingChange {
    /// When it happened. None: as if it had been so since the last advance.
    pub fn at(&self) -> Option<Instant> {
        match self {
            PendingChange::Grant { at, .. }
            | PendingChange::Plan { at, .. }
            | PendingChange::TakenBack { at, .. } => Some(*at),
            PendingChange::Returned(_) => None,
        }
    }
}

/// The state of an account's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanState {
    pub terms: PlanTerms,
    /// The change that is due to come.
    pub next: Option<NextPlan>,
    /// The entry that made it so.
    pub since: OperationId,
    /// The credits granted for the latest week.
    pub weekly: PeriodAllowance,
    /// The credits granted for the latest plan period.
    pub monthly: PeriodAllowance,
    /// Consumption is counted from this instant,
    pub counted_from: Instant,
    /// and from nothing again at this one.
    pub counted_until: Instant,
    /// When credits arrived last: those of a week, of a plan period, a grant or a purchase. What
    /// comes back of a debit, of a hold or of a dispute is no arrival.
    pub filled_at: Instant,
}

impl PlanState {
    /// The start of the latest week or plan period that credits were granted for. The epoch: of
    /// none.
    pub fn recharged_at(&self) -> Instant {
        let given = [self.weekly, self.monthly].into_iter().filter(|given| !given.amount.is_zero());
        given.map(|given| given.period.start).max().unwrap_or(Instant::EPOCH)
    }

    /// The stretch of time that "this period" means at `now`: the longest that runs. A plan period
    /// that was granted runs to its end, whatever becomes of the plan.
    pub fn period(&self, now: Instant) -> Period {
        match self.monthly.runs(now) {
            true => self.monthly.period,
            false => super::period::week(now),
        }
    }
}

/// The credits granted for a period, so that no change of plan grants them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodAllowance {
    pub period: Period,
    pub amount: Credits,
    /// The end with which it was granted: another anchor may move the period's.
    pub until: Instant,
}

impl PeriodAllowance {
    pub const NOTHING: PeriodAllowance =
        PeriodAllowance { period: Period::NEVER, amount: Credits::ZERO, until: Instant::EPOCH };

    /// Nothing yet, for `period`.
    pub fn nothing(period: Period) -> PeriodAllowance {
        PeriodAllowance { period, amount: Credits::ZERO, until: period.end }
    }

    pub fn runs(&self, now: Instant) -> bool {
        self.period.end > now
    }
}

impl Account {
    /// All that is owed.
    pub fn debt(&self) -> Credits {
        self.debts.total()
    }

    /// The credits spent since the last advance and not yet taken from the burn order.
    pub fn spent(&self) -> Credits {
        let arrived = self.pending_changes.iter().map(|note| match note {
            PendingChange::Grant { grant, .. } => grant.left,
            PendingChange::Returned(_)
            | PendingChange::Plan { .. }
            | PendingChange::TakenBack { .. } => Credits::ZERO,
        });
        self.whole_order().left() + arrived.sum() - self.available - self.set_aside()
    }

    /// The burn order with the credits that came back to it since the last advance.
    pub fn whole_order(&self) -> grant::BurnOrder {
        let mut burn_order = self.burn_order.clone();
        for note in &self.pending_changes {
            if let PendingChange::Returned(grant) = note {
                burn_order.add(grant.clone());
            }
        }
        burn_order
    }

    /// The held credits that are part of the burn order: all but those that have expired since.
    pub fn set_aside(&self) -> Credits {
        self.holds.values().map(|held| held.amount).sum()
    }

    /// What was used of a limit.
    pub fn used(&self, counter: Counter) -> Credits {
        self.used.get(&counter).copied().unwrap_or_default()
    }

    /// How many of its counts are of windows that run.
    pub fn counts_running(&self, now: Instant) -> usize {
        let period = self.plan_state.period(now);
        self.used.keys().filter(|counter| counter.window.runs(now, period)).count()
    }

    /// The counts of windows that are over, as far as one write drops them.
    pub fn past_counts(&self, now: Instant) -> Vec<Counter> {
        let period = self.plan_state.period(now);
        let past = self.used.keys().filter(|counter| counter.is_past(now, period));
        past.take(MAX_DROPPED).copied().collect()
    }

    /// Whether a hold is over and no write has recorded it yet.
    pub fn has_lapsed_hold(&self, now: Instant) -> bool {
        self.holds.values().any(|held| held.is_over(now))
    }

    /// All the credits that holds hold, expired or not.
    pub fn held(&self) -> Credits {
        self.holds.values().map(Held::total).sum()
    }

    /// The whole burn order less the credits spent since the last advance.
    ///
    /// # Errors
    /// [`Overspent`] if the account contradicts itself.
    pub fn burnt(&self) -> Result<grant::BurnOrder, Overspent> {
        let mut burn_order = self.whole_order();
        burn_order.burn(self.spent())?;
        Ok(burn_order)
    }

    /// How many grants are neither spent nor over at `now`, those that only arrived among them.
    pub fn grants_left(&self, now: Instant) -> usize {
        let burn_order = self.burnt().unwrap_or_else(|_| self.whole_order());
        let noted = self.pending_changes.iter().filter_map(|note| match note {
            PendingChange::Grant { grant, .. } => Some(grant),
            PendingChange::Returned(_)
            | PendingChange::Plan { .. }
            | PendingChange::TakenBack { .. } => None,
        });
        burn_order.grants().iter().chain(noted).filter(|grant| !grant.is_expired(now)).count()
    }

    /// The entries that are in no segment yet.
    pub fn run(&self) -> EntryRun<'_> {
        EntryRun {
            first: self.archived_seq + 1,
            entries: &self.recent,
            available: self.available,
            held: self.held(),
        }
    }

    /// The entry of the operation `id` among the recent ones, with the balance after it.
    pub fn find(&self, id: &OperationId) -> Option<PostedEntry> {
        self.run().find(id)
    }

    /// The plan the account will have once its pending changes are folded in, and what is due to
    /// come after it.
    pub fn latest_plan(&self) -> (&PlanTerms, Option<&NextPlan>) {
        let noted = self.pending_changes.iter().rev().find_map(|note| match note {
            PendingChange::Plan { terms, next, .. } => Some((terms, next.as_ref())),
            PendingChange::Grant { .. }
            | PendingChange::Returned(_)
            | PendingChange::TakenBack { .. } => None,
        });
        let plan_state = &self.plan_state;
        noted.unwrap_or((&plan_state.terms, plan_state.next.as_ref()))
    }
}

/// When credits come back and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recharge {
    pub at: Instant,
    pub credits: Credits,
}

impl PlanState {
    /// The next recharge after `now`, as things stand. None if the plan grants nothing again.
    pub fn next_recharge(&self, catalog: &Catalog, now: Instant) -> Option<Recharge> {
        let week = super::period::week(now).end;
        let period = match self.monthly.runs(now) {
            true => self.monthly.period.end,
            false => self.terms.anchor.period(now).end,
        };
        let by = |terms: &PlanTerms, from: Instant| {
            let PlanTerms { status, anchor, seats, .. } = *terms;
            let plan = catalog.plan(&terms.plan)?;
            let weekly = Some(&plan.weekly).filter(|_| status != Status::Canceled);
            let mondays = super::period::week(Instant::from_ms(from.ms() - 1));
            let week = if from > week { mondays.end } else { week };
            let weekly = weekly.and_then(|size| grants(size, week, |at| at));
            let monthly = Some(plan.sized(status)).filter(|_| status.renews());
            let monthly =
                monthly.and_then(|size| grants(size, period.max(from), |at| anchor.from(at)));
            let first = [weekly, monthly].into_iter().flatten().min_by_key(|next| next.at)?;
            Some(Recharge { credits: first.credits.times(seats), ..first })
        };
        let first = by(&self.terms, now);
        match &self.next {
            Some(next) if first.is_none_or(|first| first.at >= next.at) => {
                by(&next.terms(self.terms.anchor), next.at)
            }
            _ => first,
        }
    }
}

/// The first period that begins at `next` or after it and is granted something; `starts` says where
/// the first period at or after an instant begins.
fn grants(
    size: &Dated<Credits>,
    next: Instant,
    starts: impl Fn(Instant) -> Instant,
) -> Option<Recharge> {
    let later = size.changes().filter(|from| *from > next).map(starts);
    let mut all = std::iter::once(next).chain(later);
    let at = all.find(|at| !size.at(*at).is_zero())?;
    Some(Recharge { at, credits: size.at(at) })
}
