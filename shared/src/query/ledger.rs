//! The ledger read back: segments and the account's own list as one sequence without a gap.

use crate::context::Context;
use crate::decide::STAMP_MARGIN;
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::Viewer;
use crate::domain::ledger::{EntryRun, PostedEntry};
use crate::domain::{Catalog, Entry, EntryKind, Instant, Seq};
use crate::failure::Failure;
use crate::store::{Loaded, Store, StoreError, gap};

/// How many entries a segment usually holds.
const USUAL: usize = 16;
/// How many segments one request reads: those that hold what is asked for, at the usual number of
/// entries, within these bounds.
const SEGMENTS: (usize, usize) = (8, 512);
/// How many segments a search reads before it answers with what it has found: of usual ones 4 096
/// entries, or 64 read units.
const SEARCHED: usize = 256;

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// Entries before this number.
    pub below: Seq,
    /// The segment that was read last, if one was: the entries are in it or in segments before it.
    pub segment: Option<(Instant, Seq)>,
}

/// Which entries are listed: those that fit in every way that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of [`KINDS`].
    pub kind: Option<&'static str>,
    pub action: Option<ActionNumber>,
    /// As the viewer knows it.
    pub user: Option<String>,
    /// Stamped then or later.
    pub from: Option<Instant>,
    /// Stamped before.
    pub to: Option<Instant>,
    /// Who lists.
    pub viewer: Viewer,
}

/// What [`EntryKind::name`] says, of everything that an entry records.
pub const KINDS: [&str; 15] = [
    "opened",
    "debit",
    "granted",
    "time_passed",
    "held",
    "captured",
    "released",
    "extended",
    "refunded",
    "plan_changed",
    "frozen",
    "unfrozen",
    "topped_up",
    "reversed",
    "debt_waived",
];

/// Some entries, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub entries: Vec<PostedEntry>,
    /// Where the next ones are; None if there are none.
    pub next: Option<From>,
}

impl Filter {
    pub fn fits(&self, entry: &Entry) -> bool {
        self.viewer.sees(entry)
            && self.kind.is_none_or(|kind| kind == entry.kind.name())
            && self.action.is_none_or(|action| action_of(&entry.kind) == Some(action))
            && self.user.as_deref().is_none_or(|user| entry.texts(self.viewer).user == Some(user))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }

    /// Whether every entry fits.
    fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether no entry before this one fits: none of them is stamped later by more than a margin.
    fn ends_at(&self, entry: &Entry) -> bool {
        self.from.is_some_and(|from| entry.at + STAMP_MARGIN < from)
    }

    /// The time from which on no segment fits, if the latest is one of those, at `archived_at`: the
    /// entries of a segment are stamped before its key by at most a margin.
    fn skips(&self, archived_at: Instant) -> Option<Instant> {
        self.to.map(|to| to + STAMP_MARGIN).filter(|late| archived_at >= *late)
    }
}

fn action_of(kind: &EntryKind) -> Option<ActionNumber> {
    match kind {
        EntryKind::Debit { action, .. }
        | EntryKind::Held { action, .. }
        | EntryKind::Captured { action, .. }
        | EntryKind::Refunded { action, .. } => *action,
        _ => None,
    }
}

/// A part of the ledger, as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPart {
    /// What time did and nobody wrote down, so that the entries always sum to the balance. It comes
    /// before the latest entry, where that is asked for.
    pub pending: Option<PostedEntry>,
    pub listed: Listed,
}

/// Up to `limit` entries that fit, before `from` or from the latest on, and what is pending.
///
/// # Errors
/// As of [`list`].
pub async fn part(
    context: &Context,
    loaded: &Loaded,
    catalog: &Catalog,
    (filter, from, limit): (&Filter, Option<From>, usize),
    now: Instant,
) -> Result<LedgerPart, Failure> {
    let pending = match from {
        None => super::pending(&loaded.account, catalog, now)?,
        Some(_) => None,
    };
    let pending = pending.filter(|pending| filter.fits(&pending.entry));
    let listed = search(&context.store, loaded, filter, from, limit).await?;
    Ok(LedgerPart { pending, listed })
}

/// Lists up to `limit` entries before `from`, or from the latest on.
///
/// The account was read before the segments are: what left it in between is in a segment by then, and
/// what is in both is listed once, by its number.
///
/// # Errors
/// [`StoreError`], and [`StoreError::Broken`] if a number is missing.
pub async fn list(
    store: &Store,
    loaded: &Loaded,
    from: Option<From>,
    limit: usize,
) -> Result<Listed, StoreError> {
    search(store, loaded, &Filter::default(), from, limit).await
}

/// Lists up to `limit` entries that fit, as [`list`] does.
///
/// What fits may be rare: it stops after a number of segments, then with fewer entries than `limit`
/// and with where to go on.
///
/// # Errors
/// As of [`list`].
pub async fn search(
    store: &Store,
    loaded: &Loaded,
    filter: &Filter,
    from: Option<From>,
    limit: usize,
) -> Result<Listed, StoreError> {
    let account = &loaded.account;
    let below = from.map_or(account.seq + 1, |from| from.below);
    let mut taken = Taken { filter, limit, below, entries: Vec::new() };
    taken.take(account.run());
    let mut segment = from.and_then(|from| from.segment);
    // The segment that was read last may hold more than was listed of it: it is read again.
    let mut before = segment.map(|(time, first)| (time, first + 1));
    let mut skipped = false;
    if before.is_none()
        && let Some(late) = filter.skips(account.archived_at)
    {
        (before, skipped) = (Some((late, 1)), true);
    }
    let mut read = 0;
    while let Some(count) = taken.segments(read, segment) {
        let segments = store.segments(&account.id, before, count as i32).await?;
        if segments.is_empty() {
            if skipped {
                taken.below = 1;
                break;
            }
            return Err(gap(&account.id, taken.below - 1));
        }
        read += segments.len();
        for found in segments {
            if taken.is_done() {
                break;
            }
            if std::mem::take(&mut skipped) {
                taken.below = taken.below.min(found.last() + 1);
            }
            if found.last() + 1 < taken.below {
                return Err(gap(&account.id, taken.below - 1));
            }
            segment = Some((found.time, found.first));
            before = segment;
            taken.take(found.run());
        }
    }
    let next = (taken.below > 1).then_some(From { below: taken.below, segment });
    Ok(Listed { entries: taken.entries, next })
}

/// What a search has found so far.
struct Taken<'a> {
    filter: &'a Filter,
    limit: usize,
    /// The number of the entry that was looked at last; 1: there is no more to look at.
    below: Seq,
    entries: Vec<PostedEntry>,
}

impl Taken<'_> {
    /// Takes the entries of a stretch that come before those looked at and fit, the latest first.
    fn take(&mut self, run: EntryRun<'_>) {
        for posted in run.backwards(self.below) {
            if self.is_done() {
                break;
            }
            self.below = posted.seq;
            if self.filter.fits(&posted.entry) {
                self.entries.push(posted);
            } else if self.filter.ends_at(&posted.entry) {
                self.below = 1;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.entries.len() >= self.limit || self.below <= 1
    }

    /// How many segments to read next, after `read` ones, of which `segment` was the last; None: enough.
    fn segments(&self, read: usize, segment: Option<(Instant, Seq)>) -> Option<usize> {
        if self.is_done() {
            return None;
        }
        // Where a listing begins by a time, others may lie before what is listed.
        let between = segment.map_or(0, |(_, first)| first.saturating_sub(self.below)) as usize;
        let count = (between + self.limit - self.entries.len()) / USUAL + 1;
        let count = count.clamp(SEGMENTS.0, SEGMENTS.1);
        if self.filter.is_open() {
            return Some(count);
        }
        // What has not been found by now is rare: as many segments again.
        Some(count.max(read).min(SEARCHED.saturating_sub(read))).filter(|count| *count > 0)
    }
}
