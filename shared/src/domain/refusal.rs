//! Refusals: every "no" that is part of the contract.

use super::account::Recharge;
use super::{Credits, Instant};

/// An answer "no". It has no effect and is not remembered: the same id may succeed later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is malformed; each field is named.
    InvalidRequest { fields: Vec<FieldProblem> },
    /// There is no such account.
    AccountNotFound,
    /// The operation id was used before, with other content.
    OperationReused,
    /// The catalog does not sell such an action.
    UnknownAction { action: String },
    /// The catalog has no such plan.
    UnknownPlan { plan: String },
    /// An operator froze the account.
    AccountFrozen { required: Credits, available: Credits },
    /// The account's plan does not include AI, or was canceled.
    PlanRequired { required: Credits, available: Credits },
    /// Fewer credits are available than the operation needs.
    InsufficientCredits { required: Credits, available: Credits, recharge: Option<Recharge> },
    /// The grant has expired already.
    GrantExpired { expires_at: Instant },
    /// The account would hold more than [`Credits::MAX_BALANCE`].
    BalanceTooLarge,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldProblem {
    pub field: String,
    pub problem: String,
}

impl Refusal {
    /// A refusal of one field.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Refusal {
        let field = FieldProblem { field: field.to_owned(), problem: problem.into() };
        Refusal::InvalidRequest { fields: vec![field] }
    }

    /// The stable word for it, in JSON, logs and the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InvalidRequest { .. } => "invalid_request",
            Refusal::AccountNotFound => "account_not_found",
            Refusal::OperationReused => "operation_reused",
            Refusal::UnknownAction { .. } => "unknown_action",
            Refusal::UnknownPlan { .. } => "unknown_plan",
            Refusal::AccountFrozen { .. } => "account_frozen",
            Refusal::PlanRequired { .. } => "plan_required",
            Refusal::InsufficientCredits { .. } => "insufficient_credits",
            Refusal::GrantExpired { .. } => "grant_expired",
            Refusal::BalanceTooLarge => "balance_too_large",
        }
    }
}
