//! Limits: which are in force for a charge, which of them do not let it pass, and what returns to
//! their counts.
//!
//! A debit is written without a read. So it says what it takes to be in force, by the plan, the
//! period and the account's own limits as they were last seen, and its write is on the condition
//! that they still are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Guard, Step};
use crate::domain::limit::{
    Counted, Counter, FirstReached, HeldLimits, Limit, MAX_BROUGHT, MAX_LIMITS, OwnLimits, Per,
    Reached, Window,
};
use crate::domain::period::week;
use crate::domain::{
    Account, Catalog, Credits, Entry, EntryKind, Instant, OperationId, PlanState, Refusal, Seq,
    Subject,
};

/// What says which limits are in force for an account's charges, as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The advance that made the plan state so.
    pub advanced_seq: Seq,
    pub plan_state: PlanState,
    pub own: Arc<OwnLimits>,
    /// How many counts of windows that run the account has.
    pub running: usize,
}

impl Terms {
    pub fn of(account: &Account, own: Arc<OwnLimits>, now: Instant) -> Terms {
        Terms {
            advanced_seq: account.advanced_seq,
            plan_state: account.plan_state.clone(),
            own,
            running: account.counts_running(now),
        }
    }

    /// The number for a subject: the account's own, or the plan's where there is none of its own.
    pub fn number(&self, of: &Subject, per: Per, catalog: &Catalog) -> Option<Credits> {
        let own = match self.own.limits.is_empty() {
            true => None,
            false => self.own.limits.get(&(of.clone(), per)).copied(),
        };
        let plan = || {
            let limits = &catalog.plan(&self.plan_state.terms.plan)?.limits;
            match limits.is_empty() {
                true => None,
                false => limits.get(&(of.kind().to_owned(), per)).copied(),
            }
        };
        own.or_else(plan)
    }
}

/// The limits that are in force for a charge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    pub counts: Vec<Counted>,
    /// The guards by which they still are when the write arrives.
    pub when: Vec<Guard>,
    /// The counts whose limit only the request brings.
    brought: BTreeSet<Counter>,
    /// How many counts of windows that run the account has.
    running: usize,
}

/// No limit is in force.
pub static NO_LIMITS: InForce =
    InForce { counts: Vec::new(), when: Vec::new(), brought: BTreeSet::new(), running: 0 };

impl InForce {
    /// The guards and steps by which a charge of `credits` counts. A charge of nothing does not.
    pub(super) fn count(&self, credits: Credits) -> (Vec<Guard>, Vec<Step>) {
        let mut when = self.when.clone();
        let mut then = Vec::new();
        for counted in self.counts.iter().filter(|_| !credits.is_zero()) {
            let (counter, room) = (counted.counter(), counted.at_most - credits);
            let begins = self.running < self.most(counter);
            when.push(Guard::HasRoom { counter, room, credits, begins });
            then.push(Step::Count(counter, credits));
        }
        (when, then)
    }

    /// How many counts the account may have with this one.
    fn most(&self, counter: Counter) -> usize {
        if self.brought.contains(&counter) { MAX_BROUGHT } else { MAX_LIMITS }
    }

    /// Whether they rest on what `account` is.
    pub(super) fn is_of(&self, account: &Account) -> bool {
        self.when.iter().all(|guard| match guard {
            Guard::LimitsAre(version) => *version == account.limits_version,
            Guard::AdvancedIs(seq) => *seq == account.advanced_seq,
            _ => true,
        })
    }
}

/// Finds the limits in force for what a capture takes beyond a hold: those of a debit of today for
/// the subjects of the hold, with the numbers that came with it. None: that takes the account's
/// terms.
pub fn of_hold(
    held: &HeldLimits,
    catalog: &Catalog,
    terms: Option<&Terms>,
    now: Instant,
) -> Option<InForce> {
    in_force(&held.subjects, &held.asked, catalog, terms, now)
}

/// Finds the limits in force for a charge that counts for these subjects and brings these limits.
/// None: that takes the account's terms.
pub fn in_force(
    subjects: &[Subject],
    limits: &[Limit],
    catalog: &Catalog,
    terms: Option<&Terms>,
    now: Instant,
) -> Option<InForce> {
    if subjects.is_empty() {
        return Some(InForce::default());
    }
    let mut by_plan = subjects.iter().any(|of| catalog.limits_kind(of.kind()))
        || limits.iter().any(|limit| limit.per == Per::Period);
    let (mut counts, mut brought) = (Vec::new(), BTreeSet::new());
    for of in subjects {
        for per in Per::ALL {
            let ours = terms.and_then(|terms| terms.number(of, per, catalog));
            let Some(at_most) = least(asked(limits, of, per), ours) else { continue };
            by_plan |= per == Per::Period;
            let counted = Counted { of: of.clone(), window: window(per, terms, now), at_most };
            brought.extend(ours.is_none().then_some(counted.counter()));
            counts.push(counted);
        }
    }
    if by_plan && terms.is_none() {
        return None;
    }
    let mut when = vec![Guard::LimitsAre(terms.map_or(0, |terms| terms.own.version))];
    when.extend(terms.filter(|_| by_plan).map(|terms| Guard::AdvancedIs(terms.advanced_seq)));
    Some(InForce { counts, when, brought, running: terms.map_or(0, |terms| terms.running) })
}

fn window(per: Per, terms: Option<&Terms>, now: Instant) -> Window {
    Window::at(per, now, terms.map_or(week(now), |terms| terms.plan_state.period(now)))
}

fn asked(limits: &[Limit], of: &Subject, per: Per) -> Option<Credits> {
    let its = limits.iter().filter(|limit| limit.of == *of && limit.per == per);
    its.map(|limit| limit.at_most).min()
}

fn least(one: Option<Credits>, other: Option<Credits>) -> Option<Credits> {
    one.into_iter().chain(other).min()
}

/// The limits that do not let all `charges` pass, as if they came one after the other. The one that
/// resets last is the first.
pub fn reached<'a>(
    charges: impl IntoIterator<Item = (&'a InForce, Credits)>,
    account: &Account,
    now: Instant,
) -> Vec<Reached> {
    let period = account.plan_state.period(now);
    let mut needed: BTreeMap<Counter, (Credits, Option<&Counted>)> = BTreeMap::new();
    for (in_force, credits) in charges.into_iter().filter(|(_, credits)| !credits.is_zero()) {
        for counted in &in_force.counts {
            let counter = counted.counter();
            let (sum, short) = needed.entry(counter).or_default();
            *sum += credits;
            let is_short = account.used(counter) + *sum > counted.at_most;
            if is_short && short.is_none_or(|short| counted.at_most < short.at_most) {
                *short = Some(counted);
            }
        }
    }
    let reached = needed.into_iter().filter_map(|(counter, (required, short))| {
        let counted = short?;
        Some(Reached {
            of: counted.of.clone(),
            per: counter.window.per,
            at_most: counted.at_most,
            left: counted.left(account.used(counter)),
            required,
            resets_at: counter.window.end(period),
        })
    });
    let mut reached: Vec<Reached> = reached.collect();
    reached.sort_by_key(|limit| std::cmp::Reverse(limit.resets_at.unwrap_or(Instant::MAX)));
    reached
}

/// What is recorded of the limits that did not let charges pass at `now`, if these are the first in
/// their windows.
pub fn first_reached<'a>(
    refusals: impl IntoIterator<Item = &'a Refusal>,
    account: &Account,
    now: Instant,
) -> Vec<FirstReached> {
    let period = account.plan_state.period(now);
    let reached = refusals.into_iter().flat_map(|refusal| match refusal {
        Refusal::LimitReached { limits, .. } => &limits[..],
        _ => &[],
    });
    let first = reached.map(|Reached { of, per, at_most, required, resets_at, .. }| {
        let window = Window::at(*per, now, period);
        let limit = Counted { of: of.clone(), window, at_most: *at_most };
        FirstReached {
            account: account.id.clone(),
            used: account.used(limit.counter()),
            limit,
            required: *required,
            resets_at: *resets_at,
            at: now,
            balance: (account.available, account.held()),
        }
    });
    first.collect()
}

/// The guard by which a charge of `credits` is still not let pass.
pub(super) fn lacks_room(in_force: &InForce, credits: Credits, account: &Account) -> Guard {
    let lacks = |counted: &&Counted| account.used(counted.counter()) + credits > counted.at_most;
    match in_force.counts.iter().find(lacks) {
        Some(counted) => Guard::LacksRoom(counted.counter(), counted.at_most - credits),
        // It would begin one count too many.
        None => Guard::SeqIs(account.seq),
    }
}

/// Whether a charge would begin one more count than the account may have.
pub(super) fn is_full(in_force: &InForce, account: &Account, now: Instant) -> bool {
    let new = in_force.counts.iter().map(Counted::counter);
    let new: Vec<Counter> = new.filter(|counter| !account.used.contains_key(counter)).collect();
    let with_them = account.counts_running(now) + new.len();
    new.iter().any(|counter| with_them > in_force.most(*counter))
}

/// The guards and steps by which credits return to counts: to those whose window still runs, and
/// never more than was used.
pub(super) fn give_back(
    account: &Account,
    returned: impl IntoIterator<Item = (Counter, Credits)>,
    now: Instant,
) -> (Vec<Guard>, Vec<Step>) {
    let period = account.plan_state.period(now);
    // A capture's beyond may count where its hold does, and a write changes each count once.
    let mut sums: BTreeMap<Counter, Credits> = BTreeMap::new();
    for (counter, credits) in returned {
        *sums.entry(counter).or_default() += credits;
    }
    let (mut when, mut then) = (Vec::new(), Vec::new());
    // Whether the window of a period runs, and which it is, an advance decides.
    if sums.keys().any(|counter| counter.window.per == Per::Period) {
        when.push(Guard::AdvancedIs(account.advanced_seq));
    }
    sums.retain(|counter, credits| !credits.is_zero() && counter.window.runs(now, period));
    for (counter, credits) in sums {
        let used = account.used(counter);
        let back = credits.min(used);
        when.push(match back == credits {
            true => Guard::UsedAtLeast(counter, credits),
            false => Guard::UsedIs(counter, used),
        });
        if !back.is_zero() {
            then.push(Step::Count(counter, -back));
        }
    }
    (when, then)
}

/// What a refund of `credits` of an entry returns to counts, after `refunded` of it: what a capture
/// took of its hold returns where the hold counts, and then what it took beyond.
pub(super) fn refunded(
    entry: &Entry,
    hold: Option<&Entry>,
    (charged, refunded): (Credits, Credits),
    credits: Credits,
) -> Vec<(Counter, Credits)> {
    let EntryKind::Captured { .. } = entry.kind else {
        return entry.counts.iter().map(|counted| (counted.counter(), credits)).collect();
    };
    let within = charged - entry.beyond();
    let of_hold = (refunded + credits).min(within) - refunded.min(within);
    let held = hold.into_iter().flat_map(|hold| &hold.counts);
    let held = held.map(|counted| (counted.counter(), of_hold));
    let beyond = entry.counts.iter().map(|counted| (counted.counter(), credits - of_hold));
    held.chain(beyond).collect()
}

/// The subjects whose counts in `account` began with the entries of these operations.
pub fn begun(account: &Account, made: &[OperationId]) -> Vec<Subject> {
    let mut counted: BTreeMap<Counter, (Credits, &Subject)> = BTreeMap::new();
    let counting = |entry: &&Entry| made.contains(&entry.id) && !entry.counted().is_zero();
    for entry in account.recent.iter().filter(counting) {
        for count in &entry.counts {
            counted.entry(count.counter()).or_insert((Credits::ZERO, &count.of)).0 +=
                entry.counted();
        }
    }
    let begun = counted.into_iter().filter(|(counter, (sum, _))| account.used(*counter) == *sum);
    begun.map(|(_, (_, subject))| subject.clone()).collect()
}
