//! Webhook: Stripe reports a change of a payment, and the account follows it.
//!
//! A signed event gets 200 only after it is written. Until then Stripe sends it again, and an event
//! that arrives twice has the effect of one.

use lambda_http::{Body, Request, Response};
use shared::command::auto_top_up;
use shared::command::payment::{self, KeepOutcome, NoticeOutcome, OrderUpdate};
use shared::command::subscription::{self, SubscriptionOutcome};
use shared::command::topup::{self, InvoiceOutcome};
use shared::context::Context;
use shared::decide::UnreadEvent;
use shared::domain::Instant;
use shared::domain::subscription::SubscriptionId;
use shared::failure::Failure;
use shared::http::payment::{Outcome, heard};
use shared::http::{self, Call, Problem};
use shared::secrets::Secret;
use shared::stripe::object::Said;
use shared::stripe::signature::{self, SignatureError};
use shared::stripe::{self, Stripe, StripeError};
use shared::telemetry::correlation;

/// The message of an invoice that waits for an operator.
const CANNOT_CREDIT: &str = "an invoice of a top-up plan cannot be credited";

/// Answers `POST /v1/stripe/webhook`. `secret` is the endpoint's signing secret; while it is being
/// replaced it holds both, separated by a space.
/// `stripe` is asked about subscriptions.
pub async fn handle(
    context: &Context,
    stripe: &Stripe,
    secret: &Secret,
    request: Request,
) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    http::answer(context, &call, route(context, stripe, secret, &call)).await
}

async fn route(
    context: &Context,
    stripe: &Stripe,
    secret: &Secret,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("POST", ["v1", "stripe", "webhook"]) => take_event(context, stripe, secret, call).await,
        _ => Err(call.no_route()),
    }
}

async fn take_event(
    context: &Context,
    stripe: &Stripe,
    secret: &Secret,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let body = call.event()?;
    let now = context.clock.now();
    verify(secret, call.header("stripe-signature"), body, now).await?;
    let event = match stripe::event(body) {
        Ok(event) => event,
        Err(problem) => return keep(context, body, &problem.to_string(), now).await,
    };
    let outcome = match event.said {
        // An event that changes nothing.
        None => Outcome::Ignored,
        Some(Said::Payment(notice)) => outcome(payment::take_notice(context, &notice, true).await?),
        Some(Said::CardSaved(intent)) => {
            let saved = stripe.saved_card(&intent, context.clock.now()).await;
            match saved.map_err(Failure::Stripe)? {
                Some(saved) => {
                    correlation::account(&saved.account);
                    auto_top_up::card_saved(context, &saved).await?;
                    Outcome::Applied
                }
                None => Outcome::Ignored,
            }
        }
        Some(Said::Subscription(id)) => match subscription::follow(context, stripe, &id).await {
            Ok(outcome) => followed(outcome, &id)?,
            Err(Failure::Stripe(StripeError::Unreadable(problem))) => {
                return keep(context, body, &problem, now).await;
            }
            Err(failure) => return Err(failure.into()),
        },
        Some(Said::Invoice(id)) => match topup::take_invoice(context, stripe, &id).await? {
            InvoiceOutcome::Notice(notice) => outcome(notice),
            InvoiceOutcome::Kept { id, problem, kept } => {
                tracing::error!(alarm = "payment_parked", event = id, problem, "{CANNOT_CREDIT}");
                return parked(kept);
            }
        },
    };
    let (event, kind) = (event.id, event.kind);
    tracing::info!(event, kind, outcome = outcome.name(), "processed an event of Stripe");
    Ok(heard(outcome))
}

fn outcome(notice: NoticeOutcome) -> Outcome {
    if let NoticeOutcome::OrderUpdate(OrderUpdate { order: Some((_, account)), .. }) = &notice {
        correlation::account(account);
    }
    match notice {
        NoticeOutcome::Foreign => Outcome::Ignored,
        NoticeOutcome::Known => Outcome::Known,
        NoticeOutcome::OrderUpdate(OrderUpdate { parked: Some(problem), intent, .. }) => {
            let payment = intent.as_str();
            tracing::error!(alarm = "payment_parked", payment, problem, "a payment is parked");
            Outcome::Parked
        }
        NoticeOutcome::OrderUpdate(OrderUpdate { order: None, .. }) => Outcome::Kept,
        NoticeOutcome::OrderUpdate(_) => Outcome::Applied,
    }
}

fn followed(outcome: SubscriptionOutcome, id: &SubscriptionId) -> Result<Outcome, Problem> {
    let subscription = id.as_str();
    let update = match outcome {
        SubscriptionOutcome::Foreign => return Ok(Outcome::Ignored),
        SubscriptionOutcome::Known => return Ok(Outcome::Known),
        // Stripe sends it again, and meanwhile the product opens the account.
        SubscriptionOutcome::Unclaimed { problem, is_young: true } => {
            tracing::warn!(subscription, problem, "a subscription of no account");
            return Err(Problem::unclaimed());
        }
        SubscriptionOutcome::Unclaimed { problem, is_young: false } => {
            let alarm = "payment_parked";
            tracing::error!(alarm, subscription, problem, "a subscription of no account");
            return Ok(Outcome::Ignored);
        }
        SubscriptionOutcome::Updated(update) => update,
    };
    correlation::account(&update.account);
    let Some(problem) = update.parked else { return Ok(Outcome::Applied) };
    tracing::error!(alarm = "payment_parked", subscription, problem, "a subscription is parked");
    Ok(Outcome::Parked)
}

/// Verifies the body's signature; if no secret matches, reads the secret again and retries.
async fn verify(
    secret: &Secret,
    header: Option<&str>,
    body: &[u8],
    now: Instant,
) -> Result<(), Problem> {
    let header = header.ok_or_else(|| Problem::signature(SignatureError::Malformed))?;
    let secrets = secret.get(now).await.map_err(Problem::secret)?;
    let fits = |text: &str| {
        let secrets: Vec<&str> = text.split_whitespace().collect();
        signature::verify(header, body, &secrets, now)
    };
    match fits(&secrets) {
        Err(SignatureError::NoMatch) => {
            let again = secret.again(now).await.map_err(Problem::secret)?;
            let result = if again == secrets { Err(SignatureError::NoMatch) } else { fits(&again) };
            result.map_err(Problem::signature)
        }
        result => result.map_err(Problem::signature),
    }
}

/// Keeps a signed event that cannot be read, for an operator or a later version.
async fn keep(
    context: &Context,
    body: &[u8],
    problem: &str,
    at: Instant,
) -> Result<Response<Body>, Problem> {
    let id = stripe::name(body);
    tracing::error!(alarm = "payment_parked", event = id, problem, "an event cannot be read");
    let body = String::from_utf8_lossy(body).into_owned();
    let event = UnreadEvent { id, body, problem: problem.to_owned(), at };
    parked(payment::keep(context, event).await?)
}

fn parked(kept: KeepOutcome) -> Result<Response<Body>, Problem> {
    match kept {
        KeepOutcome::Kept | KeepOutcome::Known => Ok(heard(Outcome::Parked)),
        // Stripe keeps the event, and sends it again for three days.
        KeepOutcome::Full => Err(Problem::too_many_parked()),
    }
}
