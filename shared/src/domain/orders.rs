//! The latest orders of an account: what a customer is shown of them, and how many may be open.

use super::instant::Span;
use super::payment::OPEN_FOR;
use super::{Instant, OperationId};

/// How many orders of an account may be open at once: each is a session at Stripe.
pub const MAX_OPEN: usize = 10;
/// For how long an order is listed: by then most ways to pay that take days have come to an end.
pub const LISTED_FOR: Span = Span::from_s(30 * 86_400);
/// How many are listed at most, the latest: each costs a read, or two.
pub const MAX_LISTED: usize = 100;

/// The orders of an account that are listed. An id says when its order was placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// The oldest first.
    pub ids: Vec<OperationId>,
    /// Counts the writes of it; 0: it was never written.
    pub version: u64,
}

impl Orders {
    /// With one that is placed now, and without those that are not listed any more.
    pub fn with(&self, id: OperationId, now: Instant) -> Orders {
        let mut ids: Vec<_> = self.listed(now).take(MAX_LISTED - 1).collect();
        ids.reverse();
        ids.push(id);
        Orders { ids, version: self.version }
    }

    /// Those that are listed, the latest first.
    pub fn listed(&self, now: Instant) -> impl Iterator<Item = OperationId> {
        self.younger_than(LISTED_FOR, now)
    }

    /// Those that are open, unless they are paid or their session has ended; the latest first.
    pub fn may_be_open(&self, now: Instant) -> impl Iterator<Item = OperationId> {
        self.younger_than(OPEN_FOR, now)
    }

    fn younger_than(&self, age: Span, now: Instant) -> impl Iterator<Item = OperationId> {
        self.ids.iter().rev().copied().filter(move |id| now < id.time() + age)
    }
}
