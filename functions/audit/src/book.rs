//! The book: recomputes an account from its entries, from the first to the last.
//!
//! It shares no arithmetic with the code that it checks. Its sums are wider than credits, so that
//! an invented amount cannot overflow them.

use std::collections::{BTreeMap, HashMap};

use shared::domain::account::PendingChange;
use shared::domain::catalog::ActionNumber;
use shared::domain::period::Day;
use shared::domain::usage::{MAX_USERS, Used, Who};
use shared::domain::{
    Account, Credits, DebtChange, Debts, Entry, EntryKind, GrantId, Instant, Movement, NextPlan,
    OperationId, PlanTerms, Seq, Usage,
};

use crate::limits::Limits;
use crate::micro::{Micro, micro};

/// Grants, each with its remaining credits and its expiry.
pub(crate) type Grants = BTreeMap<GrantId, (Micro, Option<Instant>)>;

/// The state of an account by its entries so far.
#[derive(Debug)]
pub(crate) struct Book {
    /// The number of the next entry.
    pub next: Seq,
    /// Whether no entry is missing or unknown: after one, only what later entries say in full is
    /// known.
    pub whole: bool,
    pub available: Micro,
    pub held: Micro,
    /// The debt, by the grant that was paid for.
    pub debts: BTreeMap<GrantId, Micro>,
    pub holds: BTreeMap<OperationId, (Micro, Instant)>,
    pub consumed: BTreeMap<ActionNumber, Micro>,
    /// The latest advance, or the opening: its number and its time.
    pub advanced: Option<(Seq, Instant)>,
    /// Whether each advance so far names the one before it.
    pub linked: bool,
    /// The remaining credits of each grant after that advance, with its expiry.
    pub burn_order: Grants,
    /// The changes since, which the next advance folds in.
    pending_changes: Vec<(GrantId, Micro, Option<Instant>)>,
    /// The terms of its plan, and what is due to come after them.
    pub plan: Option<(PlanTerms, Option<NextPlan>)>,
    /// None: the account was never frozen.
    pub frozen: Option<(bool, Option<String>)>,
    /// The credits refunded of each debit or capture.
    pub debits: BTreeMap<OperationId, Micro>,
    /// The credits that each payment gave, less those it took back, with its order; by Stripe's id.
    pub payments: BTreeMap<String, (OperationId, Micro)>,
    pub repeated: Vec<OperationId>,
    /// The revocations that took more than was free of their grant.
    pub greedy: Vec<OperationId>,
    /// The latest revocation and its grant, until its advance.
    revoked: Option<(OperationId, GrantId)>,
    pub limits: Limits,
    /// The latest catalog version that an entry names.
    pub catalog: u32,
    /// The first entry whose kind only a later version knows: its number and its tag.
    pub unknown: Option<(Seq, u8)>,
    happened: HashMap<OperationId, Instant>,
    /// The instant from which consumption is counted; `counting`: whether that has begun.
    counted_from: Instant,
    counting: bool,
}

impl Book {
    /// An empty book of an account whose consumption is counted from `counted_from`.
    pub(crate) fn new(counted_from: Instant) -> Book {
        Book {
            next: 1,
            whole: true,
            available: 0,
            held: 0,
            debts: BTreeMap::new(),
            holds: BTreeMap::new(),
            consumed: BTreeMap::new(),
            advanced: None,
            linked: true,
            burn_order: Grants::new(),
            pending_changes: Vec::new(),
            plan: None,
            frozen: None,
            debits: BTreeMap::new(),
            payments: BTreeMap::new(),
            repeated: Vec::new(),
            greedy: Vec::new(),
            revoked: None,
            limits: Limits::default(),
            catalog: 0,
            unknown: None,
            happened: HashMap::new(),
            counted_from,
            counting: false,
        }
    }

    /// Continues after missing entries, at number `next` with this balance.
    pub(crate) fn skip_to(&mut self, next: Seq, available: Micro, held: Micro) {
        (self.next, self.whole) = (next, false);
        (self.available, self.held) = (available, held);
    }

    /// Enters the next entry.
    pub(crate) fn enter(&mut self, entry: &Entry) {
        let seq = self.next;
        self.next += 1;
        self.available += micro(entry.available);
        self.held += micro(entry.held);
        self.catalog = self.catalog.max(entry.catalog);
        if self.happened.insert(entry.id, entry.at).is_some() {
            self.repeated.push(entry.id);
        }
        if self.whole {
            self.limits.enter(entry, &self.holds, &self.debits);
        }
        match &entry.kind {
            EntryKind::Opened { terms, moved } => {
                self.plan = Some((terms.clone(), None));
                self.note(moved);
                self.lay_out(seq, entry.at);
            }
            EntryKind::TimePassed { moved, lapsed, before, burnt, debts } => {
                if let Some((terms, next)) = &mut self.plan
                    && let Some(due) = next.take_if(|next| next.at <= entry.at)
                {
                    *terms = due.terms(terms.anchor);
                }
                self.linked &= self.advanced == Some(*before);
                for change in debts {
                    let (DebtChange::Reversed { grant, .. } | DebtChange::Repaid { grant, .. }) =
                        change;
                    self.owe(*grant, micro(change.owed()));
                }
                lapsed.iter().for_each(|hold| {
                    self.holds.remove(hold);
                });
                self.note(moved);
                let burnt = burnt.grants().iter();
                self.pending_changes.extend(burnt.map(|g| (g.id, -micro(g.left), g.expires_at)));
                self.lay_out(seq, entry.at);
                // A grant that expired unused is recognised by its end: a hold may have kept all of
                // it.
                for moved in moved {
                    if let Some((_, end)) = self.burn_order.get_mut(&moved.grant) {
                        *end = moved.expires_at;
                    }
                }
                self.burn_order.retain(|_, (_, end)| end.is_none_or(|end| end > entry.at));
            }
            EntryKind::PlanChanged { terms, next } => {
                self.plan = Some((terms.clone(), next.clone()));
            }
            EntryKind::Debit { action, .. } => self.consume(*action, -micro(entry.available)),
            EntryKind::Granted { expires_at, .. } => {
                let grant = GrantId::Operation(entry.id);
                self.pending_changes.push((grant, micro(entry.available), *expires_at));
            }
            EntryKind::Revoked { grant, kind } => {
                // What holds set aside is not free, whatever grant it is of.
                if self.available < 0 || !kind.is_revocable() {
                    self.greedy.push(entry.id);
                }
                self.revoked = Some((entry.id, *grant));
                self.pending_changes.push((*grant, micro(entry.available), None));
            }
            EntryKind::Held { expires_at, .. } => {
                self.holds.insert(entry.id, (micro(entry.held), *expires_at));
            }
            EntryKind::Captured { hold, action, credits, ends, .. } => {
                self.consume(*action, micro(*credits));
                match (*ends, self.holds.get_mut(hold)) {
                    (true, _) => {
                        self.holds.remove(hold);
                    }
                    (false, Some((total, _))) => *total += micro(entry.held),
                    (false, None) => {}
                }
            }
            EntryKind::Released { hold } => {
                self.holds.remove(hold);
            }
            EntryKind::Extended { hold, expires_at } => {
                if let Some((_, ends)) = self.holds.get_mut(hold) {
                    *ends = *expires_at;
                }
            }
            EntryKind::Refunded { debit, credits, action, moved, unowed, .. } => {
                self.forgive(unowed);
                self.note(moved);
                self.give_back(*debit, micro(*credits), *action);
            }
            EntryKind::Frozen => self.frozen = Some((true, entry.actor.clone())),
            EntryKind::Unfrozen => self.frozen = Some((false, None)),
            EntryKind::ToppedUp { order, due, grant, expires_at, moved, unowed, .. } => {
                self.forgive(unowed);
                let again = moved.iter().map(|moved| micro(moved.credits)).sum::<Micro>();
                self.pending_changes.push((*grant, micro(entry.available) - again, *expires_at));
                self.note(moved);
                self.pay(entry, *order, *due);
            }
            EntryKind::Reversed { order, due, .. } => self.pay(entry, *order, *due),
            EntryKind::DebtWaived { debts } => self.forgive(debts),
            EntryKind::LimitSet { .. } => {}
            EntryKind::Unknown { tag, .. } => {
                self.whole = false;
                self.unknown = self.unknown.or(Some((seq, *tag)));
            }
        }
    }

    fn owe(&mut self, grant: GrantId, more: Micro) {
        let owed = self.debts.entry(grant).or_default();
        *owed += more;
        if *owed == 0 {
            self.debts.remove(&grant);
        }
    }

    fn forgive(&mut self, debts: &Debts) {
        debts.iter().for_each(|debt| self.owe(debt.grant, -micro(debt.credits)));
    }

    /// Whether an entry has this id.
    pub(crate) fn happened(&self, id: OperationId) -> bool {
        self.happened.contains_key(&id)
    }

    fn note(&mut self, moved: &[Movement]) {
        self.pending_changes
            .extend(moved.iter().map(|m| (m.grant, micro(m.credits), m.expires_at)));
    }

    /// The credits that the pending changes bring.
    pub(crate) fn noted(&self) -> Micro {
        self.pending_changes.iter().map(|(_, micro, _)| micro).sum()
    }

    fn lay_out(&mut self, seq: Seq, at: Instant) {
        self.advanced = Some((seq, at));
        for (grant, micro, end) in self.pending_changes.drain(..) {
            self.burn_order.entry(grant).or_insert((0, end)).0 += micro;
        }
        // No grant has less than nothing, unless more was taken than it had.
        if let Some((id, grant)) = self.revoked.take()
            && self.burn_order.get(&grant).is_some_and(|(left, _)| *left < 0)
        {
            self.greedy.push(id);
        }
        self.burn_order.retain(|_, (left, _)| *left != 0);
        // Counting begins with the first advance at or after the instant that it counts from.
        self.counting |= at >= self.counted_from;
    }

    fn consume(&mut self, action: Option<ActionNumber>, credits: Micro) {
        if self.counting {
            *self.consumed.entry(action.unwrap_or(0)).or_default() += credits;
        }
    }

    fn give_back(&mut self, debit: OperationId, credits: Micro, action: Option<ActionNumber>) {
        *self.debits.entry(debit).or_default() += credits;
        if self.happened.get(&debit).is_some_and(|at| *at >= self.counted_from) {
            self.consume(action, -credits);
        }
    }

    fn pay(&mut self, entry: &Entry, order: OperationId, due: Credits) {
        let intent = entry.reference.clone().unwrap_or_default();
        self.payments.insert(intent, (order, micro(due)));
    }
}

/// The credits that an account's pending changes bring.
pub(crate) fn noted(account: &Account) -> Micro {
    let brings = account.pending_changes.iter().map(|note| match note {
        PendingChange::Grant { grant, .. } | PendingChange::Returned(grant) => micro(grant.left),
        PendingChange::Plan { .. } | PendingChange::TakenBack { .. } => 0,
    });
    brings.sum()
}

/// The usage of each day by its entries.
#[derive(Debug, Default)]
pub(crate) struct Days(pub BTreeMap<Day, Usage>);

impl Days {
    pub(crate) fn count(&mut self, entry: &Entry) {
        let (action, model, credits, count) = match &entry.kind {
            EntryKind::Debit { action, quantity } => {
                (action, quantity.model(), -entry.available.micro(), 1)
            }
            EntryKind::Captured { action, quantity, credits, .. } => {
                (action, quantity.model(), credits.micro(), 1)
            }
            EntryKind::Refunded { action, model, credits, .. } => {
                (action, *model, -credits.micro(), 0)
            }
            _ => return,
        };
        let usage = self.0.entry(Day::of(entry.at)).or_default();
        let who = entry.user.clone().map_or(Who::Nobody, Who::User);
        let told_apart = usage.users.contains_key(&who) || usage.users.len() < MAX_USERS;
        let who = if told_apart || who == Who::Nobody { who } else { Who::Others };
        let action = action.unwrap_or(0);
        let model = model.map(|model| usage.models.entry((action, model)).or_default());
        let action = usage.actions.entry(action).or_default();
        for used in [action, usage.users.entry(who).or_default()].into_iter().chain(model) {
            let micro = used.credits.micro().saturating_add(credits);
            *used = Used { credits: Credits::from_micro(micro), count: used.count + count };
        }
    }
}
