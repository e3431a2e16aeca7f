//! Refusals over HTTP. Every status of a refusal is picked here.

use super::Problem;
use crate::command::BatchFailure;
use crate::domain::account::{MAX_GRANTS, ORDER_GRANTS, Recharge};
use crate::domain::hold::MAX_HOLDS;
use crate::domain::limit::{MAX_BROUGHT, MAX_LIMITS, Per, Reached};
use crate::domain::orders::MAX_OPEN;
use crate::domain::refusal::HoldEnd;
use crate::domain::service_key::KeyScope;
use crate::domain::{Credits, Instant, OperationId, Refusal};
use crate::failure::Failure;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let code = refusal.code();
        let new = |status, title, detail| Problem::new(status, code, title, detail);
        match refusal {
            Refusal::InvalidRequest { fields } => {
                let named: Vec<_> = fields.iter().map(ToString::to_string).collect();
                new(400, "Invalid request", format!("{}.", named.join("; "))).with("fields", fields)
            }
            Refusal::AccountNotFound { account } => {
                new(404, "Account not found", format!("There is no account {account}."))
                    .with("account", account)
            }
            Refusal::OperationReused => {
                let detail = "This key was already used for a different request.".to_owned();
                new(422, "Operation reused", detail)
            }
            Refusal::KeyAhead { server_time } => {
                let detail = "The time in this key is ahead of the server's clock. This request \
                              changed nothing. Create a new key from server_time, unless an \
                              earlier answer to this key was outcome_unknown.";
                new(400, "Key ahead", detail.to_owned()).with("server_time", server_time)
            }
            Refusal::UnknownAction { action, did_you_mean } => {
                let detail = format!("The catalog has no action {action:?}.");
                new(422, "Unknown action", detail).meaning(did_you_mean)
            }
            Refusal::UnknownModel { model, did_you_mean } => {
                let detail = format!("The rate table has no model {model:?}.");
                new(422, "Unknown model", detail).with("model", model).meaning(did_you_mean)
            }
            Refusal::UnknownMeter { model, meter, did_you_mean } => {
                let detail = format!("The model {model:?} has no rate for the meter {meter:?}.");
                new(422, "Unknown meter", detail)
                    .with("model", model)
                    .with("meter", meter)
                    .meaning(did_you_mean)
            }
            Refusal::UnknownPlan { plan, did_you_mean } => {
                let detail = format!("The catalog has no plan {plan:?}.");
                new(422, "Unknown plan", detail).meaning(did_you_mean)
            }
            Refusal::AccountFrozen { required, available } => {
                let detail = "The account is frozen. It keeps its credits.".to_owned();
                new(403, "Account frozen", detail)
                    .with("required", required)
                    .with("available", available)
            }
            Refusal::PlanRequired { required, available } => {
                let detail = "The account's plan does not include AI. The account keeps its \
                              credits and can spend them after an upgrade.";
                new(403, "Plan required", detail.to_owned())
                    .with("required", required)
                    .with("available", available)
            }
            Refusal::DebtOutstanding { required, available, debt } => {
                let detail =
                    format!("The account owes {debt} credits; the next top-up repays them.");
                let problem = new(402, "Debt outstanding", detail)
                    .with("required", required)
                    .with("available", available)
                    .with("debt", debt);
                problem.topped_up()
            }
            Refusal::InsufficientCredits { required, available, recharge, auto_top_up } => {
                let problem = insufficient(required, available, recharge);
                match auto_top_up {
                    true => problem.with("auto_top_up", "processing"),
                    false => problem,
                }
            }
            Refusal::LimitReached { limits, required, available, recharge } => {
                limit_reached(&limits, (required, available), recharge)
            }
            Refusal::TooManyLimits => {
                let detail = format!(
                    "The account has {MAX_LIMITS} limits of its own, or counts for as many, or for \
                     {MAX_BROUGHT} that only requests bring. Remove those that are not needed, or \
                     use windows that end."
                );
                new(409, "Too many limits", detail)
            }
            Refusal::TooManyHolds { holds, retry_at } => {
                let detail = format!(
                    "The account has {holds} open holds, and can have at most {MAX_HOLDS}. The \
                     first of them lapses at {retry_at}, unless one is captured or released before."
                );
                new(409, "Too many holds", detail).with("holds", holds).with("retry_at", retry_at)
            }
            Refusal::TooManyGrants => {
                let detail = format!(
                    "The account already has {MAX_GRANTS} grants with credits remaining, or \
                     {ORDER_GRANTS} if this orders a pack. Try again after some are spent or \
                     expire."
                );
                new(409, "Too many grants", detail)
            }
            Refusal::HoldNotFound => {
                new(404, "Hold not found", "The account never had a hold with this id.".to_owned())
            }
            Refusal::HoldEnded { ended, at } => {
                let how = match ended {
                    HoldEnd::Captured => "was captured",
                    HoldEnd::Released => "was released",
                    HoldEnd::Lapsed => "lapsed",
                };
                new(409, "Hold ended", format!("The hold {how} at {at}."))
                    .with("ended", ended)
                    .with("ended_at", at)
            }
            Refusal::HoldExceeded { required, held } => {
                let detail =
                    format!("The capture needs {required} credits, but only {held} are held.");
                new(422, "Hold exceeded", detail).with("required", required).with("held", held)
            }
            Refusal::DebitNotFound => new(
                404,
                "Debit not found",
                "The account never had a debit with this id.".to_owned(),
            ),
            Refusal::RefundExceeded { charged, refunded } => {
                let detail =
                    format!("{refunded} of the {charged} credits charged are already refunded.");
                new(422, "Refund exceeded", detail)
                    .with("charged", charged)
                    .with("refunded", refunded)
            }
            Refusal::GrantTooLarge { limit } => {
                let detail = format!("The catalog lets an operator grant {limit} credits at once.");
                new(403, "Grant too large", detail).with("limit", limit)
            }
            Refusal::GrantExpired { expires_at } => new(
                422,
                "Grant expired",
                format!("The grant would already have expired at {expires_at}."),
            ),
            Refusal::GrantNotFound => new(
                404,
                "Grant not found",
                "The account never had a grant with this id.".to_owned(),
            ),
            Refusal::GrantNotRevocable => new(
                409,
                "Grant not revocable",
                "Only manual and promotional grants can be revoked.".to_owned(),
            ),
            Refusal::NoDebt => new(409, "No debt", "The account has no debt.".to_owned()),
            Refusal::UnknownPack { pack, did_you_mean } => {
                let detail = format!("The catalog sells no pack {pack:?}.");
                new(422, "Unknown pack", detail).meaning(did_you_mean)
            }
            Refusal::UnknownTopUp { topup, did_you_mean } => {
                let detail = format!("The catalog offers no top-up plan {topup:?}.");
                new(422, "Unknown top-up plan", detail).meaning(did_you_mean)
            }
            Refusal::TopUpRunning { topup } => {
                let detail = format!("The account has the top-up plan {topup:?} already.");
                new(409, "Top-up plan running", detail)
            }
            Refusal::TooManyCheckouts { open, frees_at } => too_many_checkouts(&open, frees_at),
            Refusal::CheckoutNotFound => new(
                404,
                "Checkout not found",
                "The account has no checkout with this id.".to_owned(),
            ),
            Refusal::AlreadySubscribed => new(
                409,
                "Already subscribed",
                "The account has a subscription that runs. Change it in the portal.".to_owned(),
            ),
            Refusal::NotSubscribed => new(
                409,
                "Not subscribed",
                "The account has never had a subscription. Subscribe to a plan first.".to_owned(),
            ),
            Refusal::PriceUnknown { price } => {
                let detail = "The payment provider does not have this price of the plan. Nothing \
                              is charged.";
                new(409, "Price unknown", detail.to_owned()).with("price", price)
            }
            Refusal::SubscriptionParked { problem } => {
                let detail = format!(
                    "A subscription waits until its problem is over: {problem}. Repair it at \
                     Stripe or in the catalog, and run reconcile."
                );
                new(409, "Subscription parked", detail)
            }
            Refusal::PaymentNotFound => {
                new(404, "Payment not found", "There is no payment with this id.".to_owned())
            }
            Refusal::PaymentNotParked => new(
                409,
                "Payment not parked",
                "The payment is not waiting for an operator.".to_owned(),
            ),
            Refusal::PaymentAmbiguous => new(
                409,
                "Payment ambiguous",
                "The payment names more than one order. It can only be dismissed.".to_owned(),
            ),
            Refusal::EventUnreadable { problem } => {
                new(409, "Event unreadable", format!("The event still cannot be read: {problem}."))
            }
            Refusal::DisputeOpen => new(
                409,
                "Dispute open",
                "A payment of the account is disputed. Auto top-up can be switched on once that \
                 is decided."
                    .to_owned(),
            ),
            Refusal::BalanceTooLarge => {
                let most = Credits::MAX_BALANCE;
                new(422, "Balance too large", format!("An account holds at most {most} credits."))
            }
            Refusal::SessionRequired { return_url } => {
                let detail = "There is no session, or it has ended. Go back to where you came \
                              from and open credits again.";
                let problem = new(401, "Session required", detail.to_owned());
                match return_url {
                    Some(url) => problem.with("return_url", url),
                    None => problem,
                }
            }
            Refusal::SessionHeaderRequired => {
                let detail = "A request with a session cookie needs the Scrip-Session header: the \
                              id of the session that the page was rendered for.";
                new(428, "Session header required", detail.to_owned())
            }
            Refusal::SessionChanged => {
                let detail = "Another session was opened in this browser, possibly for another \
                              account. Load the page again.";
                new(409, "Session changed", detail.to_owned())
            }
            Refusal::ScopeRequired { scope } => {
                let detail = format!("This session cannot {scope} credits.");
                new(403, "Scope required", detail).with("scope", scope)
            }
            Refusal::KeyRefused => {
                // The same for every fault: a stranger learns nothing about keys.
                let detail = "This request needs a service key that is valid.".to_owned();
                new(401, "Key refused", detail)
            }
            Refusal::KeyScopeRequired { scope } => {
                let detail = match scope {
                    None => "No service key may do this: sign as an operator.".to_owned(),
                    Some(scope) => {
                        format!("This service key does not have the scope {}.", scope.name())
                    }
                };
                let scope = scope.map_or("operator", KeyScope::name);
                new(403, "Scope required", detail).with("scope", scope)
            }
            Refusal::OriginRefused { origin } => {
                let detail = match origin {
                    Some(origin) => format!("A page of {origin} may not send this request."),
                    None => "A page must send its Origin header with this request.".to_owned(),
                };
                new(403, "Origin refused", detail)
            }
        }
    }
}

fn insufficient(required: Credits, available: Credits, recharge: Option<Recharge>) -> Problem {
    let detail = match available.is_zero() {
        true => format!("No credits are left; this needs {required}."),
        false => format!("This needs {required} credits and {available} are available."),
    };
    let problem = Problem::new(402, "insufficient_credits", "Insufficient credits", detail)
        .with("required", required)
        .with("available", available)
        .with("shortfall", required - available)
        .with("recharges_at", recharge.map(|recharge| recharge.at))
        .with("recharge_credits", recharge.map(|recharge| recharge.credits));
    problem.topped_up()
}

/// The limit that resets last is the head; `limits` lists all that do not let the operation pass.
fn limit_reached(
    limits: &[Reached],
    (required, available): (Credits, Credits),
    recharge: Option<Recharge>,
) -> Problem {
    let Reached { of, per, at_most, left, required: needed, resets_at } = &limits[0];
    let window = match per {
        Per::Ever => String::new(),
        per => format!(" per {}", per.name()),
    };
    let mut detail = format!(
        "{of} may use {at_most} credits{window}, and has {left} left; this needs {needed}."
    );
    if available < required {
        detail = format!("{detail} The account has only {available} credits, too.");
    }
    Problem::new(402, "limit_reached", "Limit reached", detail)
        .with("of", of)
        .with("per", per)
        .with("at_most", at_most)
        .with("left", left)
        .with("required", needed)
        .with("resets_at", resets_at)
        .with("limits", limits)
        .with("available", available)
        .with("recharges_at", recharge.map(|recharge| recharge.at))
        .with("recharge_credits", recharge.map(|recharge| recharge.credits))
}

fn too_many_checkouts(open: &[OperationId], frees_at: Instant) -> Problem {
    let detail = format!(
        "This account has {MAX_OPEN} open checkouts. Pay for one of them, or wait until the \
         first one ends at {frees_at}."
    );
    Problem::new(409, "too_many_checkouts", "Too many checkouts", detail)
        .with("checkouts", open)
        .with("frees_at", frees_at)
}

impl From<BatchFailure> for Problem {
    /// Names the debit that failed, by its position.
    fn from(failed: BatchFailure) -> Problem {
        match (failed.failure, failed.index) {
            (Failure::Refusal(refusal), Some(index)) => Problem::from(refusal).with("index", index),
            (failure, _) => failure.into(),
        }
    }
}
