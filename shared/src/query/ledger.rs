//! Reads the ledger: segments and the account's recent entries as one sequence without a gap.

use crate::context::Context;
use crate::decide::STAMP_MARGIN;
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::EntryGroup;
use crate::domain::ledger::{EntryRun, PostedEntry};
use crate::domain::rates::ModelNumber;
use crate::domain::viewer::Viewer;
use crate::domain::{Catalog, Entry, Instant, OperationId, Seq};
use crate::failure::Failure;
use crate::store::{Loaded, Store, StoreError, gap};

/// How many entries a segment usually holds.
const USUAL: usize = 16;
/// How many segments one request reads: as many as usually hold the requested entries, within these
/// bounds.
const SEGMENTS: (usize, usize) = (8, 512);
/// How many segments a search reads before it answers with the entries found so far: 4 096 entries
/// in usual ones, or 64 read units.
const SEARCHED: usize = 256;

/// The place where a listing continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// Entries before this number.
    pub below: Seq,
    /// The segment that was read last, if any: the next entries are in it or in earlier segments.
    pub segment: Option<(Instant, Seq)>,
}

/// Which entries are listed: those that match every filter that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of [`KINDS`].
    pub kind: Option<&'static str>,
    /// The kinds of this group.
    pub group: Option<EntryGroup>,
    pub action: Option<ActionNumber>,
    /// Calls of any of these: a model's name may be in the tables of several actions.
    pub models: Option<Vec<(ActionNumber, ModelNumber)>>,
    pub user: Option<String>,
    /// The reference, the key or the id of the operation, exactly, as far as the viewer sees it.
    pub reference: Option<String>,
    /// The IAM principal that asked for it.
    pub actor: Option<String>,
    /// Stamped at this instant or later.
    pub from: Option<Instant>,
    /// Stamped before this instant.
    pub to: Option<Instant>,
    /// The viewer of the listing.
    pub viewer: Viewer,
}

/// The names of all kinds of entry.
pub const KINDS: [&str; 18] = [
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
    "revoked",
    "limit_set",
    "unknown",
];

/// Some entries, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub entries: Vec<PostedEntry>,
    /// The place of the next entries; None if there are none.
    pub next: Option<From>,
}

impl Filter {
    pub fn fits(&self, entry: &Entry) -> bool {
        let texts = entry.texts(self.viewer);
        let bought = entry.kind.bought();
        let call = bought.and_then(|(action, model)| Some((action, model?)));
        self.viewer.sees(entry)
            && self.kind.is_none_or(|kind| kind == entry.kind.name())
            && self.group.is_none_or(|group| group == entry.kind.group())
            && self.action.is_none_or(|action| bought.is_some_and(|(of, _)| of == action))
            && self.models.as_ref().is_none_or(|models| models.iter().any(|of| call == Some(*of)))
            && self.user.as_deref().is_none_or(|user| texts.user == Some(user))
            && self.reference.as_deref().is_none_or(|name| {
                [texts.reference, texts.key].contains(&Some(name))
                    || OperationId::parse(name) == Some(entry.id)
            })
            && self.actor.as_deref().is_none_or(|actor| texts.actor == Some(actor))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }

    /// Whether every entry matches.
    fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether no earlier entry matches: none of them has a stamp that is later by more than a
    /// margin.
    fn ends_at(&self, entry: &Entry) -> bool {
        self.from.is_some_and(|from| entry.at + STAMP_MARGIN < from)
    }

    /// The time from which on no segment matches, if the latest segment, at `archived_at`, is among
    /// those. The entries of a segment are stamped before its key, except for a margin.
    fn skips(&self, archived_at: Instant) -> Option<Instant> {
        self.to.map(|to| to + STAMP_MARGIN).filter(|late| archived_at >= *late)
    }
}

/// A part of the ledger, as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPart {
    /// The changes by time that are not written yet, so that the entries always sum to the balance.
    /// Present if the latest entries are requested; it precedes them.
    pub pending: Option<PostedEntry>,
    pub listed: Listed,
}

/// Up to `limit` entries that match, before `from` or from the latest on, and the pending entry.
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
/// The account was read before the segments are: an entry that was archived in between is in a
/// segment, and an entry in both is listed once, by its number.
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

/// Lists up to `limit` entries that match, as [`list`] does.
///
/// Matches may be rare: the search stops after a number of segments. It then returns fewer entries
/// than `limit`, and the place where to continue.
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
    // The segment that was read last may hold more entries to list, so it is read again.
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

/// The entries that a search has found so far.
struct Taken<'a> {
    filter: &'a Filter,
    limit: usize,
    /// The number of the entry that was checked last; 1: there are no more to check.
    below: Seq,
    entries: Vec<PostedEntry>,
}

impl Taken<'_> {
    /// Takes the entries of a run that precede those checked and that match, the latest first.
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

    /// How many segments to read next, after `read` ones, of which `segment` was the last. None:
    /// stop.
    fn segments(&self, read: usize, segment: Option<(Instant, Seq)>) -> Option<usize> {
        if self.is_done() {
            return None;
        }
        // A listing that begins at a time may have other entries between this segment and its first
        // entry.
        let between = segment.map_or(0, |(_, first)| first.saturating_sub(self.below)) as usize;
        let count = (between + self.limit - self.entries.len()) / USUAL + 1;
        let count = count.clamp(SEGMENTS.0, SEGMENTS.1);
        if self.filter.is_open() {
            return Some(count);
        }
        // Matches that were not found by now are rare: read as many segments again.
        Some(count.max(read).min(SEARCHED.saturating_sub(read))).filter(|count| *count > 0)
    }
}
