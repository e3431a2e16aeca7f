//! Refusals: every reason for which the contract lets Scrip refuse a request.

use std::fmt;

use super::account::Recharge;
use super::limit::Reached;
use super::service_key::KeyScope;
use super::{AccountId, Credits, Instant, OperationId};

/// Why Scrip refuses a request. A refusal has no effect and is not stored: the same id may succeed
/// later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is malformed; each field is named.
    InvalidRequest { fields: Vec<FieldProblem> },
    /// There is no such account.
    AccountNotFound { account: AccountId },
    /// The operation id was used before with different content.
    OperationReused,
    /// The operation id is dated so far ahead of this clock that nobody can have applied it.
    KeyAhead { server_time: Instant },
    /// The catalog does not sell such an action.
    UnknownAction { action: String, did_you_mean: Option<String> },
    /// The rate table of the action sells no such model.
    UnknownModel { model: String, did_you_mean: Option<String> },
    /// There is no such meter, or the model has no rate for it.
    UnknownMeter { model: String, meter: String, did_you_mean: Option<String> },
    /// The catalog has no such plan.
    UnknownPlan { plan: String, did_you_mean: Option<String> },
    /// An operator froze the account.
    AccountFrozen { required: Credits, available: Credits },
    /// The account's plan does not include AI, or was canceled.
    PlanRequired { required: Credits, available: Credits },
    /// The account is in debt, and the catalog lets nobody spend in debt.
    DebtOutstanding { required: Credits, available: Credits, debt: Credits },
    /// Fewer credits are available than the operation needs. `auto_top_up`: whether more are being
    /// bought.
    InsufficientCredits {
        required: Credits,
        available: Credits,
        recharge: Option<Recharge>,
        auto_top_up: bool,
    },
    /// Limits do not let the operation pass; the one that resets last is the first. `recharge`: when
    /// credits come back, if fewer are available than it needs as well.
    LimitReached {
        limits: Vec<Reached>,
        required: Credits,
        available: Credits,
        recharge: Option<Recharge>,
    },
    /// The account has the maximum number of limits of its own, or of counts for limits.
    TooManyLimits,
    /// The account has the maximum number of open holds. The first of them lapses at `retry_at`.
    TooManyHolds { holds: usize, retry_at: Instant },
    /// The account has the maximum number of grants that are neither used up nor expired.
    TooManyGrants,
    /// There was never such a hold.
    HoldNotFound,
    /// The hold is over: it was captured, released or lapsed.
    HoldEnded { ended: HoldEnd, at: Instant },
    /// The capture exceeds the credits that are held.
    HoldExceeded { required: Credits, held: Credits },
    /// There was never such a debit.
    DebitNotFound,
    /// Together with earlier refunds, the refund exceeds what the debit charged.
    RefundExceeded { charged: Credits, refunded: Credits },
    /// The grant is larger than the catalog allows.
    GrantTooLarge { limit: Credits },
    /// The grant has expired already.
    GrantExpired { expires_at: Instant },
    /// The account never had such a grant, as far as it is known.
    GrantNotFound,
    /// No operator gave the grant by decision: it is one of a plan or of a pack.
    GrantNotRevocable,
    /// There is no debt to waive.
    NoDebt,
    /// The catalog does not sell such a pack.
    UnknownPack { pack: String, did_you_mean: Option<String> },
    /// The catalog offers no such top-up plan.
    UnknownTopUp { topup: String, did_you_mean: Option<String> },
    /// The account has this top-up plan already.
    TopUpRunning { topup: String },
    /// The account has the maximum number of open checkouts: these.
    TooManyCheckouts { open: Vec<OperationId>, frees_at: Instant },
    /// The account has no such checkout.
    CheckoutNotFound,
    /// A subscription to a plan runs already.
    AlreadySubscribed,
    /// Nobody pays for the account whom Stripe's portal knows.
    NotSubscribed,
    /// Stripe does not have this price of the plan.
    PriceUnknown { price: String },
    /// A subscription waits for an operator: no decision ends that.
    SubscriptionParked { problem: String },
    /// There is no such payment.
    PaymentNotFound,
    /// The payment does not wait for an operator.
    PaymentNotParked,
    /// The payment names more than one order: nobody knows whose credits it is for.
    PaymentAmbiguous,
    /// The event still cannot be read: deploy a version that can read it first.
    EventUnreadable { problem: String },
    /// A payment of the account is disputed.
    DisputeOpen,
    /// The account would hold more than [`Credits::MAX_BALANCE`].
    BalanceTooLarge,
    /// There is no token, or it is not accepted, for any reason. If the token was ours and is over,
    /// `return_url` says where its customer came from.
    SessionRequired { return_url: Option<String> },
    /// A request with a cookie does not name the session that its page was rendered for.
    SessionHeaderRequired,
    /// Another session was opened in the browser since the page was rendered.
    SessionChanged,
    /// The session does not allow this.
    ScopeRequired { scope: &'static str },
    /// The request has no service key, or one that is not accepted, for any reason.
    KeyRefused,
    /// The service key has not this scope. None: no scope is enough, as an operator has to sign.
    KeyScopeRequired { scope: Option<KeyScope> },
    /// The requesting page has this origin, which is not allowed; or it names none.
    OriginRefused { origin: Option<String> },
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    Captured,
    Released,
    /// It reached its expiry.
    Lapsed,
}

/// A problem with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldProblem {
    pub field: String,
    pub problem: String,
    /// The known word that is nearest to what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

impl FieldProblem {
    pub fn new(field: &str, problem: impl Into<String>) -> FieldProblem {
        FieldProblem { field: field.to_owned(), problem: problem.into(), did_you_mean: None }
    }

    /// The same problem of a field inside one of several objects: `quantity` of `debits[3]`.
    pub fn within(self, object: &str) -> FieldProblem {
        FieldProblem { field: format!("{object}.{}", self.field), ..self }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)?;
        match &self.did_you_mean {
            Some(word) => write!(f, " (did you mean {word:?}?)"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// A refusal of one field.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Refusal {
        Refusal::InvalidRequest { fields: vec![FieldProblem::new(field, problem)] }
    }

    /// A refusal because there is no such account.
    pub fn no_account(account: &AccountId) -> Refusal {
        Refusal::AccountNotFound { account: account.clone() }
    }

    /// The stable code of it, in JSON, logs and the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InvalidRequest { .. } => "invalid_request",
            Refusal::AccountNotFound { .. } => "account_not_found",
            Refusal::OperationReused => "operation_reused",
            Refusal::KeyAhead { .. } => "key_ahead",
            Refusal::UnknownAction { .. } => "unknown_action",
            Refusal::UnknownModel { .. } => "unknown_model",
            Refusal::UnknownMeter { .. } => "unknown_meter",
            Refusal::UnknownPlan { .. } => "unknown_plan",
            Refusal::AccountFrozen { .. } => "account_frozen",
            Refusal::PlanRequired { .. } => "plan_required",
            Refusal::DebtOutstanding { .. } => "debt_outstanding",
            Refusal::InsufficientCredits { .. } => "insufficient_credits",
            Refusal::LimitReached { .. } => "limit_reached",
            Refusal::TooManyLimits => "too_many_limits",
            Refusal::TooManyHolds { .. } => "too_many_holds",
            Refusal::TooManyGrants => "too_many_grants",
            Refusal::HoldNotFound => "hold_not_found",
            Refusal::HoldEnded { .. } => "hold_ended",
            Refusal::HoldExceeded { .. } => "hold_exceeded",
            Refusal::DebitNotFound => "debit_not_found",
            Refusal::RefundExceeded { .. } => "refund_exceeded",
            Refusal::GrantTooLarge { .. } => "grant_too_large",
            Refusal::GrantExpired { .. } => "grant_expired",
            Refusal::GrantNotFound => "grant_not_found",
            Refusal::GrantNotRevocable => "grant_not_revocable",
            Refusal::NoDebt => "no_debt",
            Refusal::UnknownPack { .. } => "unknown_pack",
            Refusal::UnknownTopUp { .. } => "unknown_topup",
            Refusal::TopUpRunning { .. } => "topup_running",
            Refusal::TooManyCheckouts { .. } => "too_many_checkouts",
            Refusal::CheckoutNotFound => "checkout_not_found",
            Refusal::AlreadySubscribed => "already_subscribed",
            Refusal::NotSubscribed => "not_subscribed",
            Refusal::PriceUnknown { .. } => "price_unknown",
            Refusal::SubscriptionParked { .. } => "subscription_parked",
            Refusal::PaymentNotFound => "payment_not_found",
            Refusal::PaymentNotParked => "payment_not_parked",
            Refusal::PaymentAmbiguous => "payment_ambiguous",
            Refusal::EventUnreadable { .. } => "event_unreadable",
            Refusal::DisputeOpen => "dispute_open",
            Refusal::BalanceTooLarge => "balance_too_large",
            Refusal::SessionRequired { .. } => "session_required",
            Refusal::SessionHeaderRequired => "session_header_required",
            Refusal::SessionChanged => "session_changed",
            Refusal::ScopeRequired { .. } | Refusal::KeyScopeRequired { .. } => "scope_required",
            Refusal::KeyRefused => "key_refused",
            Refusal::OriginRefused { .. } => "origin_refused",
        }
    }
}
