//! How each refusal looks. Every status of a refusal is picked here.

use super::Problem;
use crate::command::BatchFailure;
use crate::domain::account::{MOST_GRANTS, MOST_HOLDS, ORDER_GRANTS, Recharge};
use crate::domain::orders::MOST_OPEN;
use crate::domain::refusal::HoldEnd;
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
                let detail = "This key was used before, for another request.".to_owned();
                new(422, "Operation reused", detail)
            }
            Refusal::KeyAhead { server_time } => {
                let detail = "The time in this key is ahead of ours. Nothing happened by it: if no \
                              earlier answer was unknown, make a new key, by server_time.";
                new(400, "Key ahead", detail.to_owned()).with("server_time", server_time)
            }
            Refusal::UnknownAction { action, did_you_mean } => {
                let detail = format!("The catalog has no action {action:?}.");
                new(422, "Unknown action", detail).meaning(did_you_mean)
            }
            Refusal::UnknownPlan { plan, did_you_mean } => {
                let detail = format!("The catalog has no plan {plan:?}.");
                new(422, "Unknown plan", detail).meaning(did_you_mean)
            }
            Refusal::AccountFrozen { required, available } => {
                let detail = "The account is frozen; its credits are kept.".to_owned();
                new(403, "Account frozen", detail)
                    .with("required", required)
                    .with("available", available)
            }
            Refusal::PlanRequired { required, available } => {
                let detail = "The account's plan does not include AI; credits already bought are \
                              kept and work again after an upgrade.";
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
            Refusal::InsufficientCredits { required, available, recharge } => {
                insufficient(required, available, recharge)
            }
            Refusal::TooManyHolds => {
                let detail = format!("An account has at most {MOST_HOLDS} open holds.");
                new(409, "Too many holds", detail)
            }
            Refusal::TooManyGrants => {
                let detail = format!(
                    "Something is left of {MOST_GRANTS} grants, or of {ORDER_GRANTS} where a pack \
                     is ordered. Some have to be spent or to lapse first."
                );
                new(409, "Too many grants", detail)
            }
            Refusal::HoldNotFound => {
                new(404, "Hold not found", "The account never had such a hold.".to_owned())
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
                let detail = format!("This captures {required} credits and {held} are held.");
                new(422, "Hold exceeded", detail).with("required", required).with("held", held)
            }
            Refusal::DebitNotFound => {
                new(404, "Debit not found", "The account never had such a debit.".to_owned())
            }
            Refusal::RefundExceeded { charged, refunded } => {
                let detail = format!("{refunded} of the {charged} charged are refunded already.");
                new(422, "Refund exceeded", detail)
                    .with("charged", charged)
                    .with("refunded", refunded)
            }
            Refusal::GrantExpired { expires_at } => {
                new(422, "Grant expired", format!("The grant would have expired at {expires_at}."))
            }
            Refusal::NoDebt => new(409, "No debt", "The account owes nothing.".to_owned()),
            Refusal::UnknownPack { pack, did_you_mean } => {
                let detail = format!("The catalog sells no pack {pack:?}.");
                new(422, "Unknown pack", detail).meaning(did_you_mean)
            }
            Refusal::TooManyCheckouts { open, frees_at } => too_many_checkouts(&open, frees_at),
            Refusal::CheckoutNotFound => {
                new(404, "Checkout not found", "The account has no such checkout.".to_owned())
            }
            Refusal::PaymentNotFound => {
                new(404, "Payment not found", "There is no such payment.".to_owned())
            }
            Refusal::PaymentNotParked => {
                new(409, "Payment not parked", "It does not wait for an operator.".to_owned())
            }
            Refusal::PaymentAmbiguous => new(
                409,
                "Payment ambiguous",
                "It names more than one order: it can only be dismissed.".to_owned(),
            ),
            Refusal::EventUnreadable { problem } => {
                new(409, "Event unreadable", format!("It still cannot be read: {problem}."))
            }
            Refusal::BalanceTooLarge => {
                let most = Credits::MAX_BALANCE;
                new(422, "Balance too large", format!("An account holds at most {most} credits."))
            }
            Refusal::SessionRequired { return_url } => {
                let detail = "There is no session, or it is over. Open credits again from where \
                              you came.";
                let problem = new(401, "Session required", detail.to_owned());
                match return_url {
                    Some(url) => problem.with("return_url", url),
                    None => problem,
                }
            }
            Refusal::SessionHeaderRequired => {
                let detail = "A request by cookie says in the Scrip-Session header for which \
                              session its page was rendered.";
                new(428, "Session header required", detail.to_owned())
            }
            Refusal::SessionChanged => {
                let detail = "Credits were opened again in this browser, perhaps of another \
                              account. Load the page again.";
                new(409, "Session changed", detail.to_owned())
            }
            Refusal::ScopeRequired { scope } => {
                let detail = format!("This session does not allow to {scope}.");
                new(403, "Scope required", detail).with("scope", scope)
            }
            Refusal::OriginRefused { origin } => {
                let detail = match origin {
                    Some(origin) => format!("A page of {origin} may not ask for this."),
                    None => "A page that asks for this has to say its origin.".to_owned(),
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

fn too_many_checkouts(open: &[OperationId], frees_at: Instant) -> Problem {
    let detail = format!(
        "{MOST_OPEN} checkouts of this account are open. Pay one of them, or wait until the first \
         of them ends at {frees_at}."
    );
    Problem::new(409, "too_many_checkouts", "Too many checkouts", detail)
        .with("checkouts", open)
        .with("frees_at", frees_at)
}

impl From<BatchFailure> for Problem {
    /// Of one of its debits, by its place.
    fn from(failed: BatchFailure) -> Problem {
        match (failed.failure, failed.index) {
            (Failure::Refusal(refusal), Some(index)) => Problem::from(refusal).with("index", index),
            (failure, _) => failure.into(),
        }
    }
}
