//! Refund: what a debit charged, given back, in part or whole.
//!
//! Credits go back where they would be had they never left. Spending advances along the line from
//! the left, so what comes back is the end of the stretch that was burnt of the debit's own line: if
//! that line is still the account's, one number moves back; if a settle has come since, the grants of
//! that stretch that have not expired come back as notes.

use super::{AccountWrite, Guard, RowWrite, Step, Write};
use crate::domain::grant::Line;
use crate::domain::ledger::Placed;
use crate::domain::{
    Account, Catalog, Credits, Entry, Grant, Instant, Movement, Note, OperationId, Refusal, Seq,
    What,
};

/// A request to give back what a debit charged.
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

/// The line that a debit was burnt of, if the account has another one by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The number of the entry that laid it out.
    pub seq: Seq,
    pub line: Line,
    /// What was burnt of it until it was settled.
    pub spent: Credits,
    /// How much of that was given back since.
    pub returned: Credits,
}

/// A count of what was given back, of a debit or of a line: so that nothing is given back twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    pub of: ReturnedOf,
    pub before: Credits,
    pub after: Credits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedOf {
    Debit(OperationId),
    Layout(Seq),
}

/// What the write of a refund needs to know besides the account.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub debit: &'a Placed,
    /// What was refunded of the debit before.
    pub refunded: Credits,
    /// None: no settle has come since the debit.
    pub layout: Option<&'a Layout>,
}

/// The refund: the account's part, and the counts of the debit, and of its line if that is not the
/// account's any more.
///
/// # Errors
/// [`Refusal::DebitNotFound`] if the entry is no debit; [`Refusal::RefundExceeded`].
pub fn change(
    account: &Account,
    request: &RefundRequest,
    known: Known<'_>,
    operation: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Result<Write, Refusal> {
    let entry = &known.debit.entry;
    let What::Debit { action, .. } = entry.what else {
        return Err(Refusal::DebitNotFound);
    };
    let (charged, refunded) = (-entry.available, known.refunded);
    if request.credits > charged - refunded {
        return Err(Refusal::RefundExceeded { charged, refunded });
    }
    let mut counts = vec![Returned {
        of: ReturnedOf::Debit(entry.id),
        before: refunded,
        after: refunded + request.credits,
    }];
    let back: Vec<Grant> = match known.layout {
        None => Vec::new(),
        Some(layout) => {
            let before = layout.returned;
            let after = before + request.credits;
            counts.push(Returned { of: ReturnedOf::Layout(layout.seq), before, after });
            let stretch = layout.stretch(request.credits);
            stretch.into_iter().filter(|grant| !grant.is_expired(now)).collect()
        }
    };
    let available = match known.layout {
        None => request.credits,
        Some(_) => back.iter().map(|grant| grant.left).sum(),
    };
    let moved = back.iter().map(|grant| Movement {
        grant: grant.id,
        kind: grant.kind,
        credits: grant.left,
        expires_at: grant.expires_at,
    });
    let what = What::Refunded {
        debit: entry.id,
        credits: request.credits,
        action,
        moved: moved.collect(),
    };
    let mut then = vec![Step::Add(available)];
    // What was consumed before this period is not counted in it any more.
    if entry.at >= account.standing.counted_from {
        then.push(Step::Consume(action.unwrap_or(0), -request.credits));
    }
    if !back.is_empty() {
        then.push(Step::Notes(back.into_iter().map(Note::Grant).collect()));
    }
    then.push(Step::Append(Entry {
        available,
        // Whose use is less by it.
        user: entry.user.clone(),
        reference: request.reference.clone(),
        reason: Some(request.reason.clone()),
        ..Entry::new(operation, now, catalog.version, what)
    }));
    let when = vec![Guard::ValidAt(now), Guard::SettledIs(account.settled_seq), Guard::RoomFor(1)];
    let rows = counts.iter().map(|count| RowWrite::returned(&account.id, count)).collect();
    let account = Some(AccountWrite { account: account.id.clone(), when, then });
    Ok(Write { account, rows })
}

impl Layout {
    /// The last `credits` that were burnt of the line and are not given back yet, by grant.
    fn stretch(&self, credits: Credits) -> Vec<Grant> {
        let end = self.spent - self.returned;
        let credits = credits.min(end);
        let left_after = |spent: Credits| {
            let mut line = self.line.clone();
            // What was spent of a line is covered by it: a reader of accounts checks that.
            match line.burn(spent) {
                Ok(()) => line,
                Err(_) => Line::default(),
            }
        };
        let (now, then) = (left_after(end), left_after(end - credits));
        let of = |line: &Line, grant: &Grant| {
            let found = line.grants().iter().find(|other| other.id == grant.id);
            found.map_or(Credits::ZERO, |found| found.left)
        };
        let burnt = then.grants().iter().map(|grant| {
            let left = grant.left - of(&now, grant);
            Grant { left, ..grant.clone() }
        });
        burnt.filter(|grant| !grant.left.is_zero()).collect()
    }
}
