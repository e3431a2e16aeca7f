//! The status of an account's payment for its plan.

/// Whether an account pays for its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    /// The plan's payment is failing: no new plan grant arrives.
    PastDue,
    /// No grant arrives, and the credits that are there are frozen.
    Canceled,
}

impl Status {
    pub const ALL: [Status; 3] = [Status::Active, Status::PastDue, Status::Canceled];

    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Canceled => "canceled",
        }
    }
}
