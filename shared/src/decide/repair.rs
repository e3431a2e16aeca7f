//! Repair: the writes of `repair` after the tables were restored to different moments.
//!
//! Nothing here changes a balance. A row that is taken out of its place is quarantined under
//! another key, so that a person can still read it.

use super::own_limit::LimitRequest;
use super::refund::RefundRequest;
use super::revoke::RevokeRequest;
use super::{
    AccountWrite, Expect, Guard, IdempotencyRecord, Returned, Row, RowKey, RowWrite, Seen, Segment,
    Step, Write, plan,
};
use crate::decide::grant::GrantRequest;
use crate::decide::open::PlanRequest;
use crate::domain::entry::Explanation;
use crate::domain::limit::{Counter, OwnLimits};
use crate::domain::{AccountId, Credits, Entry, EntryKind, Key, KeySpace, Seq};

/// The actor that freezes an account which no rule can repair.
pub const REPAIR: &str = "scrip repair";

/// Quarantines a segment of entries that the account does not have, if the account has not archived
/// them meanwhile.
pub fn quarantine_segment(segment: Segment) -> Write {
    let key = RowKey::Segment(segment.account.clone(), segment.time, segment.first);
    let keeps = AccountWrite {
        account: segment.account.clone(),
        when: vec![Guard::KeepsFrom(segment.first)],
        then: Vec::new(),
    };
    let read = Expect::Is(Seen::Entries(segment.entries.clone()));
    Write { account: Some(keeps), rows: aside(Row::Segment(segment), key, read) }
}

/// Quarantines the idempotency record of an operation that the account does not have: the operation
/// can be sent again.
pub fn quarantine_record(receipt: IdempotencyRecord) -> Write {
    let key =
        RowKey::IdempotencyRecord(receipt.account.clone(), receipt.space, receipt.key.clone());
    let read = Expect::Is(Seen::Id(receipt.id));
    Write { account: None, rows: aside(Row::IdempotencyRecord(receipt), key, read) }
}

/// Moves a row to where no request looks for it, if it is as it was read.
fn aside(row: Row, key: RowKey, read: Expect) -> Vec<RowWrite> {
    vec![
        RowWrite::Delete(key, read),
        RowWrite::Put(Row::Quarantined(Box::new(row)), Expect::Absent),
    ]
}

/// Corrects the count of what was given back. Where nothing was given back there is no row: the
/// next refund expects none.
pub fn returned(account: &AccountId, count: &Returned) -> Write {
    Write::row(match count.after {
        Credits::ZERO => {
            let read = Expect::Is(Seen::Returned(count.before));
            RowWrite::Delete(RowKey::Returned(account.clone(), count.debit), read)
        }
        _ => RowWrite::returned(account, count),
    })
}

/// Corrects what was used of a limit, if no entry came since `seq`. A count of nothing is dropped.
pub fn used(account: &AccountId, seq: Seq, counter: Counter, used: Credits) -> Write {
    let step = match used {
        Credits::ZERO => Step::DropCount(counter),
        used => Step::SetUsed(counter, used),
    };
    let (account, when) = (account.clone(), vec![Guard::SeqIs(seq)]);
    Write::account(AccountWrite { account, when, then: vec![step] })
}

/// Writes the limits of an account's own, and their version, if no entry came since `seq`.
pub fn own_limits(account: &AccountId, seq: Seq, own: &OwnLimits) -> Write {
    let change = AccountWrite {
        account: account.clone(),
        when: vec![Guard::SeqIs(seq)],
        then: vec![Step::SetLimitsVersion(own.version)],
    };
    let row = match own.version {
        0 => RowWrite::Delete(RowKey::Limits(account.clone()), Expect::Any),
        _ => RowWrite::Put(Row::Limits(account.clone(), own.clone()), Expect::Any),
    };
    Write { account: Some(change), rows: vec![row] }
}

/// Quarantines the limits of an account that is missing: opened again, it has none.
pub fn quarantine_limits(account: &AccountId, own: OwnLimits) -> Write {
    let (key, read) = (RowKey::Limits(account.clone()), Expect::Is(Seen::Version(own.version)));
    Write { account: None, rows: aside(Row::Limits(account.clone(), own), key, read) }
}

/// The key space of the key of an entry with an idempotency record.
pub fn key_space(entry: &Entry) -> KeySpace {
    match entry.kind {
        EntryKind::Refunded { .. } => KeySpace::Services,
        EntryKind::LimitSet { .. } if entry.user.is_some() => KeySpace::Customers,
        _ if entry.actor.as_deref() == Some(REPAIR) => KeySpace::Repair,
        _ => KeySpace::Operators,
    }
}

/// The idempotency record of an entry, as it was or nearly so: an entry of a plan change does not
/// say whether the request named status and anchor. The same key with other content is refused, so
/// the operation does not happen twice either. None: the entry has no idempotency record.
pub fn receipt(account: &AccountId, entry: &Entry) -> Option<IdempotencyRecord> {
    let key: Key = entry.key.as_ref()?.parse().ok()?;
    let (reason, message) = (entry.reason.clone().unwrap_or_default(), entry.message.clone());
    let explanation = Explanation { reason, message };
    let reference = entry.reference.clone();
    let content = match &entry.kind {
        EntryKind::Opened { terms, .. } | EntryKind::PlanChanged { terms, .. } => {
            PlanRequest::of(&terms.plan).content()
        }
        EntryKind::Granted { kind, expires_at } => {
            let (credits, kind, expires_at) = (entry.available, *kind, *expires_at);
            GrantRequest { credits, explanation, kind, reference, expires_at }.content()
        }
        EntryKind::Revoked { grant, .. } => RevokeRequest { grant: *grant, explanation }.content(),
        EntryKind::Refunded { debit, credits, .. } => {
            let (debit, credits) = (*debit, *credits);
            RefundRequest { debit, credits, explanation, reference }.content()
        }
        EntryKind::Frozen => plan::freeze_content(true, &explanation),
        EntryKind::Unfrozen => plan::freeze_content(false, &explanation),
        EntryKind::LimitSet { of, per, at_most, .. } => {
            LimitRequest { of: of.clone(), per: *per, at_most: *at_most }.content()
        }
        EntryKind::DebtWaived { .. } => super::payment::waive_content(&explanation),
        _ => return None,
    };
    let space = key_space(entry);
    Some(IdempotencyRecord { account: account.clone(), space, key, id: entry.id, content })
}
