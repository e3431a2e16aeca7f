//! History: what would be there by now, had something never left.
//!
//! Credits leave an account by debits, and when the money for them goes back. Either can be undone: a
//! debit is refunded, a dispute is won. Then what has happened since is gone through once more, as it
//! was and as it would have been, and the difference comes back: with its grants, of which some may
//! be over by now and some spent in the place of others, and with what is not owed then.

mod both;

use std::collections::{BTreeMap, BTreeSet};

use both::{Both, LaidOut, arrived, left};

use super::{Fault, Guard, MARGIN, Step};
use crate::domain::entry::Charged;
use crate::domain::grant::{Line, Overspent};
use crate::domain::{
    Account, Credits, Debt, DebtChange, Debts, Entry, GrantId, Instant, Movement, Note,
    OperationId, What,
};

/// How many entries beyond what is undone are looked at for what was undone before: they overlap
/// without end where somebody refunds all the time.
const MOST_BEYOND: usize = 2_048;
/// How many entries are looked at for a reversal that is undone: more are not read in the time that a
/// call has. What is not come to then arrives like something new.
const MOST: usize = 200_000;

/// What comes back when something is undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// By how much the latest line would hold more.
    pub line: Line,
    /// What would not be owed.
    pub unowed: Debts,
}

impl Back {
    /// What gives it to the account, and with it what `arrives` besides: what that asks for, and what
    /// it does.
    pub(super) fn give(&self, account: &Account, arrives: Option<Note>) -> (Vec<Guard>, Vec<Step>) {
        let (mut when, mut then) = (Vec::new(), Vec::new());
        if !self.unowed.is_empty() {
            when.push(Guard::DebtsAre(account.debts.clone()));
            then.push(Step::SetDebts(account.debts.less(&self.unowed)));
        }
        let returned = self.line.grants().iter().cloned().map(Note::Returned);
        let notes: Vec<Note> = returned.chain(arrives).collect();
        // Also if nothing comes back: a settle opens the gate, and tells what comes next from this.
        then.push(if notes.is_empty() { Step::Unsettle } else { Step::Notes(notes) });
        (when, then)
    }

    /// Whether some of it is over at `now`: a settle has to say what was spent of it before its end.
    pub fn is_over(&self, now: Instant) -> bool {
        self.line.grants().iter().any(|grant| grant.is_expired(now))
    }

    /// What the entry tells of it.
    pub(super) fn told(&self) -> (Vec<Movement>, Debts) {
        let moved = self.line.grants().iter().map(|grant| Movement::of(grant, grant.left));
        (moved.collect(), self.unowed.clone())
    }
}

/// What happened to an account, from now back to where something left that is undone now; and on to
/// where everything left that was undone since, because that changed what was there.
#[derive(Debug)]
pub struct History {
    /// The debit that is refunded now, if it is a debit that is undone.
    debit: Option<OperationId>,
    /// Nothing that is undone of reversals now happened earlier,
    since: Instant,
    /// and whether that was come to.
    begun: bool,
    /// What is undone of debits, now and by the refunds that were come to.
    refunds: BTreeMap<OperationId, Credits>,
    /// Those of them that are not come to yet.
    sought: BTreeSet<OperationId>,
    /// What is undone of reversals that are not come to yet; what is undone now comes first.
    undoing: Vec<Undoing>,
    /// How many entries were looked at,
    looked: usize,
    /// and how many since what is undone now was come to.
    beyond: usize,
    /// Whether the latest settle was come to.
    settled: bool,
    /// The latest first.
    past: Vec<Past>,
}

/// Credits of a grant that had been taken back, or are owed, until this undid it.
#[derive(Clone, Copy, Debug)]
struct Undoing {
    debt: Debt,
    /// Whether the grant was over by then: what had been left of it would have lapsed, and only what
    /// was owed is undone.
    over: bool,
    /// Whether it is what is undone now.
    now: bool,
}

/// What of an entry matters.
#[derive(Debug)]
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
}

/// What an entry undid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    Debit(OperationId),
    Reversal(GrantId),
}

impl History {
    /// The history of a refund of so much of `debit`.
    pub fn of_refund(debit: OperationId, credits: Credits) -> History {
        History {
            debit: Some(debit),
            refunds: BTreeMap::from([(debit, credits)]),
            sought: BTreeSet::from([debit]),
            ..History::of(Vec::new())
        }
    }

    /// The history of giving back so many credits of a grant, the money for which went back before.
    /// `over`: whether the grant is over by now. `since`: nothing of it happened earlier.
    pub fn of_reversal(debt: Debt, over: bool, since: Instant) -> History {
        let undoing = vec![Undoing { debt, over, now: true }];
        History { since, ..History::of(undoing) }
    }

    fn of(undoing: Vec<Undoing>) -> History {
        let (refunds, sought) = (BTreeMap::new(), BTreeSet::new());
        let (looked, beyond, settled, past) = (0, 0, false, Vec::new());
        let (debit, since) = (None, Instant::EPOCH);
        let begun = false;
        History { debit, since, begun, refunds, sought, undoing, looked, beyond, settled, past }
    }

    /// Takes the next entry, the latest first. True: that is all it needs.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let at = entry.at;
        let seeks = self.debit.is_some_and(|debit| self.sought.contains(&debit));
        // Nothing of what is undone now is further back.
        self.begun |= at + MARGIN < self.since;
        let found = !seeks && (self.begun || self.rest().is_zero());
        self.looked += 1;
        self.beyond += usize::from(found);
        match &entry.what {
            What::Settled { line, spent, debts, .. } => {
                let debts = debts.iter().rev().map(|change| (change.clone(), self.undo(change)));
                let mut debts: Vec<_> = debts.collect();
                debts.reverse();
                let (line, spent) = (line.clone(), *spent);
                self.past.push(Past::LaidOut(LaidOut { line, spent, at, debts }));
                self.settled = true;
                let open = self.undoing.iter().any(|undoing| !undoing.now || !self.begun);
                let all = self.sought.is_empty() && !open;
                let enough = self.debit.is_none() && self.looked > MOST;
                return all || enough || (found && self.beyond > MOST_BEYOND);
            }
            What::Opened { moved, .. } => {
                let (line, spent, debts) = (opened(moved, at), Credits::ZERO, Vec::new());
                self.past.push(Past::LaidOut(LaidOut { line, spent, at, debts }));
                return true;
            }
            What::DebtWaived { debts } => self.past.push(Past::Waived(debts.clone())),
            What::ToppedUp { undone: Some(debt), moved, unowed, expires_at, .. } => {
                let over = expires_at.is_some_and(|end| end <= at);
                self.undoing.push(Undoing { debt: *debt, over, now: false });
                let (of, moved) = (Undone::Reversal(debt.grant), moved.clone());
                self.past.push(Past::Back { of, moved, unowed: unowed.clone() });
            }
            What::Refunded { debit, credits, moved, unowed, .. } => {
                *self.refunds.entry(*debit).or_default() += *credits;
                self.sought.insert(*debit);
                let (of, moved) = (Undone::Debit(*debit), moved.clone());
                self.past.push(Past::Back { of, moved, unowed: unowed.clone() });
            }
            _ => {
                if let Some(Charged { burnt: credits, .. }) = entry.charged() {
                    // Since the latest settle it is spent of the line as it will be.
                    if self.settled {
                        self.past.push(Past::Burnt { debit: entry.id, credits, at });
                    }
                    self.sought.remove(&entry.id);
                }
            }
        }
        false
    }

    /// How much of a change is undone: what was owed by it before what was taken.
    fn undo(&mut self, change: &DebtChange) -> Credits {
        let DebtChange::Reversed { grant, taken, owed } = change else { return Credits::ZERO };
        let (mut owed, mut taken) = (*owed, left(taken.as_ref()));
        let all = owed + taken;
        // What was undone before was undone of what there was by then: the earliest comes first.
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

    /// What was to be undone of reversals now, and of which none was come to.
    pub fn rest(&self) -> Credits {
        self.undoing.iter().filter(|undoing| undoing.now).map(|undoing| undoing.debt.credits).sum()
    }

    /// What comes back to the latest line of `account`, and what is not owed any more.
    ///
    /// # Errors
    /// [`Fault`] if the entries contradict each other.
    pub fn back(&self, account: &Account) -> Result<Back, Fault> {
        let broken = |problem: String| Fault::Account { account: account.id.to_string(), problem };
        self.replay(&account.debts).map_err(|overspent| broken(overspent.to_string()))
    }

    fn replay(&self, debts: &Debts) -> Result<Back, Overspent> {
        let mut both = Both::owing(self.owed_at_first(debts));
        let mut past = self.past.iter().rev();
        if let Some(Past::LaidOut(first)) = past.next() {
            both.lay_out(Line::default(), first);
        }
        for past in past {
            match past {
                Past::Burnt { debit, credits, at } => {
                    both.expire(*at);
                    let refunded = self.refunds.get(debit).copied().unwrap_or_default();
                    both.never.burn(*credits - refunded.min(*credits))?;
                }
                Past::Back { of, moved, unowed } => {
                    // Of what was not come to: as if it had arrived now.
                    let unknown = match of {
                        Undone::Debit(debit) => self.sought.contains(debit),
                        Undone::Reversal(grant) => {
                            let of = |undoing: &Undoing| undoing.debt.grant == *grant;
                            self.undoing.iter().any(|undoing| !undoing.now && of(undoing))
                        }
                    };
                    both.give(moved, unowed, unknown);
                }
                Past::Waived(debts) => both.waive(debts),
                Past::LaidOut(laid_out) => {
                    both.line.burn(laid_out.spent)?;
                    let more = both.never.less(&both.line);
                    both.lay_out(more, laid_out);
                }
            }
        }
        Ok(Back { line: both.never.less(&both.line), unowed: both.unowed })
    }

    /// What was owed before the first line that was come to, by what is owed now.
    fn owed_at_first(&self, debts: &Debts) -> Debts {
        let mut owed = debts.clone();
        for past in &self.past {
            match past {
                Past::LaidOut(LaidOut { debts, .. }) => {
                    for (change, _) in debts.iter().rev() {
                        match change {
                            DebtChange::Reversed { grant, owed: more, .. } => {
                                owed.pay(*grant, *more);
                            }
                            DebtChange::Repaid { grant, by } => owed.restore(*grant, by.left),
                        }
                    }
                }
                Past::Back { unowed: less, .. } | Past::Waived(less) => {
                    let less: Vec<Debt> = less.iter().collect();
                    less.iter().rev().for_each(|debt| owed.restore(debt.grant, debt.credits));
                }
                Past::Burnt { .. } => {}
            }
        }
        owed
    }
}

/// The line of an account as it was opened.
fn opened(moved: &[Movement], at: Instant) -> Line {
    let grants = moved.iter().map(|moved| arrived(moved, at));
    Line::new(grants.filter(|grant| grant.left > Credits::ZERO).collect())
}
