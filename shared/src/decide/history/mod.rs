//! History: finds what an account would have by now if some credits had never left it.
//!
//! Credits leave an account by debits, and when the money for them goes back. Either can be undone:
//! a debit is refunded, a dispute is won. Then the entries since are replayed, as the account was
//! and as it would have been, and the difference comes back: with its grants, of which some may
//! have expired by now and some may be spent in the place of others, and with the debts that would
//! not be owed.
//!
//! Each advance records what was burnt of the burn order before it, and names the advance before
//! it. So where many entries lie between two advances, they are skipped.

mod both;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use both::{LaidOut, left};
pub use replay::Unclear;

use super::{Guard, STAMP_MARGIN, Step};
use crate::domain::entry::Charged;
use crate::domain::grant::BurnOrder;
use crate::domain::ledger::PostedEntry;
use crate::domain::{
    Account, Credits, Debt, DebtChange, Debts, EntryKind, GrantId, Instant, Movement, OperationId,
    PendingChange, Seq,
};

/// More entries than this between two advances are skipped: to reach an advance further back costs
/// two or three requests, and so does reading this many entries.
const FAR: Seq = 1_024;
/// How many entries older than what is undone are read to find what was undone before: where a
/// service refunds all the time, these overlap without end.
const MAX_BEYOND: usize = 2_048;
/// How many entries are read to find a reversal that is undone: a call has no time for more.
/// Credits whose reversal is not reached arrive like new ones.
const MOST: usize = 200_000;

/// The credits and debts that change when something is undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// The credits that the latest burn order would hold in addition.
    pub burn_order: BurnOrder,
    /// The debts that would not be owed.
    pub unowed: Debts,
}

impl Back {
    /// The guards and steps that give it to the account, together with what `arrives`.
    pub(super) fn give(
        &self,
        account: &Account,
        arrives: Option<PendingChange>,
    ) -> (Vec<Guard>, Vec<Step>) {
        let (mut when, mut then) = (Vec::new(), Vec::new());
        if !self.unowed.is_empty() {
            when.push(Guard::DebtsAre(account.debts.clone()));
            then.push(Step::SetDebts(account.debts.less(&self.unowed)));
        }
        let returned = self.burn_order.grants().iter().cloned().map(PendingChange::Returned);
        let pending_changes: Vec<PendingChange> = returned.chain(arrives).collect();
        // Also if nothing comes back: an advance opens the gate, and keeps what follows apart from
        // this.
        then.push(if pending_changes.is_empty() {
            Step::Outdate
        } else {
            Step::AddPending(pending_changes)
        });
        (when, then)
    }

    /// Whether some of its grants have expired at `now`: then an advance has to record what was
    /// spent of them before.
    pub fn is_over(&self, now: Instant) -> bool {
        self.burn_order.grants().iter().any(|grant| grant.is_expired(now))
    }

    /// The movements and debts that the entry records.
    pub(super) fn told(&self) -> (Vec<Movement>, Debts) {
        let moved = self.burn_order.grants().iter().map(|grant| Movement::of(grant, grant.left));
        (moved.collect(), self.unowed.clone())
    }
}

/// The past of an account, from now back to the operation that is undone now; and further back to
/// each operation that was undone since, because that changed what was there.
#[derive(Clone, Debug)]
pub struct History {
    /// The debit that is refunded now, if it is a debit that is undone.
    debit: Option<OperationId>,
    /// How much is undone now: no more than this comes back, wherever the history is cut short.
    most: Credits,
    /// The advance before the entry taken last: its number and its instant.
    before: (Seq, Instant),
    /// The number of the advance taken last. 0: none yet.
    advanced: Seq,
    /// The advances before which every entry must be taken.
    whole: BTreeSet<Seq>,
    /// More entries than this between two advances are skipped.
    far: Seq,
    /// How many entries older than what is undone are read at most.
    most_beyond: usize,
    /// No reversal that is undone now happened earlier than this.
    since: Instant,
    /// Whether the history has reached `since`.
    begun: bool,
    /// How much of each debit is undone, now and by the refunds that were reached.
    refunds: BTreeMap<OperationId, Credits>,
    /// The debits among them that are not reached yet: the number of each, and how much less it
    /// burnt. None: no advance lies between the debit and its refund.
    sought: BTreeMap<OperationId, Option<(Seq, Credits)>>,
    /// The undone parts of reversals that are not reached yet; what is undone now comes first.
    undoing: Vec<Undoing>,
    /// How many entries were taken.
    looked: usize,
    /// How many entries were taken since what is undone now was reached.
    beyond: usize,
    /// What was taken, the latest first.
    past: Vec<Past>,
}

/// Credits of a grant that were taken back, or owed, until this undid it.
#[derive(Clone, Copy, Debug)]
struct Undoing {
    debt: Debt,
    /// Whether the grant had expired by then: what was left of it would have expired, and only what
    /// was owed is undone.
    over: bool,
    /// Whether it is undone now.
    now: bool,
}

/// The part of an entry that matters to a history.
#[derive(Clone, Debug)]
enum Past {
    LaidOut(LaidOut),
    Burnt {
        debit: OperationId,
        credits: Credits,
        at: Instant,
    },
    /// Something was undone, and this came back.
    Back {
        of: Undone,
        moved: Vec<Movement>,
        unowed: Debts,
    },
    Waived(Debts),
    /// What was free of a grant was taken back.
    Revoked(GrantId),
    /// Entries that were not taken one by one: together they burnt all that was burnt of a burn
    /// order, up to about `until`, and `undone` of that is undone.
    Skipped {
        undone: Credits,
        until: Instant,
    },
}

/// The entry that a history needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The entry before it.
    Before,
    /// The entry of this number, at this instant: none in between.
    Skip(Seq, Instant),
    /// Nothing more.
    Enough,
    /// Nothing: this entry may have undone anything, and a later version alone knows what.
    Unknown,
}

/// The operation that an entry undid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    Debit(OperationId),
    Reversal(GrantId),
}

impl History {
    /// The history of `account` for a refund of `credits` of `debit`. `less`: how much less the
    /// debit burnt with it.
    pub fn of_refund(
        account: &Account,
        debit: &PostedEntry,
        credits: Credits,
        less: Credits,
    ) -> History {
        let id = debit.entry.id;
        History {
            debit: Some(id),
            most: less,
            refunds: BTreeMap::from([(id, credits)]),
            sought: BTreeMap::from([(id, Some((debit.seq, less)))]),
            ..History::of(account, Vec::new())
        }
    }

    /// The history for giving back so many credits of a grant whose money went back before. `over`:
    /// whether the grant has expired by now. `since`: no part of the reversal happened earlier.
    pub fn of_reversal(account: &Account, debt: Debt, over: bool, since: Instant) -> History {
        let undoing = vec![Undoing { debt, over, now: true }];
        History { most: debt.credits, since, ..History::of(account, undoing) }
    }

    /// The same history with other bounds: more than `far` entries between two advances are
    /// skipped, and `most_beyond` entries are read beyond what is undone.
    pub fn bounded(self, far: Seq, most_beyond: usize) -> History {
        History { far, most_beyond, ..self }
    }

    fn of(account: &Account, undoing: Vec<Undoing>) -> History {
        History {
            debit: None,
            most: Credits::ZERO,
            before: (account.advanced_seq, account.advanced_at),
            advanced: 0,
            whole: BTreeSet::new(),
            far: FAR,
            most_beyond: MAX_BEYOND,
            since: Instant::EPOCH,
            begun: false,
            refunds: BTreeMap::new(),
            sought: BTreeMap::new(),
            undoing,
            looked: 0,
            beyond: 0,
            past: Vec::new(),
        }
    }

    /// Requires every entry before the advance of this number: take the entries again from the
    /// latest.
    pub fn all_before(mut self, advance: Seq) -> History {
        self.whole.insert(advance);
        self
    }

    /// Takes the next entry, the latest first.
    pub fn take(&mut self, posted: &PostedEntry) -> Next {
        let (entry, at) = (&posted.entry, posted.entry.at);
        if entry.kind.is_unknown() {
            return Next::Unknown;
        }
        let far = posted.seq.saturating_sub(self.before.0) > self.far;
        if far && !entry.kind.needs_no_line() && !self.whole.contains(&self.advanced) {
            return self.skip(at);
        }
        let seeks = self.debit.is_some_and(|debit| self.sought.contains_key(&debit));
        // Nothing that is undone now is further back.
        self.begun |= at + STAMP_MARGIN < self.since;
        let found = !seeks && (self.begun || self.rest().is_zero());
        self.looked += 1;
        self.beyond += usize::from(found);
        match &entry.kind {
            EntryKind::TimePassed { moved, before, burnt, debts, .. } => {
                let debts = debts.iter().rev().map(|change| (change.clone(), self.undo(change)));
                let mut debts: Vec<_> = debts.collect();
                debts.reverse();
                let (seq, burnt) = (posted.seq, burnt.clone());
                let moved = moved.clone();
                self.past.push(Past::LaidOut(LaidOut { seq, burnt, moved, at, debts }));
                (self.advanced, self.before) = (seq, *before);
                let open = self.undoing.iter().any(|undoing| !undoing.now || !self.begun);
                let all = self.sought.is_empty() && !open;
                let enough = self.debit.is_none() && self.looked > MOST;
                if all || enough || (found && self.beyond > self.most_beyond) {
                    return Next::Enough;
                }
            }
            EntryKind::Opened { .. } => {
                let (seq, burnt) = (posted.seq, BurnOrder::default());
                let (moved, debts) = (Vec::new(), Vec::new());
                self.past.push(Past::LaidOut(LaidOut { seq, burnt, moved, at, debts }));
                return Next::Enough;
            }
            EntryKind::Revoked { grant, .. } => self.past.push(Past::Revoked(*grant)),
            EntryKind::DebtWaived { debts } => self.past.push(Past::Waived(debts.clone())),
            EntryKind::ToppedUp { grant, undone, moved, unowed, expires_at, .. }
                if !undone.is_zero() =>
            {
                let (grant, credits) = (*grant, *undone);
                let over = expires_at.is_some_and(|end| end <= at);
                self.undoing.push(Undoing { debt: Debt { grant, credits }, over, now: false });
                let (of, moved) = (Undone::Reversal(grant), moved.clone());
                self.past.push(Past::Back { of, moved, unowed: unowed.clone() });
            }
            EntryKind::Refunded { debit, credits, of, moved, unowed, .. } => {
                *self.refunds.entry(*debit).or_default() += *credits;
                let sought = self.sought.entry(*debit).or_default();
                if let Some((seq, less)) = of {
                    let known = sought.map_or(Credits::ZERO, |(_, known)| known);
                    *sought = Some((*seq, known + *less));
                }
                let (of, moved) = (Undone::Debit(*debit), moved.clone());
                self.past.push(Past::Back { of, moved, unowed: unowed.clone() });
            }
            _ => {
                if let Some(Charged { burnt: credits, .. }) = entry.charged() {
                    // After the latest advance, credits are spent from the burn order as it will
                    // be.
                    if self.advanced > 0 {
                        self.past.push(Past::Burnt { debit: entry.id, credits, at });
                    }
                    self.sought.remove(&entry.id);
                }
            }
        }
        Next::Before
    }

    /// Continues at the advance before: what was burnt of its burn order, up to about `until`, is
    /// known.
    fn skip(&mut self, until: Instant) -> Next {
        let (seq, at) = self.before;
        let between = self.sought.extract_if(.., |_, of| of.is_none_or(|(of, _)| of > seq));
        let undone = between.filter_map(|(_, of)| of.map(|(_, less)| less)).sum();
        if self.advanced > 0 {
            self.past.push(Past::Skipped { undone, until });
        }
        Next::Skip(seq, at)
    }

    /// How much of a change is undone: first what it left owed, then what it took.
    fn undo(&mut self, change: &DebtChange) -> Credits {
        let DebtChange::Reversed { grant, taken, owed, .. } = change else { return Credits::ZERO };
        let (mut owed, mut taken) = (*owed, left(taken.as_ref()));
        let all = owed + taken;
        // An earlier undoing applied to what there was by then: the earliest comes first.
        let undoing = self.undoing.iter_mut().rev();
        for undoing in undoing.filter(|undoing| undoing.debt.grant == *grant) {
            let of_owed = undoing.debt.credits.min(owed);
            let most = if undoing.over { Credits::ZERO } else { taken };
            let of_taken = (undoing.debt.credits - of_owed).min(most);
            undoing.debt.credits -= of_owed + of_taken;
            owed -= of_owed;
            taken -= of_taken;
        }
        self.undoing.retain(|undoing| !undoing.debt.credits.is_zero());
        all - owed - taken
    }

    /// How much of the reversals that are undone now was not reached.
    pub fn rest(&self) -> Credits {
        self.undoing.iter().filter(|undoing| undoing.now).map(|undoing| undoing.debt.credits).sum()
    }
}
