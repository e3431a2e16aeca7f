//! Replay: finds what comes back from a history.

use super::both::{Both, LaidOut};
use super::{Back, History, Past, Undoing, Undone};
use crate::decide::{Fault, STAMP_MARGIN};
use crate::domain::grant::{BurnOrder, Overspent};
use crate::domain::{Account, Credits, Debt, DebtChange, Debts, Grant, Instant, Movement, Seq};

/// Why it is not known what comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The entries contradict each other.
    Broken(Fault),
    /// A grant expires among the entries before the advance of this number, and they were skipped.
    Within(Seq),
}

/// The same, before the account is named.
enum Replay {
    Broken(Overspent),
    Within(Seq),
}

impl From<Overspent> for Replay {
    fn from(overspent: Overspent) -> Replay {
        Replay::Broken(overspent)
    }
}

impl History {
    /// Finds what comes back to the latest burn order of `account`, and what is not owed any more.
    ///
    /// # Errors
    /// [`Unclear`].
    pub fn back(&self, account: &Account) -> Result<Back, Unclear> {
        self.replay(&account.debts).map_err(|problem| match problem {
            Replay::Within(advance) => Unclear::Within(advance),
            Replay::Broken(problem) => {
                let (account, problem) = (account.id.to_string(), problem.to_string());
                Unclear::Broken(Fault::Account { account, problem })
            }
        })
    }

    fn replay(&self, debts: &Debts) -> Result<Back, Replay> {
        let mut both = Both::owing(self.owed_at_first(debts));
        let past: Vec<&Past> = self.past.iter().rev().collect();
        for (place, kind) in past.iter().enumerate() {
            match kind {
                Past::Burnt { debit, credits, at } => {
                    both.expire(*at);
                    let refunded = self.refunds.get(debit).copied().unwrap_or_default();
                    both.never.burn(*credits - refunded.min(*credits))?;
                }
                Past::Back { of, unowed, .. } => both.forgive(unowed, self.is_known(*of)),
                Past::Waived(debts) => both.waive(debts),
                Past::Revoked(grant) => both.revoke(*grant),
                Past::Skipped { undone, until } => {
                    let (next, _) = self.until_next(&past[place + 1..]);
                    let Some(next) = next else { continue };
                    // Only the entries tell how much was burnt before the expiry of a grant outside
                    // the burn order. A grant of the burn order itself is not burnt after its
                    // expiry.
                    let ends = |grant: &Grant| {
                        !next.knows(grant.id) && grant.is_expired(*until + STAMP_MARGIN)
                    };
                    if both.never.grants().iter().any(ends) {
                        return Err(Replay::Within(next.seq));
                    }
                    both.never.burn(next.burnt.left() - *undone)?;
                }
                Past::LaidOut(laid_out) => {
                    let (next, back) = self.until_next(&past[place + 1..]);
                    let burnt = next.map(|next| next.burnt.clone()).unwrap_or_default();
                    both.lay_out(laid_out, burnt, &back);
                }
            }
        }
        Ok(self.at_most(both))
    }

    /// Limits what comes back to what is undone now. A history that is cut short does not know all
    /// that was undone before: by what it knows, credits that an earlier refund gave back to one
    /// grant may have come from another, and would come back twice. Grants that are burnt first
    /// come back first.
    fn at_most(&self, mut both: Both) -> Back {
        let mut rest = self.most;
        let mut part = |credits: Credits| {
            let part = credits.min(rest);
            rest -= part;
            part
        };
        let debts = both.unowed.iter();
        let unowed = debts.map(|debt| Debt { credits: part(debt.credits), ..debt }).collect();
        let mut burn_order = BurnOrder::default();
        both.never.take(rest, |_| true).into_iter().for_each(|grant| burn_order.add(grant));
        Back { burn_order, unowed }
    }

    /// Whether the operation that an entry undid was reached.
    fn is_known(&self, undone: Undone) -> bool {
        match undone {
            Undone::Debit(debit) => !self.sought.contains_key(&debit),
            Undone::Reversal(grant) => {
                let of = |undoing: &Undoing| undoing.debt.grant == grant;
                !self.undoing.iter().any(|undoing| !undoing.now && of(undoing))
            }
        }
    }

    /// The next burn order, and what came back to this one until then that would have been there
    /// anyway. If the undone operation was not reached, its credits count as new arrivals, either
    /// way.
    fn until_next<'a>(&self, after: &[&'a Past]) -> (Option<&'a LaidOut>, BurnOrder) {
        let mut back = BurnOrder::default();
        for past in after {
            match past {
                Past::LaidOut(next) => return (Some(next), back),
                Past::Back { of, moved, .. } if self.is_known(*of) => {
                    moved.iter().map(came_back).for_each(|grant| back.add(grant));
                }
                _ => {}
            }
        }
        (None, back)
    }

    /// The debts before the first burn order that was reached, from the debts of now.
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
                Past::Burnt { .. } | Past::Skipped { .. } | Past::Revoked(_) => {}
            }
        }
        owed
    }
}

/// The part of a grant that came back.
fn came_back(moved: &Movement) -> Grant {
    let Movement { grant, kind, credits, expires_at } = *moved;
    Grant::new(grant, kind, credits, Instant::EPOCH, expires_at)
}
