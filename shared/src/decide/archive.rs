//! Archive: moves entries from the account into segments, sixteen or more at a time.
//!
//! The segment, the durable copy, is written first; then the account drops its entries. Debits go
//! on meanwhile.

use super::{AccountWrite, Guard, Segment, Step};
use crate::domain::{Account, Entry, EntryKind, Instant};

/// How many entries an account may hold before an operation has to write a segment first. An
/// advance never waits for a segment, and may exceed this by one.
pub const CAPACITY: usize = 64;
/// How many entries of a light account make a segment: with 16, the two writes of a segment cost
/// 2/16 of a debit each. While no caller has written the segment, it is due again after as many
/// more.
const TAKE: usize = 16;
/// How many of the youngest entries stay at most, so that ids in flight stay above the dedup floor.
const LEAVE: usize = 8;
/// How many segments one caller writes at most, where entries come faster than a segment is
/// written. Measured by `bursts`, with debits of 8 callers without pause and labels of 64 + 64
/// bytes: with one segment each, a debit costs 4.9 write units in place of 4.4.
pub const IN_A_ROW: usize = 3;
/// The bytes of an open hold in addition to its entry: its id in base64, and some 30 of its parts.
const HOLD_BYTES: usize = 54;
/// DynamoDB charges one write unit per started KB of the item.
const UNIT_BYTES: usize = 1024;
/// Fewer bytes of entries than this are not worth a segment: the account itself fills its KB.
const WORTH_BYTES: usize = 384;
/// The most bytes of entries in a segment: some 32 write units, and far below DynamoDB's item
/// limit.
const SEGMENT_BYTES: usize = 32 * UNIT_BYTES;

/// The size of an account and of its recent entries in the table, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub item: usize,
    /// One for each recent entry, oldest first.
    pub recent: Vec<usize>,
}

/// How many entries the caller that appended the last `appended` should move to a segment; 0: none.
///
/// A segment is due for the caller whose entry gives the account enough of them. While no caller
/// wrote it, it is due at every sixteenth entry after that: the first caller may have died.
pub fn due(account: &Account, weight: &Weight, appended: usize) -> usize {
    let count = weight.recent.len();
    let fewer = (1..=count).rev();
    let enough = fewer.take_while(|count| leaves(account, weight, *count).is_some()).count();
    let first = count + 1 - enough;
    // Where the account was read after the write, they may be archived already.
    let mine = count + 1 - appended.clamp(1, count.max(1))..=count;
    let mut due = mine.filter(|nth| *nth >= first && (nth - first).is_multiple_of(TAKE));
    due.next().map_or(0, |_| enough_for_one(account, weight))
}

/// How many of the entries a segment takes; 0: there are not enough.
pub fn enough_for_one(account: &Account, weight: &Weight) -> usize {
    let count = weight.recent.len();
    leaves(account, weight, count).map_or(0, |leave| count - leave)
}

/// How many of the oldest `count` entries a segment would leave in the account. None: they are not
/// enough for a segment. Sixteen are enough, and so are entries so heavy that one more may take the
/// item into its next write unit.
fn leaves(account: &Account, weight: &Weight, count: usize) -> Option<usize> {
    let recent = account.recent.get(..count)?;
    let young = young(recent);
    if count >= TAKE + young {
        return Some(young);
    }
    let base = weight.item - weight.recent.iter().sum::<usize>();
    let limit = (base + WORTH_BYTES).div_ceil(UNIT_BYTES) * UNIT_BYTES;
    let holds = recent.iter().any(|entry| matches!(entry.kind, EntryKind::Held { .. }));
    let weights = weight.recent.get(..count)?;
    let most = weights.iter().max()? + if holds { HOLD_BYTES } else { 0 };
    // Where the entries are few and heavy, most have to go.
    (base + weights.iter().sum::<usize>() + most > limit).then_some(young.min(count / 4))
}

/// How many of the youngest entries are so young that an older id may still be in flight, by the
/// longest delay between id and entry among them all: at most [`LEAVE`].
fn young(recent: &[Entry]) -> usize {
    let chosen = recent.iter().filter(|entry| !entry.id.is_own());
    let late = chosen.map(|entry| entry.at - entry.id.time()).max();
    let newest = recent.iter().map(|entry| entry.at).max();
    let (Some(late), Some(newest)) = (late, newest) else { return 0 };
    let since = Instant::from_ms(newest.ms() - late.ms());
    let young = recent.iter().rev().take_while(|entry| entry.id.time() > since);
    young.take(LEAVE).count()
}

/// How many entries a full account should move to a segment: all but the youngest.
pub fn all(account: &Account) -> usize {
    account.recent.len() - young(&account.recent)
}

/// Whether another caller wrote the segment `there` and then stopped, so that its entries are still
/// in the account: a segment's worth of entries later, that caller is no longer about to drop them.
pub fn is_left_behind(account: &Account, there: &Segment) -> bool {
    account.recent.len() >= there.entries.len() + TAKE
}

/// The segment of the oldest `count` entries, or of as many of them as one segment holds.
pub fn segment(account: &Account, weight: &Weight, count: usize) -> Option<Segment> {
    let mut bytes = 0;
    let fitting = weight.recent.iter().take_while(|entry| {
        bytes += *entry;
        bytes <= SEGMENT_BYTES
    });
    let count = count.min(fitting.count().max(1)).min(account.recent.len());
    let (taken, left) = account.recent.split_at(count);
    let first = taken.first()?;
    Some(Segment {
        account: account.id.clone(),
        time: account.archived_at.max(first.at),
        first: account.archived_seq + 1,
        entries: taken.to_vec(),
        available: account.available - left.iter().map(|entry| entry.available).sum(),
        held: account.held() - left.iter().map(|entry| entry.held).sum(),
    })
}

/// The write that drops the entries of `segment` from the account.
///
/// `segment` is the one that the table holds under the key: after a crash in between, it may be
/// another caller's, with another number of entries. None if its entries are not the account's:
/// then the caller must stop and raise an alarm.
pub fn trim(account: &Account, segment: &Segment) -> Option<AccountWrite> {
    let count = segment.entries.len();
    if segment.first != account.archived_seq + 1 || account.recent.get(..count)? != segment.entries
    {
        return None;
    }
    let ids =
        segment.entries.iter().map(|entry| entry.id).filter(|id| !id.is_own()).map(|id| id.time());
    // The dedup floor is a running maximum: a segment of older ids must not lower it.
    let dedup_floor = ids.fold(account.dedup_floor, Instant::max);
    let archived_seq = segment.last();
    let mut then =
        vec![Step::Archive { count, archived_seq, dedup_floor, archived_at: segment.time }];
    // Counts of windows that were over long before the latest entry.
    let latest = account.recent.last().map_or(segment.time, |entry| entry.at);
    then.extend(account.past_counts(latest).into_iter().map(Step::DropCount));
    let when = vec![Guard::ArchivedIs(account.archived_seq)];
    Some(AccountWrite { account: account.id.clone(), when, then })
}
