//! Audits one account: reads all of it, and compares it with the sums of its entries.

use std::time::Duration;

use shared::context::Context;
use shared::decide::repair::REPAIR;
use shared::domain::period::Day;
use shared::domain::{AccountId, Seq};
use shared::store::{ScannedRow, Store, StoreError};

use crate::difference::{Difference, Kind};
use crate::findings::Findings;
use crate::ledger::Ledger;
use crate::payment;

/// How often an account with a difference is read. A real difference is the same each time; one
/// that comes from reading during a write changes each time, or goes away.
const READINGS: u32 = 3;
/// The pause between two reads, in which a caller finishes its operation.
const PAUSE: Duration = Duration::from_millis(10);

/// How far the audit of an account came.
#[derive(Debug)]
pub(crate) enum Audited {
    /// To its end, with these differences.
    Whole(Vec<Difference>),
    /// To this many entries.
    OutOfTime {
        entries: Seq,
    },
    OutOfMemory {
        entries: Seq,
    },
}

/// The differences of an account, its ledger and its payments. Writes nothing.
///
/// # Errors
/// [`StoreError`] if they cannot be read at all. A broken item is a difference.
pub async fn account(context: &Context, id: &AccountId) -> Result<Vec<Difference>, StoreError> {
    match audit(context, id, u64::MAX, || true).await? {
        Audited::Whole(found) => Ok(found),
        Audited::OutOfTime { .. } | Audited::OutOfMemory { .. } => {
            unreachable!("neither is limited")
        }
    }
}

/// The same, while `goes_on`, called between requests, returns true, and in at most about
/// `most_bytes` of memory beside the catalogs.
///
/// # Errors
/// As [`account`].
pub(crate) async fn audit(
    context: &Context,
    id: &AccountId,
    most_bytes: u64,
    mut goes_on: impl FnMut() -> bool,
) -> Result<Audited, StoreError> {
    let mut found = match read_once(context, id, most_bytes, &mut goes_on).await? {
        Audited::Whole(found) => found,
        stopped => return Ok(stopped),
    };
    for _ in 1..READINGS {
        if found.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let again = match read_once(context, id, most_bytes, &mut goes_on).await? {
            Audited::Whole(again) => again,
            // What the first reading found is said all the same.
            Audited::OutOfTime { .. } | Audited::OutOfMemory { .. } => break,
        };
        let seen_before = |difference: &Difference| found.iter().any(|d| d.is_again(difference));
        found = again.into_iter().filter(seen_before).collect();
    }
    Ok(Audited::Whole(found))
}

async fn read_once(
    context: &Context,
    id: &AccountId,
    most_bytes: u64,
    goes_on: &mut impl FnMut() -> bool,
) -> Result<Audited, StoreError> {
    let mut audit = Findings::of(id);
    // In this order: the account has every entry that a day counted, and an entry that is archived
    // meanwhile is in a segment by then.
    let days = audit.read(context.store.days(id, Day::FIRST, Day::LAST).await)?;
    let Some(account) = audit.read(context.store.account_as_written(id).await)? else {
        return Ok(Audited::Whole(audit.found));
    };
    let Some(account) = account else {
        orphans(&context.store, &mut audit).await?;
        return Ok(Audited::Whole(audit.found));
    };
    let mut ledger = Ledger::new(account, days.unwrap_or_default());
    let mut after = None;
    loop {
        let scan_part = context.store.scan_part(id, after.as_deref()).await?;
        for scanned in scan_part.scanned {
            if let Some(scanned) = audit.read(scanned)? {
                if let ScannedRow::Segment(segment) = &scanned {
                    ledger.prices.load(context, &segment.entries).await?;
                }
                ledger.take(scanned, &mut audit);
            }
        }
        after = scan_part.next;
        if after.is_none() {
            break;
        }
        let entries = ledger.book.next - 1;
        if ledger.bytes() > most_bytes {
            return Ok(Audited::OutOfMemory { entries });
        }
        if !goes_on() {
            return Ok(Audited::OutOfTime { entries });
        }
    }
    ledger.prices.load(context, &ledger.account.recent).await?;
    let orders = ledger.close(context.clock.now(), &mut audit);
    let (book, catalog) = (&ledger.book, context.catalog().await.version);
    if book.catalog > catalog {
        audit.differs(Kind::Catalog, format!("version {}", book.catalog), format!("{catalog}"));
    }
    // Where entries are lost, their payments and orders are not known.
    if book.whole {
        payment::of_account(context, &book.payments, &orders, &mut audit).await?;
        book.followed.compare(&mut audit);
    }
    let by_repair = book.frozen.as_ref().is_some_and(|(_, who)| who.as_deref() == Some(REPAIR));
    if ledger.account.gate.frozen && by_repair {
        let about_it = audit.found.iter_mut().filter(|difference| !difference.kind.is_of_money());
        about_it.for_each(|difference| difference.parked = true);
    }
    Ok(Audited::Whole(audit.found))
}

/// Reports the rows of an account that does not exist. Key aliases do not count: they are kept for
/// refused operations too.
async fn orphans(store: &Store, audit: &mut Findings<'_>) -> Result<(), StoreError> {
    let (mut segments, mut receipts, mut limits, mut after) = (0, 0, 0, None);
    loop {
        let scan_part = store.scan_part(audit.account, after.as_deref()).await?;
        for scanned in scan_part.scanned {
            match audit.read(scanned)? {
                Some(ScannedRow::Segment(_)) => segments += 1,
                Some(ScannedRow::IdempotencyRecord(_)) => receipts += 1,
                Some(ScannedRow::Limits(_)) => limits += 1,
                _ => {}
            }
        }
        after = scan_part.next;
        if after.is_none() {
            break;
        }
    }
    if segments + receipts + limits > 0 {
        let found = format!(
            "none, but {segments} segments, {receipts} idempotency records, {limits} rows of limits"
        );
        audit.differs(Kind::Account, "an account", found);
    }
    Ok(())
}
