//! Pages: entries leave the account for their final place, sixteen at a time.
//!
//! The page is written first, the durable copy; then the account forgets its entries. Debits go on
//! meanwhile.

use super::{AccountWrite, Guard, Page, Step};
use crate::domain::{Account, Instant, What};

/// How many entries an account may hold before an operation has to write a page first. A settle is
/// never kept waiting, and may exceed it by one.
pub const CAPACITY: usize = 64;
/// How many entries a page takes: 16 make the two writes of a page cost 2/16 of a debit each.
const TAKE: usize = 16;
/// How many of the youngest entries stay, so that ids on their way stay above the floor.
const LEAVE: usize = 8;
/// Beyond the first page that is due, how often one is due again while none was written.
const AGAIN: usize = 8;
/// What an open hold weighs besides its entry: its id in base64, its packed form.
const HOLD_BYTES: usize = 40;
/// DynamoDB charges one write unit per started KB of the item.
const UNIT_BYTES: usize = 1024;
/// Below this an account's entries are not worth a page: the account itself fills its KB.
const WORTH_BYTES: usize = 384;
/// The most that a page holds besides its entries and the account's id, in bytes.
const PAGE_OVERHEAD_BYTES: usize = 64;

/// What an account and its recent entries weigh in the table, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub item: usize,
    /// One for each recent entry, oldest first.
    pub recent: Vec<usize>,
}

/// How many entries the caller that appended the last `appended` should move to a page; 0: none.
///
/// Due for the caller that takes the list across 24, 32, ..., and for all while the next operation may
/// take the item into the next write unit.
pub fn due(account: &Account, weight: &Weight, appended: usize) -> usize {
    let count = weight.recent.len();
    // Where the account was read after the write, they may have left already.
    let appended = appended.min(count);
    let steps = |count: usize| (count + AGAIN).saturating_sub(TAKE + LEAVE) / AGAIN;
    let many = steps(count) > steps(count - appended);
    let base = weight.item - weight.recent.iter().sum::<usize>();
    let limit = (base + WORTH_BYTES).div_ceil(UNIT_BYTES) * UNIT_BYTES;
    let holds = account.recent.iter().any(|entry| matches!(entry.what, What::Held { .. }));
    let most = weight.recent.iter().max().copied().unwrap_or_default();
    let most = if holds { most + HOLD_BYTES } else { most };
    // Every caller who finds the item full writes a page.
    let heavy = weight.item + most > limit;
    // A batch ends whole: of its ids, few are still on their way.
    let leave = if appended > 1 { LEAVE / 2 } else { LEAVE };
    match () {
        () if many => count - leave,
        () if heavy => count - leave.min(count / 4),
        () => 0,
    }
}

/// The page of the oldest `count` entries, or of as many as fit one write unit.
pub fn page(account: &Account, weight: &Weight, count: usize) -> Option<Page> {
    let room = UNIT_BYTES - PAGE_OVERHEAD_BYTES - account.id.as_str().len();
    let mut bytes = 0;
    let fitting = weight.recent.iter().take_while(|entry| {
        bytes += *entry;
        bytes <= room
    });
    let count = count.min(fitting.count().max(1)).min(account.recent.len());
    let (taken, left) = account.recent.split_at(count);
    let first = taken.first()?;
    Some(Page {
        account: account.id.clone(),
        time: account.page_time.max(first.at),
        first: account.paged + 1,
        entries: taken.to_vec(),
        available: account.available - left.iter().map(|entry| entry.available).sum(),
        held: account.held() - left.iter().map(|entry| entry.held).sum(),
    })
}

/// The write that lets the account forget the entries of `page`.
///
/// `page` is what the table holds under the key: after a crash in between, somebody else's, with a
/// number of entries of its own. None if its entries are not the account's: then stop, and alarm.
pub fn trim(account: &Account, page: &Page) -> Option<AccountWrite> {
    let count = page.entries.len();
    if page.first != account.paged + 1 || account.recent.get(..count)? != page.entries {
        return None;
    }
    let ids =
        page.entries.iter().map(|entry| entry.id).filter(|id| !id.is_own()).map(|id| id.time());
    // The floor is a running maximum: a page of older ids must not lower it.
    let floor = ids.fold(account.floor, Instant::max);
    let paged = page.last();
    Some(AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::PagedIs(account.paged)],
        then: vec![Step::Trim { count, paged, floor, page_time: page.time }],
    })
}
