//! The statement of a month: the balance before it, its lines, and the balance after it.
//!
//! The balance of a statement is available and held together: credits that are set aside and come
//! back are no lines.

use std::collections::BTreeMap;

use shared::domain::catalog::ActionNumber;
use shared::domain::ledger::PostedEntry;
use shared::domain::part::{Did, EntryPart};
use shared::domain::period::{Day, Period};
use shared::domain::{Credits, EntryKind};

/// A statement, or a part of one: `opening` and the changes of `lines` sum to `closing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub opening: Credits,
    pub closing: Credits,
    /// How much of `closing` is held.
    pub held: Credits,
    /// By day, the earliest first; of a day its entries, then its sums.
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub day: Day,
    pub of: LineOf,
    /// The change of available and held together.
    pub change: Credits,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineOf {
    /// An entry, or a part of the entry of an advance.
    Entry(Box<PostedEntry>, Option<EntryPart>),
    /// All of a day that is of one sort. `count`: how many entries that are.
    Sum { sort: Sort, count: u64 },
}

/// The sorts of changes of which a month may have many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Credits spent on an action. None: by amount.
    Used(Option<ActionNumber>),
    /// Charges for an action given back.
    Refunded(Option<ActionNumber>),
    /// Credits that expired while they were set aside.
    Lapsed,
}

impl Statement {
    /// The statement of `month`, from the entries that are stamped in it, the latest first.
    ///
    /// Two stamps may be out of order by a margin: `entries` may have others from around the ends
    /// of the month, and has all between two that are in it. `before`: the latest entry before the
    /// month, if none of them is stamped before its end.
    pub fn new(entries: &[PostedEntry], month: Period, before: Option<&PostedEntry>) -> Statement {
        let before = || before.map(|before| (before.available, before.held));
        let closing = closing(entries, month).or_else(before);
        let (available, held) = closing.unwrap_or_default();
        let closing = available + held;
        let own = |posted: &&PostedEntry| (month.start..month.end).contains(&posted.entry.at);
        let (mut singles, mut sums) = (Vec::new(), BTreeMap::<(Day, Sort), (Credits, u64)>::new());
        for posted in entries.iter().rev().filter(own) {
            let day = Day::of(posted.entry.at);
            for (change, of) in changes(posted) {
                match of {
                    Change::Entry(part) => {
                        let of = LineOf::Entry(Box::new(posted.clone()), part);
                        singles.push(Line { day, of, change });
                    }
                    Change::Sum(sort) => {
                        let (sum, count) = sums.entry((day, sort)).or_default();
                        (*sum, *count) = (*sum + change, *count + 1);
                    }
                }
            }
        }
        let sums = sums.into_iter().map(|((day, sort), (change, count))| Line {
            day,
            of: LineOf::Sum { sort, count },
            change,
        });
        let mut lines: Vec<Line> = singles.into_iter().chain(sums).collect();
        // Stable: the entries of a day stay in their order, and precede its sums.
        lines.sort_by_key(|line| line.day);
        let moved: Credits = lines.iter().map(|line| line.change).sum();
        Statement { opening: closing - moved, closing, held, lines }
    }
}

/// What is available and held at the end of the month: that after the latest entry before the end,
/// less what entries changed that are stamped after the end and precede it. None: no entry is
/// stamped before the end.
fn closing(entries: &[PostedEntry], month: Period) -> Option<(Credits, Credits)> {
    let place = entries.iter().position(|posted| posted.entry.at < month.end)?;
    let latest = &entries[place];
    let late = entries[place..].iter().filter(|posted| posted.entry.at >= month.end);
    let late = late.map(|posted| (posted.entry.available, posted.entry.held));
    Some(late.fold((latest.available, latest.held), |(available, held), change| {
        (available - change.0, held - change.1)
    }))
}

enum Change {
    Entry(Option<EntryPart>),
    Sum(Sort),
}

/// The changes of an entry of available and held together. They sum to that of the entry; those of
/// nothing are left out, but for changes of debt.
fn changes(posted: &PostedEntry) -> Vec<(Credits, Change)> {
    let entry = &posted.entry;
    let change = entry.available + entry.held;
    let all = match &entry.kind {
        EntryKind::Debit { action, .. } => vec![(change, Change::Sum(Sort::Used(*action)))],
        // Of what it gave back, credits may have expired meanwhile.
        EntryKind::Captured { action, credits, .. } => vec![
            (-*credits, Change::Sum(Sort::Used(*action))),
            (change + *credits, Change::Sum(Sort::Lapsed)),
        ],
        EntryKind::Refunded { action, .. } => {
            vec![(change, Change::Sum(Sort::Refunded(*action)))]
        }
        EntryKind::Held { .. } | EntryKind::Released { .. } | EntryKind::Extended { .. } => {
            vec![(change, Change::Sum(Sort::Lapsed))]
        }
        EntryKind::TimePassed { .. } => {
            let parts = entry.parts().into_iter().map(|part| match part.did {
                Did::HoldEnded => (part.available + entry.held, Change::Sum(Sort::Lapsed)),
                _ => (part.available, Change::Entry(Some(part))),
            });
            parts.collect()
        }
        _ => vec![(change, Change::Entry(None))],
    };
    let is_shown = |(change, of): &(Credits, Change)| match of {
        Change::Sum(_) => !change.is_zero(),
        Change::Entry(Some(part)) => !change.is_zero() || !part.debt.is_zero(),
        Change::Entry(None) => !change.is_zero() || !entry.kind.debt().is_zero(),
    };
    all.into_iter().filter(is_shown).collect()
}
