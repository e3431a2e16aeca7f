//! Refund: what a debit or a capture charged, given back, in part or whole.
//!
//! What comes back is what would be there by now had it never left. While the line it was burnt of is
//! still the account's, one number moves back. If a settle has come since, the history is gone through
//! again as if it had never left, and the difference comes back: with its grants, of which some may be
//! over by now, and some spent in the place of others.

use std::collections::{BTreeMap, BTreeSet};

use super::write::give_back;
use super::{AccountWrite, Fault, Guard, Returned, RowWrite, Step, Write};
use crate::domain::catalog::ActionNumber;
use crate::domain::grant::{Line, Overspent};
use crate::domain::ledger::Placed;
use crate::domain::{
    Account, AccountId, Catalog, Credits, Entry, Grant, Instant, Movement, Note, OperationId,
    Refusal, What,
};

/// A request to give back what a debit or a capture charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    pub debit: OperationId,
    pub credits: Credits,
    /// Why: up to 256 characters.
    pub reason: String,
    pub reference: Option<String>,
}

impl RefundRequest {
    /// The request in one line, for its receipt.
    pub fn content(&self) -> String {
        let RefundRequest { debit, credits, reason, reference } = self;
        let reference = reference.as_deref().unwrap_or("");
        format!("refund {debit} {credits} {reference:?} {reason:?}")
    }
}

/// What the write of a refund needs to know besides the account.
#[derive(Clone, Debug)]
pub struct Known {
    pub debit: Placed,
    /// What was refunded of the debit before.
    pub refunded: Credits,
    /// What comes back, by [`History::returns`]. None: no settle has come since the debit.
    pub back: Option<Line>,
}

/// What a debit or a capture charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    credits: Credits,
    /// How much of them was burnt of the line: what had lapsed while it was held was of it no more.
    burnt: Credits,
    action: Option<ActionNumber>,
}

impl Charged {
    /// What an entry charged. None if it is neither a debit nor a capture.
    pub fn by(entry: &Entry) -> Option<Charged> {
        match entry.what {
            What::Debit { action, .. } => {
                let credits = -entry.available;
                Some(Charged { credits, burnt: credits, action })
            }
            What::Captured { action, credits, lapsed, .. } => {
                Some(Charged { credits, burnt: credits - lapsed, action })
            }
            _ => None,
        }
    }
}

/// The refund: the account's part, and the count of the debit.
///
/// # Errors
/// [`Refusal::DebitNotFound`] if the entry is no debit; [`Refusal::RefundExceeded`].
pub fn change(
    account: &Account,
    request: &RefundRequest,
    known: &Known,
    operation: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Result<Write, Refusal> {
    let (entry, refunded) = (&known.debit.entry, known.refunded);
    let charged = Charged::by(entry).ok_or(Refusal::DebitNotFound)?;
    let Charged { credits: charged, burnt, action } = charged;
    let after = refunded + request.credits;
    if after > charged {
        return Err(Refusal::RefundExceeded { charged, refunded });
    }
    let grants = known.back.as_ref().map_or(&[][..], Line::grants);
    let available = match &known.back {
        Some(back) => back.left(),
        // Of what a hold kept of a grant that lapsed nothing comes back: it would have lapsed.
        None => after.min(burnt) - refunded.min(burnt),
    };
    let (mut when, mut then) = match grants {
        [] => give_back(account, available),
        grants => {
            let notes = grants.iter().cloned().map(Note::Returned).collect();
            (Vec::new(), vec![Step::Add(available), Step::Notes(notes)])
        }
    };
    // What was consumed before this period is not counted in it any more.
    if entry.at >= account.standing.counted_from {
        then.push(Step::Consume(action.unwrap_or(0), -request.credits));
    }
    let moved = grants.iter().map(|grant| Movement::of(grant, grant.left)).collect();
    let (debit, credits) = (entry.id, request.credits);
    let what = What::Refunded { debit, credits, action, moved };
    then.push(Step::Append(Entry {
        available,
        // Whose use is less by it.
        user: entry.user.clone(),
        reference: request.reference.clone(),
        reason: Some(request.reason.clone()),
        ..Entry::new(operation, now, catalog.version, what)
    }));
    when.extend([Guard::ValidAt(now), Guard::SettledIs(account.settled_seq), Guard::RoomFor(1)]);
    let count = Returned { debit: entry.id, before: refunded, after };
    let rows = vec![RowWrite::returned(&account.id, &count)];
    Ok(Write { account: Some(AccountWrite { account: account.id.clone(), when, then }), rows })
}

/// How many entries beyond the debit's own line are looked at for the debits of other refunds: they
/// overlap without end where somebody refunds all the time.
const MOST_BEYOND: usize = 2_048;

/// What happened to the lines of an account, from its latest settle back to where a debit was burnt;
/// and on to where others were that were refunded since, because that changed what was there.
#[derive(Debug)]
pub struct History {
    debit: OperationId,
    /// The debits that are not come to yet.
    sought: BTreeSet<OperationId>,
    /// How many entries were looked at since the debit was come to.
    beyond: usize,
    /// The latest first.
    past: Vec<Past>,
}

/// What of an entry matters to the lines.
#[derive(Debug)]
enum Past {
    /// A line was laid out; so much was spent of the one before.
    LaidOut {
        line: Line,
        spent: Credits,
        at: Instant,
    },
    Burnt {
        debit: OperationId,
        credits: Credits,
        at: Instant,
    },
    Refunded {
        debit: OperationId,
        credits: Credits,
        moved: Vec<Movement>,
    },
}

impl History {
    /// The history that a refund of `debit` needs.
    pub fn of(debit: OperationId) -> History {
        History { debit, sought: BTreeSet::from([debit]), beyond: 0, past: Vec::new() }
    }

    /// Takes the next entry, the latest settle first. True: that is all it needs.
    pub fn take(&mut self, entry: &Entry) -> bool {
        let at = entry.at;
        let found = !self.sought.contains(&self.debit);
        self.beyond += usize::from(found);
        match &entry.what {
            What::Settled { line, spent, .. } => {
                self.past.push(Past::LaidOut { line: line.clone(), spent: *spent, at });
                return self.sought.is_empty() || (found && self.beyond > MOST_BEYOND);
            }
            What::Opened { moved, .. } => {
                let line = opened(moved, at);
                self.past.push(Past::LaidOut { line, spent: Credits::ZERO, at });
                return true;
            }
            What::Refunded { debit, credits, moved, .. } => {
                let (debit, credits, moved) = (*debit, *credits, moved.clone());
                self.past.push(Past::Refunded { debit, credits, moved });
                self.sought.insert(debit);
            }
            _ => {
                if let Some(Charged { burnt: credits, .. }) = Charged::by(entry) {
                    self.past.push(Past::Burnt { debit: entry.id, credits, at });
                    self.sought.remove(&entry.id);
                }
            }
        }
        false
    }

    /// What comes back to the latest line when `credits` of `debit` are refunded: by how much it would
    /// hold more had they never left.
    ///
    /// # Errors
    /// [`Fault`] if the entries contradict each other.
    pub fn returns(
        &self,
        account: &AccountId,
        debit: OperationId,
        credits: Credits,
    ) -> Result<Line, Fault> {
        let broken = |problem: String| Fault::Account { account: account.to_string(), problem };
        self.replayed(debit, credits).map_err(|overspent| broken(overspent.to_string()))
    }

    fn replayed(&self, debit: OperationId, credits: Credits) -> Result<Line, Overspent> {
        let mut refunds = BTreeMap::from([(debit, credits)]);
        for past in &self.past {
            if let Past::Refunded { debit, credits, .. } = past {
                *refunds.entry(*debit).or_default() += *credits;
            }
        }
        let mut past = self.past.iter().rev();
        let Some(Past::LaidOut { line, .. }) = past.next() else { return Ok(Line::default()) };
        // The line as it was, and as it would be by then if what was refunded, before or now, had
        // never left.
        let (mut line, mut never) = (line.clone(), line.clone());
        for past in past {
            match past {
                Past::Burnt { debit, credits, at } => {
                    never.expire(*at);
                    let refunded = refunds.get(debit).copied().unwrap_or_default();
                    never.burn(*credits - refunded.min(*credits))?;
                }
                Past::Refunded { debit, moved, .. } => {
                    for moved in moved {
                        let grant = grant_of(moved, &never);
                        // Of a debit that was not come to: as if it had been granted now.
                        if self.sought.contains(debit) {
                            never.add(grant.clone());
                        }
                        line.add(grant);
                    }
                }
                Past::LaidOut { line: next, spent, at } => {
                    line.burn(*spent)?;
                    let mut more = never.less(&line);
                    more.expire(*at);
                    line = next.clone();
                    never = next.clone();
                    more.into_grants().for_each(|grant| never.add(grant));
                }
            }
        }
        Ok(never.less(&line))
    }
}

/// The grant that came back by a movement, as `never` knows it: it would have been there anyway.
fn grant_of(moved: &Movement, never: &Line) -> Grant {
    match never.grants().iter().find(|grant| grant.id == moved.grant) {
        Some(grant) => Grant { left: moved.credits, ..grant.clone() },
        None => arrived(moved, Instant::EPOCH),
    }
}

/// The grant that arrived by a movement.
fn arrived(moved: &Movement, at: Instant) -> Grant {
    Grant::new(moved.grant, moved.kind, moved.credits, at, moved.expires_at)
}

/// The line of an account as it was opened.
fn opened(moved: &[Movement], at: Instant) -> Line {
    let grants = moved.iter().map(|moved| arrived(moved, at));
    Line::new(grants.filter(|grant| grant.left > Credits::ZERO).collect())
}
