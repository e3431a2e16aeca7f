//! Problems: how a refusal or an error looks over HTTP (RFC 9457).

use lambda_http::{Body, Response};
use serde_json::{Map, Value, json};

use crate::command::BatchFailure;
use crate::config::Config;
use crate::decide::{AWAITED, Fault};
use crate::domain::account::{MOST_GRANTS, MOST_HOLDS, ORDER_GRANTS, Recharge};
use crate::domain::orders::MOST_OPEN;
use crate::domain::refusal::{FieldProblem, HoldEnd};
use crate::domain::{Credits, Instant, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::{Metric, Metrics};
use crate::secrets::SecretError;
use crate::store::StoreError;
use crate::stripe::StripeError;
use crate::stripe::signature::SignatureError;

/// It is not known whether what was asked for happened.
const UNKNOWN: &str = "outcome_unknown";

/// `application/problem+json` with a stable `code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: String,
    /// What else a reader may want to know, by name.
    more: Vec<(&'static str, Value)>,
    retry_after_s: Option<u32>,
    /// Whether buying credits would help.
    tops_up: bool,
}

impl Problem {
    fn new(status: u16, code: &'static str, title: &'static str, detail: String) -> Problem {
        let (more, retry_after_s, tops_up) = (Vec::new(), None, false);
        Problem { status, code, title, detail, more, retry_after_s, tops_up }
    }

    fn with(mut self, name: &'static str, value: impl serde::Serialize) -> Problem {
        let value = serde_json::to_value(value).expect("values of problems are plain");
        self.more.push((name, value));
        self
    }

    /// No route has this path and method.
    pub fn no_route() -> Problem {
        let detail = "No route has this path and method.".to_owned();
        Problem::new(404, "not_found", "Not found", detail)
    }

    /// Whether a customer's session is missing or over.
    pub fn is_no_session(&self) -> bool {
        self.code == Refusal::SessionRequired.code()
    }

    pub(super) fn count(&self, metrics: &Metrics) {
        match self.status {
            _ if self.code == UNKNOWN => metrics.add(Metric::Unknowns, 1),
            500.. => metrics.add(Metric::Failures, 1),
            _ => metrics.refused(self.code),
        }
    }

    pub fn too_large(most_bytes: usize) -> Problem {
        let detail = format!("The body is larger than {most_bytes} bytes.");
        Problem::new(413, "body_too_large", "Body too large", detail)
    }

    /// A webhook that was not signed by Stripe, or not lately.
    pub fn signature(error: SignatureError) -> Problem {
        tracing::warn!(%error, "a webhook is refused");
        let detail = format!("The Stripe-Signature does not hold: {error}.");
        Problem::new(400, "signature_invalid", "Signature invalid", detail)
    }

    /// A secret that cannot be read now.
    pub fn secret(error: SecretError) -> Problem {
        tracing::error!(error = %chain(&error), "a secret cannot be read");
        let detail = "A secret cannot be read now. Send it again.".to_owned();
        let problem = Problem::new(503, "unavailable", "Unavailable", detail);
        Problem { retry_after_s: Some(5), ..problem }
    }

    /// As many events as are kept wait for an operator: Stripe keeps this one, and sends it again.
    pub fn too_many_parked() -> Problem {
        let detail = "Too many payments wait for an operator. Send it again.".to_owned();
        let problem = Problem::new(503, "unavailable", "Unavailable", detail);
        Problem { retry_after_s: Some(600), ..problem }
    }

    /// A checkout that Stripe did not begin. The order is kept: the same key asks for the same.
    pub fn stripe(error: &StripeError) -> Problem {
        match error {
            StripeError::Again(_) => {
                tracing::warn!(%error, "a checkout is not known to have begun");
                let detail = "The payment provider did not answer. Send it again: a checkout with \
                              the same Idempotency-Key begins once.";
                let unknown = Problem::new(503, UNKNOWN, "Outcome unknown", detail.to_owned());
                Problem { retry_after_s: Some(1), ..unknown }
            }
            StripeError::Key(_) | StripeError::Missing(_) | StripeError::Denied(_) => {
                tracing::error!(%error, "a checkout was refused");
                let detail = "The payment provider refused the checkout.".to_owned();
                Problem::new(500, "internal_error", "Internal error", detail)
            }
        }
    }

    /// With where to buy credits, if that would help.
    pub(super) fn located(self, config: &Config) -> Problem {
        match self.tops_up {
            true => self.with("top_up_url", &config.top_up_url),
            false => self,
        }
    }

    /// How a refusal looks. Every status of a refusal is picked here.
    fn refusal(refusal: Refusal) -> Problem {
        let code = refusal.code();
        let new = |status, title, detail| Problem::new(status, code, title, detail);
        match refusal {
            Refusal::InvalidRequest { fields } => {
                let named: Vec<_> =
                    fields.iter().map(|f| format!("{} {}", f.field, f.problem)).collect();
                new(400, "Invalid request", format!("{}.", named.join("; "))).with("fields", fields)
            }
            Refusal::AccountNotFound => {
                new(404, "Account not found", "There is no such account.".to_owned())
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
            Refusal::UnknownAction { action } => {
                new(422, "Unknown action", format!("The catalog has no action {action:?}."))
            }
            Refusal::UnknownPlan { plan } => {
                new(422, "Unknown plan", format!("The catalog has no plan {plan:?}."))
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
                Problem { tops_up: true, ..problem }
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
            Refusal::UnknownPack { pack } => {
                new(422, "Unknown pack", format!("The catalog sells no pack {pack:?}."))
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
            Refusal::SessionRequired => {
                let detail = "There is no session, or it is over. Open credits again from where \
                              you came.";
                new(401, "Session required", detail.to_owned())
            }
            Refusal::ScopeRequired { scope } => {
                let detail = format!("This session does not allow to {scope}.");
                new(403, "Scope required", detail).with("scope", scope)
            }
            Refusal::OriginRefused => {
                let detail = "A page of this origin may not ask for this.".to_owned();
                new(403, "Origin refused", detail)
            }
        }
    }

    /// How an error of the store looks. What is ours is logged here, once.
    fn error(error: &StoreError) -> Problem {
        match error {
            StoreError::Again(_)
            | StoreError::Clock { .. }
            | StoreError::OnItsWay
            | StoreError::Ahead { .. }
            | StoreError::Catalog { .. }
            // A catalog that was published a moment ago has the plan: this function will read it.
            | StoreError::Fault(Fault::NoPlan { .. })
            | StoreError::Exhausted { .. } => {
                tracing::warn!(error = %chain(error), "an outcome is not known");
                let detail = "It is not known whether this happened. Send it again: a change with \
                              the same Idempotency-Key will not happen twice.";
                let unknown = Problem::new(503, UNKNOWN, "Outcome unknown", detail.to_owned());
                let retry_after_s = match error {
                    // Until it is waited for.
                    StoreError::Ahead { lead_ms } => (lead_ms - AWAITED.ms()) / 1000 + 1,
                    _ => 1,
                };
                Problem { retry_after_s: u32::try_from(retry_after_s).ok(), ..unknown }
            }
            StoreError::Denied(_) | StoreError::Broken { .. } | StoreError::Fault(_) => {
                Problem::internal(error)
            }
        }
    }

    fn internal(error: &dyn std::error::Error) -> Problem {
        tracing::error!(error = %chain(error), "a request failed");
        let detail = "The credits service failed. A change may be sent again with the same \
                      Idempotency-Key: it will not happen twice.";
        Problem::new(500, "internal_error", "Internal error", detail.to_owned())
    }

    pub fn into_response(self) -> Response<Body> {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:scrip:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.title));
        body.insert("status".to_owned(), json!(self.status));
        body.insert("detail".to_owned(), json!(self.detail));
        body.insert("code".to_owned(), json!(self.code));
        body.extend(self.more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let response = Response::builder()
            .status(self.status)
            .header("content-type", "application/problem+json")
            .header("cache-control", "no-store");
        let response = match self.retry_after_s {
            Some(s) => response.header("retry-after", s),
            None => response,
        };
        response
            .body(Body::Text(Value::Object(body).to_string()))
            .expect("status and headers are valid")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::refusal(refusal)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::error(&error)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        StoreError::Fault(fault).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::Refusal(refusal) => refusal.into(),
            Failure::Store(error) => error.into(),
            Failure::Sessions(error) => Problem::internal(&error),
        }
    }
}

impl From<BatchFailure> for Problem {
    /// Of one of its debits, by its place.
    fn from(failed: BatchFailure) -> Problem {
        match (failed.failure, failed.index) {
            (Failure::Refusal(Refusal::InvalidRequest { fields }), Some(index)) => {
                let named = fields.into_iter().map(|problem| FieldProblem {
                    field: format!("debits[{index}].{}", problem.field),
                    ..problem
                });
                Refusal::InvalidRequest { fields: named.collect() }.into()
            }
            (Failure::Refusal(refusal), Some(index)) => {
                Problem::refusal(refusal).with("index", index)
            }
            (failure, _) => failure.into(),
        }
    }
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
    Problem { tops_up: true, ..problem }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
