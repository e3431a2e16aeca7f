//! Mend: what `repair` writes after the tables were restored to different moments.
//!
//! Nothing here changes a balance. What is taken out of a place is set aside under another key, so
//! that a person can still read it.

use super::refund::RefundRequest;
use super::{
    AccountWrite, Expect, Guard, IdempotencyRecord, Returned, Row, RowKey, RowWrite, Seen, Segment,
    Write, plan,
};
use crate::decide::grant::GrantRequest;
use crate::decide::open::PlanRequest;
use crate::domain::entry::Explanation;
use crate::domain::{AccountId, Credits, Entry, EntryKind, Key, KeySpace};

/// Who freezes an account that cannot be put right by a rule.
pub const REPAIR: &str = "scrip repair";

/// A segment of entries that the account does not have, set aside, if it has not let go of them meanwhile.
pub fn set_page_aside(segment: Segment) -> Write {
    let key = RowKey::Segment(segment.account.clone(), segment.time, segment.first);
    let keeps = AccountWrite {
        account: segment.account.clone(),
        when: vec![Guard::KeepsFrom(segment.first)],
        then: Vec::new(),
    };
    let read = Expect::Is(Seen::Entries(segment.entries.clone()));
    Write { account: Some(keeps), rows: aside(Row::Segment(segment), key, read) }
}

/// A receipt of an operation that the account does not have, set aside: it can be sent again.
pub fn set_receipt_aside(receipt: IdempotencyRecord) -> Write {
    let key =
        RowKey::IdempotencyRecord(receipt.account.clone(), receipt.space, receipt.key.clone());
    let read = Expect::Is(Seen::Id(receipt.id));
    Write { account: None, rows: aside(Row::IdempotencyRecord(receipt), key, read) }
}

/// A row moved to where nobody looks for it, if it is as it was read.
fn aside(row: Row, key: RowKey, read: Expect) -> Vec<RowWrite> {
    vec![RowWrite::Delete(key, read), RowWrite::Put(Row::Aside(Box::new(row)), Expect::Absent)]
}

/// A count of what was given back, put right. Nothing given back is no row: that is what the next
/// refund counts on.
pub fn returned(account: &AccountId, count: &Returned) -> Write {
    Write::row(match count.after {
        Credits::ZERO => {
            let read = Expect::Is(Seen::Returned(count.before));
            RowWrite::Delete(RowKey::Returned(account.clone(), count.debit), read)
        }
        _ => RowWrite::returned(account, count),
    })
}

/// Whose keys the key of an entry with a receipt is one of.
pub fn key_space(entry: &Entry) -> KeySpace {
    match entry.kind {
        EntryKind::Refunded { .. } => KeySpace::Services,
        _ if entry.user.as_deref() == Some(REPAIR) => KeySpace::Repair,
        _ => KeySpace::Operators,
    }
}

/// The receipt of an entry that has one, as it was or as good as: of a change of plan it is not known
/// whether status and anchor were asked for. Sent again with other content it is refused, and so it
/// does not happen twice either. None: the entry has none.
pub fn receipt(account: &AccountId, entry: &Entry) -> Option<IdempotencyRecord> {
    let key: Key = entry.key.as_ref()?.parse().ok()?;
    let (reason, message) = (entry.reason.clone().unwrap_or_default(), entry.message.clone());
    let explanation = Explanation { reason, message };
    let reference = entry.reference.clone();
    let content = match &entry.kind {
        EntryKind::Opened { plan, .. } | EntryKind::PlanChanged { plan, .. } => {
            let (plan, status, anchor) = (plan.clone(), None, None);
            PlanRequest { plan, status, anchor, restart: false }.content()
        }
        EntryKind::Granted { kind, expires_at } => {
            let (credits, kind, expires_at) = (entry.available, *kind, *expires_at);
            GrantRequest { credits, explanation, kind, reference, expires_at }.content()
        }
        EntryKind::Refunded { debit, credits, .. } => {
            RefundRequest { debit: *debit, credits: *credits, explanation, reference }.content()
        }
        EntryKind::Frozen => plan::freeze_content(true, &explanation),
        EntryKind::Unfrozen => plan::freeze_content(false, &explanation),
        EntryKind::DebtWaived { .. } => super::payment::waive_content(&explanation),
        _ => return None,
    };
    let space = key_space(entry);
    Some(IdempotencyRecord { account: account.clone(), space, key, id: entry.id, content })
}
