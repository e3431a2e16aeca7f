//! The terms of a plan in JSON.

use serde::Serialize;

use crate::domain::period::Anchor;
use crate::domain::{Instant, NextPlan, PlanTerms};

#[derive(Serialize)]
pub(super) struct Terms<'a> {
    plan: &'a str,
    status: &'static str,
    anchor: Anchor,
    #[serde(skip_serializing_if = "is_one")]
    seats: u32,
}

impl<'a> From<&'a PlanTerms> for Terms<'a> {
    fn from(terms: &'a PlanTerms) -> Terms<'a> {
        let PlanTerms { plan, status, anchor, seats } = terms;
        Terms { plan, status: status.name(), anchor: *anchor, seats: *seats }
    }
}

/// The change of plan that is due to come.
#[derive(Serialize)]
pub(super) struct Next<'a> {
    plan: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "is_one")]
    seats: u32,
    at: Instant,
}

impl<'a> From<&'a NextPlan> for Next<'a> {
    fn from(next: &'a NextPlan) -> Next<'a> {
        let NextPlan { plan, status, seats, at } = next;
        Next { plan, status: status.name(), seats: *seats, at: *at }
    }
}

fn is_one(seats: &u32) -> bool {
    *seats == 1
}
