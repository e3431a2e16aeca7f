//! The report of a run.

use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::{AccountId, Credits, Instant, OperationId};

/// The events and objects that a run read, and the payments that it corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// The events and objects that Stripe listed.
    pub read: usize,
    /// Those that could not be read.
    pub unreadable: usize,
    /// Those of an account that is gone or contradicts itself: `audit` names it.
    pub unjoined: usize,
    /// All that Stripe reported before this instant is applied. None: a first run has not come to
    /// its end, or the run saves no position.
    pub through: Option<Instant>,
    /// The time was over: the next run continues.
    pub goes_on: bool,
    /// Another run saved a position first: it goes on, and this one stopped.
    pub overtaken: bool,
    pub found: Vec<Found>,
    pub followed: Vec<FoundSubscription>,
}

/// A change of a subscription that the webhook missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundSubscription {
    /// Stripe's id of the event, or of the subscription where none came.
    pub event: Option<String>,
    pub subscription: String,
    pub account: AccountId,
    /// The plan and its status from now on, if they changed.
    pub plan: Option<String>,
    /// What is wrong with it, if it is parked now.
    pub parked: Option<String>,
}

/// A change of a payment that the webhook missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Stripe's id of the event, or of the object where the events are gone.
    pub event: Option<String>,
    pub payment: String,
    pub order: Option<OperationId>,
    pub account: Option<AccountId>,
    /// The credits of the payment in the account, before and after the correction.
    pub before: Credits,
    pub after: Credits,
    /// What is wrong with the payment, if it is parked now.
    pub parked: Option<String>,
}

impl ReconcileReport {
    /// The answer of the function: what it found is in the log, and may be more than an answer
    /// holds.
    pub fn counts(&self) -> Value {
        let ReconcileReport { read, unreadable, unjoined, through, goes_on, overtaken, .. } = self;
        let missed = self.found.len() + self.followed.len();
        json!({
            "read": read, "missed": missed, "unreadable": unreadable, "unjoined": unjoined,
            "through": through, "goes_on": goes_on, "overtaken": overtaken,
        })
    }
}
