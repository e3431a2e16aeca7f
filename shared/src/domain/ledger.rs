//! The ledger of an account as it is read: its entries with their numbers and balances.

use super::{Credits, Entry, OperationId, Seq};

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedEntry {
    pub seq: Seq,
    pub entry: Entry,
    /// The balance after it.
    pub available: Credits,
    pub held: Credits,
}

/// Consecutive entries and the balance after the last of them: a segment and an account each have
/// such a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRun<'a> {
    /// The number of the first entry.
    pub first: Seq,
    pub entries: &'a [Entry],
    pub available: Credits,
    pub held: Credits,
}

impl<'a> EntryRun<'a> {
    /// The entry of the operation `id`.
    pub fn find(&self, id: &OperationId) -> Option<PostedEntry> {
        let place = self.entries.iter().rposition(|entry| entry.id == *id)?;
        let later = &self.entries[place + 1..];
        Some(PostedEntry {
            seq: self.first + place as Seq,
            entry: self.entries[place].clone(),
            available: self.available - later.iter().map(|entry| entry.available).sum(),
            held: self.held - later.iter().map(|entry| entry.held).sum(),
        })
    }

    /// The entries before number `below`, the latest first. The balance after an entry is the
    /// closing one less the changes of the later entries.
    pub fn backwards(self, below: Seq) -> impl Iterator<Item = PostedEntry> + 'a {
        let (mut available, mut held) = (self.available, self.held);
        let numbered = self.entries.iter().enumerate().rev();
        numbered
            .map(move |(place, entry)| {
                let seq = self.first + place as Seq;
                let line = PostedEntry { seq, available, held, entry: entry.clone() };
                available -= line.entry.available;
                held -= line.entry.held;
                line
            })
            .filter(move |line| line.seq < below)
    }
}
