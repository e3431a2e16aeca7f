//! Usage: the credits consumed on a day, by action, by model and by user.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::AddAssign;

use super::catalog::ActionNumber;
use super::period::Day;
use super::rates::ModelNumber;
use super::{Credits, Entry, EntryKind, Instant, Seq};

/// How many users of a day are counted separately. Later users of that day are counted together, so
/// that an item stays small: 400 users of 64 bytes are some 30 KB.
pub const MAX_USERS: usize = 400;

/// The usage of a day. The actions sum to it, and so do the users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By the number of the action; 0 is no action: a charge by amount.
    pub actions: BTreeMap<ActionNumber, Used>,
    /// The calls of models: a part of their action's, and all of it but for captures by amount.
    pub models: BTreeMap<(ActionNumber, ModelNumber), Used>,
    pub users: BTreeMap<Who, Used>,
}

/// Whose use it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    User(String),
    /// No user was named.
    Nobody,
    /// Users beyond [`MAX_USERS`].
    Others,
}

/// The credits charged, less those refunded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub credits: Credits,
    /// The number of debits and captures. A refund does not reduce it.
    pub count: u64,
}

impl Usage {
    /// Adds the usage of an entry; most kinds have none.
    pub fn count(&mut self, entry: &Entry) {
        let Some((action, used)) = Used::by(entry) else { return };
        *self.actions.entry(action.unwrap_or(0)).or_default() += used;
        if let Some((action, Some(model))) = entry.kind.bought() {
            *self.models.entry((action, model)).or_default() += used;
        }
        let who = self.who(entry.user.as_deref());
        *self.users.entry(who).or_default() += used;
    }

    fn who(&self, user: Option<&str>) -> Who {
        let Some(user) = user else { return Who::Nobody };
        let who = Who::User(user.to_owned());
        match self.users.contains_key(&who) || self.users.len() < MAX_USERS {
            true => who,
            false => Who::Others,
        }
    }

    /// Adds the usage of another day or of more.
    pub fn add(&mut self, other: Usage) {
        let Usage { actions, models, users } = other;
        for (of, used) in actions {
            *self.actions.entry(of).or_default() += used;
        }
        for (of, used) in models {
            *self.models.entry(of).or_default() += used;
        }
        for (of, used) in users {
            *self.users.entry(of).or_default() += used;
        }
    }

    /// Whether no action has more calls of its models than uses.
    pub fn has_fitting_models(&self) -> bool {
        let mut calls = BTreeMap::<ActionNumber, u64>::new();
        for ((action, _), used) in &self.models {
            let calls = calls.entry(*action).or_default();
            *calls = calls.saturating_add(used.count);
        }
        calls.iter().all(|(action, calls)| {
            self.actions.get(action).is_some_and(|used| *calls <= used.count)
        })
    }

    /// The credits of all actions together.
    pub fn credits(&self) -> Credits {
        self.actions.values().map(|used| used.credits).sum()
    }

    pub fn is_nothing(&self) -> bool {
        self.actions.is_empty()
    }
}

impl Used {
    /// The usage of an entry, and its action. None: the entry is not usage.
    pub fn by(entry: &Entry) -> Option<(Option<ActionNumber>, Used)> {
        match &entry.kind {
            EntryKind::Debit { action, .. } => {
                Some((*action, Used { credits: -entry.available, count: 1 }))
            }
            EntryKind::Captured { action, credits, .. } => {
                Some((*action, Used { credits: *credits, count: 1 }))
            }
            EntryKind::Refunded { action, credits, .. } => {
                Some((*action, Used { credits: -*credits, count: 0 }))
            }
            _ => None,
        }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Used) {
        self.credits += other.credits;
        self.count += other.count;
    }
}

impl Sum for Used {
    fn sum<I: Iterator<Item = Used>>(parts: I) -> Used {
        parts.fold(Used::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// The usage of weeks, from Monday to Sunday, from that of days: each under its Monday, or under
/// `from` if that is later.
pub fn weeks(days: BTreeMap<Day, Usage>, from: Day) -> BTreeMap<Day, Usage> {
    let mut weeks = BTreeMap::<Day, Usage>::new();
    for (day, usage) in days {
        weeks.entry(day.monday().max(from)).or_default().add(usage);
    }
    weeks
}

/// The stretch of time whose usage is summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsagePer {
    #[default]
    Day,
    Week,
}

impl UsagePer {
    pub const ALL: [UsagePer; 2] = [UsagePer::Day, UsagePer::Week];

    pub fn name(self) -> &'static str {
        match self {
            UsagePer::Day => "day",
            UsagePer::Week => "week",
        }
    }
}

/// The usage of one day, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    pub day: Day,
    pub usage: Usage,
    pub counted: Counted,
}

/// How far the entries of an account were counted when a day was written. Every count writes the
/// latest day of the account, so that day says how far the whole account is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The number of the last entry.
    pub seq: Seq,
    /// The time in the key of the segment that holds it.
    pub time: Instant,
}
