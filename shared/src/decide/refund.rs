//! Refund: gives back what a debit or a capture charged, in part or whole.
//!
//! The account gets what it would have by now if the credits had never left. While its burn order
//! is still the one that they were burnt of, one number moves back. If an advance has come since,
//! the [history](super::history) tells.

use super::history::Back;
use super::limit;
use super::write::give_back;
use super::{AccountWrite, Guard, Returned, RowWrite, Step, Write};
use crate::domain::entry::{Charged, Explanation};
use crate::domain::ledger::PostedEntry;
use crate::domain::{Account, Catalog, Credits, Entry, EntryKind, Instant, OperationId, Refusal};

/// A request to give back what a debit or a capture charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    pub debit: OperationId,
    pub credits: Credits,
    pub explanation: Explanation,
    pub reference: Option<String>,
}

impl RefundRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let RefundRequest { debit, credits, explanation, reference } = self;
        let reference = reference.as_deref().unwrap_or("");
        format!("refund {debit} {credits} {reference:?} {}", explanation.content())
    }
}

impl RefundRequest {
    /// How much less the debit burnt with this refund; `refunded` of it was given back before.
    /// Credits that only a hold kept after their grant had expired do not come back: they would
    /// have expired.
    pub fn less(&self, charged: Charged, refunded: Credits) -> Credits {
        let after = refunded + self.credits;
        after.min(charged.burnt) - refunded.min(charged.burnt)
    }
}

/// The facts that the write of a refund needs in addition to the account.
#[derive(Clone, Debug)]
pub struct Known {
    pub debit: PostedEntry,
    /// The credits of the debit that were refunded before.
    pub refunded: Credits,
    /// The credits and debts that come back. None: no advance has come since the debit.
    pub back: Option<Back>,
    /// The entry of the hold that it captured of, where that may count for limits.
    pub hold: Option<PostedEntry>,
}

/// The write of a refund: the account's part, and the count of what the debit gave back.
///
/// # Errors
/// [`Refusal::DebitNotFound`] if the entry is no debit; [`Refusal::RefundExceeded`].
pub fn change(
    account: &Account,
    request: &RefundRequest,
    known: &Known,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<Write, Refusal> {
    let (entry, refunded) = (&known.debit.entry, known.refunded);
    let charged = entry.charged().ok_or(Refusal::DebitNotFound)?;
    let less = request.less(charged, refunded);
    let Charged { credits: charged, action, model, .. } = charged;
    let after = refunded + request.credits;
    if after > charged {
        return Err(Refusal::RefundExceeded { charged, refunded });
    }
    let (available, (mut when, mut then)) = match &known.back {
        Some(back) => {
            let (when, mut then) = back.give(account, None);
            then.push(Step::Add(back.burn_order.left()));
            (back.burn_order.left(), (when, then))
        }
        None => (less, give_back(account, less)),
    };
    // Consumption of an earlier period is not in the count.
    if entry.at >= account.plan_state.counted_from {
        then.push(Step::Consume(action.unwrap_or(0), -request.credits));
    }
    let hold = known.hold.as_ref().map(|hold| &hold.entry);
    let returned = limit::refunded(entry, hold, (charged, refunded), request.credits);
    let (limited, uncounted) = limit::give_back(account, returned, now);
    when.extend(limited);
    then.extend(uncounted);
    let (moved, unowed) = known.back.as_ref().map(Back::told).unwrap_or_default();
    let (debit, credits) = (entry.id, request.credits);
    let of = known.back.as_ref().map(|_| (known.debit.seq, less));
    let kind = EntryKind::Refunded { debit, credits, action, model, of, moved, unowed };
    then.push(Step::Append(Entry {
        available,
        // The user whose usage the refund reduces.
        user: entry.user.clone(),
        actor: actor.map(str::to_owned),
        reference: request.reference.clone(),
        reason: Some(request.explanation.reason.clone()),
        message: request.explanation.message.clone(),
        ..Entry::new(operation, now, catalog.version, kind)
    }));
    when.extend([Guard::ValidAt(now), Guard::AdvancedIs(account.advanced_seq), Guard::RoomFor(1)]);
    let count = Returned { debit: entry.id, before: refunded, after };
    let rows = vec![RowWrite::returned(&account.id, &count)];
    Ok(Write { account: Some(AccountWrite { account: account.id.clone(), when, then }), rows })
}
