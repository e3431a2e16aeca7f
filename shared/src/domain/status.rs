//! How an account stands with the payment for its plan.

/// How an account pays for its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    /// The plan's payment is failing: no new plan grant arrives.
    PastDue,
    /// Nothing is granted, and what is there is frozen.
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
