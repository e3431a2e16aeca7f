//! Grants, and the burn order: the order in which they are used.
//!
//! The burn order is soonest-expiring first, then free before paid, then oldest.
//! Spending advances along it from the left, so what is left of each grant is a pure function of
//! the burn order and of how much was spent.

use std::fmt;
use std::str::FromStr;

use super::period::Day;
use super::{Credits, Instant, OperationId};

/// The source of a grant's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantKind {
    Weekly,
    Plan,
    Purchased,
    Promotional,
    Manual,
}

impl GrantKind {
    pub const ALL: [GrantKind; 5] = [
        GrantKind::Weekly,
        GrantKind::Plan,
        GrantKind::Purchased,
        GrantKind::Promotional,
        GrantKind::Manual,
    ];

    pub fn name(self) -> &'static str {
        match self {
            GrantKind::Weekly => "weekly",
            GrantKind::Plan => "plan",
            GrantKind::Purchased => "purchased",
            GrantKind::Promotional => "promotional",
            GrantKind::Manual => "manual",
        }
    }

    /// Whether an operator gave it by decision, so that an operator can take it back. Weekly and
    /// plan grants follow from the plan, and purchased ones from their payment.
    pub fn is_revocable(self) -> bool {
        matches!(self, GrantKind::Promotional | GrantKind::Manual)
    }

    /// Paid credits are burnt after free ones that expire at the same instant.
    pub fn is_paid(self) -> bool {
        self == GrantKind::Purchased
    }
}

/// Which grant: the period it was granted for, or the operation that granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantId {
    /// The bundle of the week that starts at this Monday.
    Week(Instant),
    /// The grant of the plan period that starts at this day.
    Period(Instant),
    Operation(OperationId),
}

impl GrantId {
    /// The instant that it names: mostly that at which the grant arrived.
    pub fn time(&self) -> Instant {
        match self {
            GrantId::Week(start) | GrantId::Period(start) => *start,
            GrantId::Operation(id) => id.time(),
        }
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GrantId::Week(start) => write!(f, "week-{}", start.utc().format("%Y-%m-%d")),
            GrantId::Period(start) => write!(f, "period-{}", start.utc().format("%Y-%m-%d")),
            GrantId::Operation(id) => id.fmt(f),
        }
    }
}

impl FromStr for GrantId {
    type Err = GrantIdError;

    /// Reads an id as it is shown.
    fn from_str(text: &str) -> Result<GrantId, GrantIdError> {
        let start = |date| Day::parse(date).map(Day::start).ok_or(GrantIdError);
        let id = if let Some(date) = text.strip_prefix("week-") {
            GrantId::Week(start(date)?)
        } else if let Some(date) = text.strip_prefix("period-") {
            GrantId::Period(start(date)?)
        } else {
            GrantId::Operation(OperationId::parse(text).ok_or(GrantIdError)?)
        };
        Ok(id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a grant from the balance")]
pub struct GrantIdError;

impl serde::Serialize for GrantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Credits put into an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub kind: GrantKind,
    /// The credits granted. At least `left`.
    pub amount: Credits,
    /// The credits left of it at the last advance.
    pub left: Credits,
    pub granted_at: Instant,
    /// The first instant at which the credits are gone. None: they stay.
    pub expires_at: Option<Instant>,
}

impl Grant {
    pub fn new(
        id: GrantId,
        kind: GrantKind,
        amount: Credits,
        granted_at: Instant,
        expires_at: Option<Instant>,
    ) -> Grant {
        Grant { id, kind, amount, left: amount, granted_at, expires_at }
    }

    fn rank(&self) -> (Instant, bool, Instant, GrantId) {
        let expires_at = self.expires_at.unwrap_or(Instant::MAX);
        (expires_at, self.kind.is_paid(), self.granted_at, self.id)
    }

    pub fn is_burnt_before(&self, other: &Grant) -> bool {
        self.rank() < other.rank()
    }

    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Grants in the order in which they are burnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BurnOrder(Vec<Grant>);

impl BurnOrder {
    /// Takes the grants in any order.
    pub fn new(grants: Vec<Grant>) -> BurnOrder {
        let mut burn_order = BurnOrder::default();
        grants.into_iter().for_each(|grant| burn_order.add(grant));
        burn_order
    }

    pub fn grants(&self) -> &[Grant] {
        &self.0
    }

    pub fn left(&self) -> Credits {
        self.0.iter().map(|grant| grant.left).sum()
    }

    /// The first instant at which one of the grants expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.0.iter().filter_map(|grant| grant.expires_at).min()
    }

    /// Takes `spent` from the left. A grant that is used up leaves the burn order.
    ///
    /// # Errors
    /// [`Overspent`] if the burn order holds less than `spent`.
    pub fn burn(&mut self, mut spent: Credits) -> Result<(), Overspent> {
        if spent < Credits::ZERO || spent > self.left() {
            return Err(Overspent { spent, left: self.left() });
        }
        for grant in &mut self.0 {
            let taken = grant.left.min(spent);
            grant.left -= taken;
            spent -= taken;
        }
        self.0.retain(|grant| !grant.left.is_zero());
        Ok(())
    }

    /// Takes up to `most` of the grants that are `meant`, from the left; returns what was taken of
    /// each. A grant that is used up leaves the burn order.
    pub fn take(&mut self, mut most: Credits, meant: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        let mut taken = Vec::new();
        for grant in self.0.iter_mut().filter(|grant| meant(grant)) {
            let part = grant.left.min(most);
            if part > Credits::ZERO {
                grant.left -= part;
                most -= part;
                taken.push(Grant { left: part, ..grant.clone() });
            }
        }
        self.0.retain(|grant| !grant.left.is_zero());
        taken
    }

    /// Puts a grant in its place; more of a grant that is there already joins it.
    pub fn add(&mut self, grant: Grant) {
        match self.0.iter_mut().find(|known| known.id == grant.id) {
            Some(known) => {
                known.left += grant.left;
                known.amount = known.amount.max(grant.amount);
            }
            None => {
                let place = self.0.partition_point(|known| known.rank() < grant.rank());
                self.0.insert(place, grant);
            }
        }
    }

    /// Each grant with the credits that are left of it here beyond those left of it in `other`.
    pub fn less(&self, other: &BurnOrder) -> BurnOrder {
        let of = |id: GrantId| other.0.iter().find(|grant| grant.id == id).map(|grant| grant.left);
        let more = self.0.iter().map(|grant| {
            let left = grant.left - of(grant.id).unwrap_or_default();
            Grant { left, ..grant.clone() }
        });
        BurnOrder(more.filter(|grant| grant.left > Credits::ZERO).collect())
    }

    /// Gives a grant another expiry, if it is there.
    pub fn end_at(&mut self, id: GrantId, end: Instant) {
        if let Some(place) = self.0.iter().position(|grant| grant.id == id) {
            let grant = self.0.remove(place);
            self.add(Grant { expires_at: Some(end), ..grant });
        }
    }

    pub fn into_grants(self) -> impl Iterator<Item = Grant> {
        self.0.into_iter()
    }

    /// Takes out the grants that have expired at `now`.
    pub fn expire(&mut self, now: Instant) -> Vec<Grant> {
        let (gone, stay) =
            std::mem::take(&mut self.0).into_iter().partition(|grant| grant.is_expired(now));
        self.0 = stay;
        gone
    }
}

/// More was spent than there was to spend: a broken account, never the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{spent} credits were spent from grants that hold {left}")]
pub struct Overspent {
    pub spent: Credits,
    pub left: Credits,
}

/// Credits that arrived (positive) or expired (negative) because time passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub grant: GrantId,
    pub kind: GrantKind,
    pub credits: Credits,
    pub expires_at: Option<Instant>,
}

impl Movement {
    /// So many credits of `grant` that moved.
    pub fn of(grant: &Grant, credits: Credits) -> Movement {
        let Grant { id, kind, expires_at, .. } = *grant;
        Movement { grant: id, kind, credits, expires_at }
    }
}
