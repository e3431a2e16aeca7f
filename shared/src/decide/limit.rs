//! Limits: which are in force for a charge, which of them do not let it pass, and what returns to
//! their counts.
//!
//! A debit is written without a read. So it says what it takes to be in force, by the plan, the
//! period and the account's own limits as they were last seen, and its write is on the condition
//! that they still are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::operation::Request;
use super::{AccountWrite, Expect, Guard, Row, RowWrite, Step, Write};
use crate::domain::limit::{
    Counted, Counter, HeldCount, Limit, MAX_LIMITS, OwnLimits, Per, Reached, Window,
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
    /// Whether the account has as many counts as it may: no other begins.
    pub full: bool,
}

impl Terms {
    pub fn of(account: &Account, own: Arc<OwnLimits>) -> Terms {
        Terms {
            advanced_seq: account.advanced_seq,
            plan_state: account.plan_state.clone(),
            own,
            full: account.used.len() >= MAX_LIMITS,
        }
    }

    /// The number for a subject: the account's own, or the plan's where there is none of its own.
    fn number(&self, of: &Subject, per: Per, catalog: &Catalog) -> Option<Credits> {
        let own = match self.own.limits.is_empty() {
            true => None,
            false => self.own.limits.get(&(of.clone(), per)).copied(),
        };
        let plan = || {
            let limits = &catalog.plan(&self.plan_state.plan)?.limits;
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
    /// Whether a count that is not there yet may begin.
    begins: bool,
}

/// No limit is in force.
pub static NO_LIMITS: InForce = InForce { counts: Vec::new(), when: Vec::new(), begins: false };

impl InForce {
    /// The guards and steps by which a charge of `credits` counts. A charge of nothing does not.
    pub(super) fn count(&self, credits: Credits) -> (Vec<Guard>, Vec<Step>) {
        let mut when = self.when.clone();
        let mut then = Vec::new();
        for counted in self.counts.iter().filter(|_| !credits.is_zero()) {
            let (counter, room) = (counted.counter(), counted.at_most - credits);
            when.push(Guard::HasRoom { counter, room, credits, begins: self.begins });
            then.push(Step::Count(counter, credits));
        }
        (when, then)
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

/// Finds the limits in force for the charge of `request`. None: that takes the account's terms.
pub fn in_force(
    request: &Request,
    catalog: &Catalog,
    terms: Option<&Terms>,
    now: Instant,
) -> Option<InForce> {
    let subjects: Vec<Subject> = match request.ask.charge() {
        Some(_) => request.counts_for().collect(),
        None => Vec::new(),
    };
    if subjects.is_empty() {
        return Some(InForce::default());
    }
    let mut by_plan = subjects.iter().any(|of| catalog.limits_kind(of.kind()))
        || request.limits.iter().any(|limit| limit.per == Per::Period);
    let mut counts = Vec::new();
    for of in subjects {
        for per in Per::ALL {
            let ours = terms.and_then(|terms| terms.number(&of, per, catalog));
            let Some(at_most) = least(asked(&request.limits, &of, per), ours) else { continue };
            by_plan |= per == Per::Period;
            let window = window(per, terms, now);
            counts.push(Counted { of: of.clone(), window, at_most });
        }
    }
    if by_plan && terms.is_none() {
        return None;
    }
    Some(resting_on(counts, terms, by_plan))
}

/// Finds the limits in force for what a capture takes beyond a hold: those that the hold counts
/// for, with today's numbers, or with the one that came with it where that is less.
pub fn of_hold(
    counts: &[HeldCount],
    catalog: &Catalog,
    terms: Option<&Terms>,
    now: Instant,
) -> Option<InForce> {
    let terms = match (counts.is_empty(), terms) {
        (true, _) => return Some(InForce::default()),
        (false, None) => return None,
        (false, Some(terms)) => terms,
    };
    let counted = counts.iter().filter_map(|held| {
        let per = held.window.per;
        let at_most = least(held.asked, terms.number(&held.of, per, catalog))?;
        let window = window(per, Some(terms), now);
        Some(Counted { of: held.of.clone(), window, at_most })
    });
    Some(resting_on(counted.collect(), Some(terms), true))
}

fn resting_on(counts: Vec<Counted>, terms: Option<&Terms>, by_plan: bool) -> InForce {
    let mut when = vec![Guard::LimitsAre(terms.map_or(0, |terms| terms.own.version))];
    when.extend(terms.filter(|_| by_plan).map(|terms| Guard::AdvancedIs(terms.advanced_seq)));
    InForce { counts, when, begins: !terms.is_some_and(|terms| terms.full) }
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

/// What a hold remembers of the limits that it counts for.
pub(super) fn held(request: &Request, in_force: &InForce) -> Vec<HeldCount> {
    let counts = in_force.counts.iter().map(|Counted { of, window, .. }| HeldCount {
        of: of.clone(),
        window: *window,
        asked: asked(&request.limits, of, window.per),
    });
    counts.collect()
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
pub(super) fn is_full(in_force: &InForce, account: &Account) -> bool {
    let new = in_force.counts.iter().map(Counted::counter);
    let new = new.filter(|counter| !account.used.contains_key(counter)).count();
    new > 0 && account.used.len() + new > MAX_LIMITS
}

/// The guards and steps by which credits return to counts: to those whose window still runs, and
/// never more than was used.
pub(super) fn give_back(
    account: &Account,
    returned: impl IntoIterator<Item = (Counter, Credits)>,
    now: Instant,
) -> (Vec<Guard>, Vec<Step>) {
    let period = account.plan_state.period(now);
    let (mut when, mut then) = (Vec::new(), Vec::new());
    // A capture's beyond may count where its hold does, and a write changes each count once.
    let mut sums: BTreeMap<Counter, Credits> = BTreeMap::new();
    for (counter, credits) in returned {
        *sums.entry(counter).or_default() += credits;
    }
    for (counter, credits) in sums {
        if counter.window.per == Per::Period {
            when.push(Guard::AdvancedIs(account.advanced_seq));
        }
        if credits.is_zero() || !counter.window.runs(now, period) {
            continue;
        }
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
    for entry in account.recent.iter().filter(|entry| made.contains(&entry.id)) {
        for count in &entry.counts {
            counted.entry(count.counter()).or_insert((Credits::ZERO, &count.of)).0 +=
                entry.counted();
        }
    }
    let begun = counted.into_iter().filter(|(counter, (sum, _))| account.used(*counter) == *sum);
    begun.map(|(_, (_, subject))| subject.clone()).collect()
}

/// A request to set or to remove a limit of an account's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRequest {
    pub of: Subject,
    pub per: Per,
    /// None: it is removed.
    pub at_most: Option<Credits>,
}

impl LimitRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let LimitRequest { of, per, at_most } = self;
        let at_most = at_most.map_or("none".to_owned(), |credits| credits.to_string());
        format!("limit {of:?} {} {at_most}", per.name())
    }
}

/// The write of a change of the account's own limits: all of them, and the account's note of their
/// version, so that it is in force at once. Where nothing else limits the subject in the window that
/// never ends, a removal forgets what was used of it: a run that is over leaves no count behind.
///
/// # Errors
/// [`Refusal::TooManyLimits`].
pub fn change(
    account: &Account,
    own: &OwnLimits,
    request: &LimitRequest,
    (operation, user, actor): (OperationId, Option<&str>, Option<&str>),
    catalog: &Catalog,
    now: Instant,
) -> Result<Write, Refusal> {
    let LimitRequest { of, per, at_most } = request;
    let (key, version) = ((of.clone(), *per), own.version + 1);
    let mut limits = own.limits.clone();
    match at_most {
        Some(at_most) => limits.insert(key, *at_most),
        None => limits.remove(&key),
    };
    if limits.len() > MAX_LIMITS {
        return Err(Refusal::TooManyLimits);
    }
    let (mut when, mut then) = (
        vec![Guard::LimitsAre(own.version), Guard::RoomFor(1)],
        vec![Step::SetLimitsVersion(version)],
    );
    let window = Window { per: *per, from: Instant::EPOCH };
    let counter = Counter { of: of.hash(), window };
    let by_plan = catalog.plan(&account.plan_state.plan);
    let by_plan =
        by_plan.is_some_and(|plan| plan.limits.contains_key(&(of.kind().to_owned(), *per)));
    let forgotten =
        *per == Per::Ever && at_most.is_none() && !by_plan && account.used.contains_key(&counter);
    if forgotten {
        let same = Guard::UsedIs(counter, account.used(counter));
        when.extend([Guard::AdvancedIs(account.advanced_seq), same]);
        then.push(Step::DropCount(counter));
    }
    let kind = EntryKind::LimitSet { of: of.clone(), per: *per, at_most: *at_most, forgotten };
    then.push(Step::Append(Entry {
        user: user.map(str::to_owned),
        actor: actor.map(str::to_owned),
        ..Entry::new(operation, now, catalog.version, kind)
    }));
    let write = AccountWrite { account: account.id.clone(), when, then };
    let own = OwnLimits { version, limits };
    let row = RowWrite::Put(Row::Limits(account.id.clone(), own), Expect::Any);
    Ok(Write { account: Some(write), rows: vec![row] })
}
