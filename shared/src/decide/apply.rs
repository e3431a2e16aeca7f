//! Applies a write to an account in memory, as the table does when the write's guards hold.

use super::{AccountWrite, Step};
use crate::domain::hold::HeldFor;
use crate::domain::{Account, Credits, Instant};

impl AccountWrite {
    /// The account after this write, all of whose guards hold. `account`: the one before; None:
    /// there is none, and there is one after if this write opens it.
    pub fn apply(&self, account: Option<Account>) -> Option<Account> {
        match &self.then[..] {
            [Step::Open(opened)] => Some((**opened).clone()),
            steps => account.map(|mut account| {
                steps.iter().for_each(|step| step.apply(&mut account));
                account
            }),
        }
    }
}

impl Step {
    fn apply(&self, account: &mut Account) {
        match self {
            Step::Open(_) => unreachable!("the only step of its write"),
            Step::Add(credits) => account.available += *credits,
            Step::Consume(action, credits) => {
                *account.consumed.entry(*action).or_insert(Credits::ZERO) += *credits;
            }
            Step::Count(counter, credits) => {
                *account.used.entry(*counter).or_default() += *credits;
            }
            Step::SetUsed(counter, credits) => {
                account.used.insert(*counter, *credits);
            }
            Step::DropCount(counter) => {
                account.used.remove(counter);
            }
            Step::SetLimitsVersion(version) => account.limits_version = *version,
            Step::SetThreshold(threshold) => account.threshold = *threshold,
            Step::Append(entry) => {
                account.recent.push(entry.clone());
                account.seq += 1;
            }
            Step::AddPending(pending_changes) => {
                account.pending_changes.extend(pending_changes.iter().cloned());
                account.valid_until = Instant::EPOCH;
            }
            Step::Outdate => account.valid_until = Instant::EPOCH,
            Step::ValidUntil(at) => account.valid_until = *at,
            Step::SetGate(gate) => account.gate = *gate,
            Step::SetDebts(debts) => account.debts = debts.clone(),
            Step::SetHold(id, held) => {
                account.holds.insert(*id, held.clone());
            }
            Step::SetHoldTerms(id, terms) => {
                if let Some(held) = account.holds.get_mut(id) {
                    (held.lapsed, held.expires_at) = (terms.lapsed, terms.expires_at);
                }
            }
            Step::TakeOfHold(id, credits, quantity) => {
                if let Some(held) = account.holds.get_mut(id) {
                    held.amount -= *credits;
                    if let HeldFor::Action(action) = &mut held.purpose {
                        action.captured += *quantity;
                    }
                }
            }
            Step::DropHold(id) => {
                account.holds.remove(id);
            }
            Step::Advance(advanced) => {
                let advanced = (**advanced).clone();
                account.available = advanced.available;
                account.burn_order = advanced.burn_order;
                account.valid_until = advanced.valid_until;
                account.holds = advanced.holds;
                account.consumed = advanced.consumed;
                account.plan_state = advanced.plan_state;
                account.advanced_seq = advanced.advanced_seq;
                account.advanced_at = advanced.advanced_at;
                account.pending_changes.clear();
            }
            Step::Archive { count, archived_seq, dedup_floor, archived_at } => {
                account.recent.drain(..*count);
                account.archived_seq = *archived_seq;
                account.dedup_floor = *dedup_floor;
                account.archived_at = *archived_at;
            }
        }
    }
}
