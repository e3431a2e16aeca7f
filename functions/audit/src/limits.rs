//! Recomputes what was used of limits from the entries of an account, and its own limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use shared::domain::instant::Span;
use shared::domain::limit::{Counter, OwnLimits, Per, SubjectHash, Window};
use shared::domain::period::Day;
use shared::domain::{Account, Credits, Entry, EntryKind, GrantId, Instant, OperationId, Subject};

use crate::difference::Kind;
use crate::findings::Findings;
use crate::micro::{Micro, micro, shown};

const DAY_MS: i64 = 86_400_000;
/// How much later than a younger entry's an entry's time may be, with room to spare: what was
/// counted in a window is forgotten so long after it.
const LATE: Span = Span::from_s(3_600);
/// From how many operations on it is worth to forget those of past windows.
const FEW: usize = 1_024;
/// The bytes in memory of an operation that counts: 80, 3.4 times as in a hash table that grows,
/// and those of its list; and of each count in that.
const OPERATION_BYTES: u64 = 310;
const COUNT_BYTES: u64 = 24;

/// What is kept of an operation, because credits of it may come back.
#[derive(Debug)]
struct Operation {
    counts: Arc<[Counter]>,
    /// Of a capture: the counts of its hold, and the credits that it took of that.
    held: Option<Arc<[Counter]>>,
    within: Micro,
}

/// A plan period that was granted: its start and its end.
type Granted = (Instant, Instant);

/// The counts and the own limits of an account by its entries so far.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// What was used in the windows that may still run, each with its subject.
    used: BTreeMap<Counter, (Subject, Micro)>,
    own: OwnLimits,
    /// The charges that went beyond a limit, or counted in a window that did not run.
    wrong: Vec<OperationId>,
    operations: HashMap<OperationId, Operation>,
    /// The counts in all lists of `operations`.
    listed: u64,
    /// From how many operations on those of past windows are forgotten.
    forget_at: usize,
    /// The latest plan period that was granted.
    granted: Option<Granted>,
    /// When the plan changed, if no advance has folded that in yet.
    plan_changed_at: Option<Instant>,
}

impl Limits {
    /// About how much memory it takes, in bytes: at least as much as it does.
    pub(crate) fn bytes(&self) -> u64 {
        let used = self.used.len() as u64 * (OPERATION_BYTES + COUNT_BYTES);
        used + self.operations.len() as u64 * OPERATION_BYTES + self.listed * COUNT_BYTES
    }

    /// Enters an entry; `holds` and `refunded` are as before it.
    pub(crate) fn enter(
        &mut self,
        entry: &Entry,
        holds: &BTreeMap<OperationId, (Micro, Instant)>,
        refunded: &BTreeMap<OperationId, Micro>,
    ) {
        match &entry.kind {
            EntryKind::Debit { .. } => self.count(entry, -micro(entry.available), None, 0),
            EntryKind::Held { .. } => self.count(entry, micro(entry.held), None, 0),
            EntryKind::Captured { hold, credits, ends, .. } => {
                let beyond = micro(-entry.available).max(0);
                let within = micro(*credits) - beyond;
                self.count(entry, beyond, Some(*hold), within);
                if *ends {
                    self.end(*hold, -micro(entry.held) - within, entry.at, self.granted);
                }
            }
            EntryKind::Released { hold } => {
                self.end(*hold, -micro(entry.held), entry.at, self.granted);
            }
            EntryKind::Refunded { debit, credits, .. } => {
                let before = refunded.get(debit).copied().unwrap_or_default();
                self.refund(*debit, before, micro(*credits), entry.at);
            }
            EntryKind::Opened { moved, .. } => {
                let granted = moved.iter().filter_map(|m| granted(m.grant, m.expires_at));
                self.granted = granted.max();
            }
            EntryKind::PlanChanged { .. } => self.plan_changed_at = Some(entry.at),
            EntryKind::TimePassed { moved, lapsed, .. } => {
                let before = self.granted;
                let moved = moved.iter().filter_map(|m| granted(m.grant, m.expires_at));
                let known: BTreeMap<Instant, Instant> = before.into_iter().chain(moved).collect();
                let latest = |(start, end): (&Instant, &Instant)| (*start, *end);
                for id in lapsed {
                    let Some((total, at)) = holds.get(id).copied() else { continue };
                    // No period began between the advance before and the change of plan.
                    let granted = match self.plan_changed_at.is_some_and(|changed| at <= changed) {
                        true => before,
                        false => known.range(..at).next_back().map(latest),
                    };
                    self.end(*id, total, at, granted);
                }
                self.granted = known.last_key_value().map(latest);
                self.plan_changed_at = None;
            }
            EntryKind::LimitSet { of, per, at_most, forgotten } => {
                self.set(of, *per, *at_most, *forgotten);
            }
            _ => {}
        }
        if self.operations.len().max(self.used.len()) >= self.forget_at.max(FEW) {
            self.forget(entry.at);
        }
    }

    fn set(&mut self, of: &Subject, per: Per, at_most: Option<Credits>, forgotten: bool) {
        self.own.version += 1;
        match at_most {
            Some(at_most) => self.own.limits.insert((of.clone(), per), at_most),
            None => self.own.limits.remove(&(of.clone(), per)),
        };
        if forgotten {
            let window = Window { per, from: Instant::EPOCH };
            self.used.remove(&Counter { of: of.hash(), window });
        }
    }

    fn count(&mut self, entry: &Entry, credits: Micro, hold: Option<OperationId>, within: Micro) {
        let held = hold.and_then(|hold| self.operations.get(&hold)).map(|held| &held.counts);
        let held = held.cloned();
        if entry.counts.is_empty() && held.is_none() {
            return;
        }
        let mut is_right = true;
        for counted in entry.counts.iter().filter(|_| credits != 0) {
            let (counter, window) = (counted.counter(), counted.window);
            let (_, used) = self.used.entry(counter).or_insert_with(|| (counted.of.clone(), 0));
            *used += credits;
            is_right &= *used <= micro(counted.at_most);
            is_right &= runs(window, entry.at, self.granted);
        }
        if !is_right {
            self.wrong.push(entry.id);
        }
        let counts: Arc<[Counter]> = entry.counts.iter().map(|counted| counted.counter()).collect();
        self.listed += counts.len() as u64;
        self.operations.insert(entry.id, Operation { counts, held, within });
    }

    /// What a hold did not spend returns to where the hold counts.
    fn end(&mut self, hold: OperationId, unspent: Micro, at: Instant, granted: Option<Granted>) {
        let Some(held) = self.operations.get(&hold) else { return };
        give_back(&mut self.used, &held.counts, unspent, |window| runs(window, at, granted));
    }

    /// What a capture took of its hold returns first, to where the hold counts.
    fn refund(&mut self, debit: OperationId, before: Micro, credits: Micro, at: Instant) {
        let Some(Operation { counts, held, within }) = self.operations.get(&debit) else { return };
        let of_hold = (before + credits).min(*within) - before.min(*within);
        let is_running = |window: Window| runs(window, at, self.granted);
        give_back(&mut self.used, held.as_deref().unwrap_or_default(), of_hold, is_running);
        give_back(&mut self.used, counts, credits - of_hold, is_running);
    }

    /// Forgets what no later entry changes: what was counted in windows that are over.
    fn forget(&mut self, at: Instant) {
        let (at, granted) = (Instant::from_ms((at.ms() - LATE.ms()).max(0)), self.granted);
        let may_run = |of: &Counter| of.window.from >= start(of.window.per, at, granted);
        self.used.retain(|counter, _| may_run(counter));
        self.operations.retain(|_, operation| {
            let of_hold = operation.held.iter().flat_map(|held| held.iter());
            operation.counts.iter().chain(of_hold).any(may_run)
        });
        self.listed = self.operations.values().map(|kept| kept.counts.len() as u64).sum();
        self.forget_at = 2 * self.operations.len().max(self.used.len());
    }

    /// Compares the counts in windows that run `now`, and the own limits with their row.
    pub(crate) fn compare(
        &self,
        account: &Account,
        row: Option<&OwnLimits>,
        now: Instant,
        audit: &mut Findings<'_>,
    ) {
        for id in &self.wrong {
            audit.differs(Kind::Limit(*id), "a charge within its limits", "another");
        }
        let counters: BTreeSet<_> = self.used.keys().chain(account.used.keys()).collect();
        for counter in counters.into_iter().filter(|of| runs(of.window, now, self.granted)) {
            let (of, expected) = match self.used.get(counter) {
                Some((of, used)) => (of.to_string(), *used),
                None => (hexadecimal(counter.of), 0),
            };
            let credits = Credits::from_micro(i64::try_from(expected).unwrap_or(i64::MAX));
            let found = account.used.get(counter).map_or(0, |used| micro(*used));
            let of = format!("{of} per {}", counter.window.per.name());
            let kind = Kind::Used { seq: account.seq, counter: *counter, of, credits };
            audit.compare(kind, shown(expected), shown(found));
        }
        let none = OwnLimits::default();
        let found = row.unwrap_or(&none);
        if account.limits_version != self.own.version || *found != self.own {
            let kind = Kind::OwnLimits { seq: account.seq, own: self.own.clone() };
            let told =
                |own: &OwnLimits| format!("{} after {} changes", own.limits.len(), own.version);
            let found = format!("{}; the account has {}", told(found), account.limits_version);
            audit.differs(kind, told(&self.own), found);
        }
    }
}

/// The start and the end of the plan period that a movement of its grant tells.
fn granted(grant: GrantId, end: Option<Instant>) -> Option<Granted> {
    match grant {
        GrantId::Period(start) => Some((start, end?)),
        GrantId::Week(_) | GrantId::Operation(_) => None,
    }
}

/// The start of the window of this kind that `at` lies in, by the latest plan period.
fn start(per: Per, at: Instant, granted: Option<Granted>) -> Instant {
    let day = at.ms().div_euclid(DAY_MS);
    // The first day of 1970 was a Thursday.
    let monday = day - (day + 3).rem_euclid(7);
    match (per, granted) {
        (Per::Ever, _) => Instant::EPOCH,
        (Per::Day, _) => Instant::from_ms(day * DAY_MS),
        (Per::Period, Some((start, end))) if end > at => start,
        (Per::Week | Per::Period, _) => Instant::from_ms(monday * DAY_MS),
        (Per::Month, _) => {
            let day = Day::of(at).to_string();
            let first = day.get(..8).and_then(|month| Day::parse(&format!("{month}01")));
            first.map_or(Instant::EPOCH, Day::start)
        }
    }
}

fn runs(window: Window, at: Instant, granted: Option<Granted>) -> bool {
    window.from == start(window.per, at, granted)
}

/// Returns credits to counts whose window runs, and never more than was used.
fn give_back(
    used: &mut BTreeMap<Counter, (Subject, Micro)>,
    counts: &[Counter],
    credits: Micro,
    is_running: impl Fn(Window) -> bool,
) {
    for counter in counts.iter().filter(|counter| is_running(counter.window)) {
        if let Some((_, used)) = used.get_mut(counter) {
            *used -= credits.min(*used);
        }
    }
}

/// The hash of a subject whose name no entry has.
fn hexadecimal(of: SubjectHash) -> String {
    of.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
