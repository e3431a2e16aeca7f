//! Limits: how much may be charged for a user, a team, a key or a run in a window of time.
//!
//! A charge counts for each limit that is in force for it. What was used of a limit is counted per
//! window, and a new window is a new count: nothing resets, and no job runs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::instant::Span;
use super::period::{self, Day, Period};
use super::{AccountId, Credits, Instant};

/// How many limits of its own an account may have, and how many counts whose window runs. Each 64
/// counts or so make its item a KB larger, and so each debit a write unit dearer.
pub const MAX_LIMITS: usize = 512;
/// From how many counts on none begins for a limit that only a request brings: so runs never keep
/// users and teams from being counted.
pub const MAX_BROUGHT: usize = 256;
/// How many subjects a request may name, beside its user.
pub const MAX_SUBJECTS: usize = 3;
/// How many limits a request may bring.
pub const MAX_ASKED: usize = 4;
/// How many counts one write may change: more would make its expressions longer than DynamoDB
/// takes.
pub const MAX_COUNTED: usize = 16;
/// How many counts a hold may be in: all 64 holds may end in one write.
pub const MAX_HELD: usize = 4;
/// How long after its end the count of a window is kept: far longer than two clocks differ, so no
/// write still changes it.
const KEPT: Span = Span::from_s(3_600);
/// How many past counts one write drops.
pub const MAX_DROPPED: usize = 64;

/// What is limited: a kind and a name, as `user:ada`, `team:ops` or `run:7f`. A kind is a
/// lower-case letter and up to 15 more or digits; a name is 1 to 64 bytes without a control
/// character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a kind, a colon and a name of 1 to 64 bytes, such as team:ops")]
pub struct SubjectError;

impl Subject {
    /// The kind of the user of a request.
    pub const USER: &'static str = "user";

    /// A user of the product.
    pub fn user(name: &str) -> Subject {
        Subject(format!("{}:{name}", Subject::USER))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }

    /// Whether `kind` can be one.
    pub fn is_kind(kind: &str) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        kind.len() <= 16
            && kind.starts_with(|c: char| c.is_ascii_lowercase())
            && kind.bytes().all(plain)
    }

    /// The short form of it in the keys of counts.
    pub fn hash(&self) -> SubjectHash {
        let digest = Sha256::digest(&self.0);
        let mut hash = [0; 6];
        hash.copy_from_slice(&digest[..6]);
        SubjectHash(hash)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Subject, SubjectError> {
        let (kind, name) = text.split_once(':').ok_or(SubjectError)?;
        let fits = (1..=64).contains(&name.len()) && !name.chars().any(char::is_control);
        match fits && Subject::is_kind(kind) {
            true => Ok(Subject(text.to_owned())),
            false => Err(SubjectError),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// 48 bits of SHA-256 of a subject: among the few hundred subjects of an account, two do not share
/// them by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash(pub [u8; 6]);

/// As twelve hexadecimal digits.
impl fmt::Display for SubjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The kinds of windows. Days, weeks and months are in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    Day,
    /// From Monday 00:00.
    Week,
    /// From the first of a month.
    Month,
    /// The account's: its plan period, or where none runs its week.
    Period,
    /// One window that never ends.
    Ever,
}

impl Per {
    pub const ALL: [Per; 5] = [Per::Day, Per::Week, Per::Month, Per::Period, Per::Ever];

    /// The word for it in requests, answers and the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Per::Day => "day",
            Per::Week => "week",
            Per::Month => "month",
            Per::Period => "period",
            Per::Ever => "ever",
        }
    }
}

impl serde::Serialize for Per {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A window of a limit, by its first instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub per: Per,
    /// The epoch of the one that never ends.
    pub from: Instant,
}

impl Window {
    /// The one that `now` lies in; `period` is the account's then.
    pub fn at(per: Per, now: Instant, period: Period) -> Window {
        let from = match per {
            Per::Day => Day::of(now).start(),
            Per::Week => period::week(now).start,
            Per::Month => period::month(now).start,
            Per::Period => period.start,
            Per::Ever => Instant::EPOCH,
        };
        Window { per, from }
    }

    /// Whether it is the one that `now` lies in.
    pub fn runs(self, now: Instant, period: Period) -> bool {
        self == Window::at(self.per, now, period)
    }

    /// Its end: the first instant of the next. None: it never ends, or it is of a period of the
    /// account that is over.
    pub fn end(self, period: Period) -> Option<Instant> {
        match self.per {
            Per::Day => Some(Day::of(self.from).plus(1).start()),
            Per::Week => Some(period::week(self.from).end),
            Per::Month => Some(period::month(self.from).end),
            Per::Period => Some(period.end).filter(|_| period.start == self.from),
            Per::Ever => None,
        }
    }
}

/// What names a count: a subject, by its hash, in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    pub of: SubjectHash,
    pub window: Window,
}

impl Counter {
    /// Whether its window has been over for so long that nothing changes the count any more.
    pub fn is_past(self, now: Instant, period: Period) -> bool {
        match self.window.per {
            Per::Ever => false,
            // The week of a period that began with it may go on, once a plan period is over that
            // came in between.
            Per::Period => {
                let week = period::week(self.window.from);
                self.window.from != period.start && week.end.max(period.start) + KEPT <= now
            }
            _ => self.window.end(period).is_some_and(|end| end + KEPT <= now),
        }
    }
}

/// The counts of an account: the credits that were charged for each subject in each window, less
/// what was given back.
pub type Counts = BTreeMap<Counter, Credits>;

/// The most that may be charged for a subject in a window, with the request that brings it or as
/// the account's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub of: Subject,
    pub per: Per,
    pub at_most: Credits,
}

/// A limit that is in force for a charge, with the window that the charge counts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub of: Subject,
    pub window: Window,
    /// The number in force.
    pub at_most: Credits,
}

impl Counted {
    pub fn counter(&self) -> Counter {
        Counter { of: self.of.hash(), window: self.window }
    }

    /// What is left of the limit, if this much was used.
    pub fn left(&self, used: Credits) -> Credits {
        (self.at_most - used).max(Credits::ZERO)
    }
}

/// What a hold remembers of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldLimits {
    /// The subjects that it counts for, its user among them.
    pub subjects: Vec<Subject>,
    /// The limits that came with its request.
    pub asked: Vec<Limit>,
    /// The counts that it is in.
    pub counts: Vec<Counter>,
}

/// The limits of an account's own, as of one of their changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// The number of their changes. 0: there never was one.
    pub version: u64,
    pub limits: BTreeMap<(Subject, Per), Credits>,
}

/// A limit that does not let a charge pass.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reached {
    pub of: Subject,
    pub per: Per,
    pub at_most: Credits,
    pub left: Credits,
    /// What the charge needs of it.
    pub required: Credits,
    /// When its window ends. None: never.
    pub resets_at: Option<Instant>,
}

/// The first charge that a limit did not let pass in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstReached {
    pub account: AccountId,
    pub limit: Counted,
    /// What was used of it.
    pub used: Credits,
    /// What the charge needed of it.
    pub required: Credits,
    /// When its window ends. None: never.
    pub resets_at: Option<Instant>,
    pub at: Instant,
    /// Available and held credits of the account.
    pub balance: (Credits, Credits),
}
