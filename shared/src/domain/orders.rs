//! The latest orders of an account: which a customer sees, and how many may be open.

use super::instant::Span;
use super::payment::OPEN_FOR;
use super::{Instant, OperationId};

/// How many orders of an account may be open at once: each is a session at Stripe.
pub const MAX_OPEN: usize = 10;
/// For how long an order is listed: most payment methods that take days have finished by then.
pub const LISTED_FOR: Span = Span::from_s(30 * 86_400);
/// How many orders are listed at most, the latest: each costs one read, or two.
pub const MAX_LISTED: usize = 100;

/// The orders of an account that are listed. An id says when its order was placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// The oldest first.
    pub ids: Vec<OperationId>,
    /// The number of times it was written; 0: never.
    pub version: u64,
}

impl Orders {
    /// Adds an order placed now, and drops those that are no longer listed.
    pub fn with(&self, id: OperationId, now: Instant) -> Orders {
        let mut ids: Vec<_> = self.listed(now).take(MAX_LISTED - 1).collect();
        ids.push(id);
        // The order of an invoice that was heard of late is older than others.
        ids.sort_by_key(OperationId::time);
        Orders { ids, version: self.version }
    }

    /// The listed orders, the latest first.
    pub fn listed(&self, now: Instant) -> impl Iterator<Item = OperationId> {
        self.younger_than(LISTED_FOR, now)
    }

    /// The orders that are open unless they are paid or their session has ended; the latest first.
    pub fn may_be_open(&self, now: Instant) -> impl Iterator<Item = OperationId> {
        self.younger_than(OPEN_FOR, now)
    }

    fn younger_than(&self, age: Span, now: Instant) -> impl Iterator<Item = OperationId> {
        self.ids.iter().rev().copied().filter(move |id| now < id.time() + age)
    }
}
