//! The status of an account's payment for its plan.

/// Whether an account pays for its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    /// The plan's payment is failing: no new plan grant arrives.
    PastDue,
    /// No grant arrives, and the credits that are there are frozen.
    Canceled,
    /// The plan is tried for free: its trial size arrives in place of its monthly one.
    Trialing,
}

impl Status {
    /// In the order of their permanent numbers.
    pub const ALL: [Status; 4] =
        [Status::Active, Status::PastDue, Status::Canceled, Status::Trialing];

    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Canceled => "canceled",
            Status::Trialing => "trialing",
        }
    }

    /// Whether plan periods begin.
    pub fn renews(self) -> bool {
        matches!(self, Status::Active | Status::Trialing)
    }
}
