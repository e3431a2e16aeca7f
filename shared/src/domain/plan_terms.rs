//! The terms on which an account has a plan, and those that are due to come.

use super::period::Anchor;
use super::{Instant, Status};

/// How many seats an account has at most: of a plan by the seat, its sizes times the seats are what
/// is granted.
pub const MAX_SEATS: u32 = 1_000_000;

/// What an account has of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTerms {
    /// The plan's name in the catalog.
    pub plan: String,
    pub status: Status,
    pub anchor: Anchor,
    /// How many times the plan's sizes are granted: 1, or the seats that are paid for.
    pub seats: u32,
}

/// A change of plan that is due at an instant. The anchor stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPlan {
    pub plan: String,
    pub status: Status,
    pub seats: u32,
    pub at: Instant,
}

impl NextPlan {
    /// The terms from then on, of an account with this anchor.
    pub fn terms(&self, anchor: Anchor) -> PlanTerms {
        PlanTerms { plan: self.plan.clone(), status: self.status, anchor, seats: self.seats }
    }
}
