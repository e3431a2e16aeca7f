//! Checkout: a customer buys a pack of credits, begins a top-up plan or subscribes to a plan, without
//! talking to anyone.

use lambda_http::{Body, Request, Response};
use shared::command::{self, order, topup};
use shared::context::Context;
use shared::decide::Field;
use shared::domain::payment::State;
use shared::domain::{CheckoutRequest, Refusal};
use shared::failure::Failure;
use shared::http::payment::{checkout, checkouts as listed, ordered, packs};
use shared::http::topup::{begun, topups};
use shared::http::{self, Call, Problem, subscription};
use shared::query;
use shared::query::checkouts;
use shared::session::Scope;
use shared::stripe::Stripe;

/// Answers `GET /v1/me/packs` and the routes of `/v1/me/checkouts`, `/v1/me/subscriptions`,
/// `/v1/me/portal` and `/v1/me/topup-plans`.
pub async fn handle(context: &Context, stripe: &Stripe, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    call.shared(http::answer(context, &call, route(context, stripe, &call)).await)
}

async fn route(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["v1", "me", "packs"]) => {
            let session = call.customer(context, Scope::View).await?;
            let catalog = context.catalog().await;
            Ok(packs(&catalog, session.currency, context.clock.now()))
        }
        ("POST", ["v1", "me", "checkouts"]) => begin(context, stripe, call).await,
        ("GET", ["v1", "me", "checkouts"]) => list(context, call).await,
        ("GET", ["v1", "me", "checkouts", id]) => state(context, call, id).await,
        ("GET", ["v1", "me", "subscriptions"]) => subscriptions(context, stripe, call).await,
        ("POST", ["v1", "me", "subscriptions"]) => {
            let session = call.customer(context, Scope::Buy).await?;
            let (key, request) = call.subscribe()?;
            let begun = command::subscribe::subscribe(context, stripe, &session, &key, &request);
            Ok(subscription::at(&begun.await?))
        }
        ("POST", ["v1", "me", "portal"]) => {
            let session = call.customer(context, Scope::Buy).await?;
            call.nothing()?;
            Ok(subscription::at(&command::subscribe::portal(context, stripe, &session).await?))
        }
        ("GET", ["v1", "me", "topup-plans"]) => list_topups(context, stripe, call).await,
        ("POST", ["v1", "me", "topup-plans"]) => begin_topup(context, stripe, call).await,
        ("OPTIONS", path) if path.get(1) == Some(&"me") => call.preflight(),
        _ => Err(call.no_route()),
    }
}

/// Writes the order, and then asks Stripe for the address where the customer pays.
async fn begin(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::Buy).await?;
    let (key, pack, currency) = call.pack()?;
    let request = CheckoutRequest {
        pack,
        currency,
        preferred: session.currency,
        user: Some(session.subject),
        return_url: session.return_url,
        live: stripe.is_live(),
    };
    let catalog = context.catalog().await;
    let order = order::place(context, &catalog, &session.account, &key, &request).await?;
    let mut checkout = checkouts::of(context, order, context.clock.now()).await?;
    // An order that is no longer open begins no session at Stripe: the customer orders anew.
    let replayed = checkout.order.url.is_some() || checkout.state != State::Open;
    if !replayed {
        let url = stripe.checkout(&checkout.order, context.clock.now()).await;
        let url = url.map_err(|error| Problem::stripe(&error))?;
        let told = order::note(context, checkout.order.id, Field::Url(url.clone())).await;
        told?;
        checkout.order.url = Some(url);
    }
    Ok(ordered(&checkout, &call.base(), replayed))
}

/// The checkouts of the last 30 days, the latest first.
async fn list(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::View).await?;
    let found = checkouts::list(context, &session.account, call.checkouts()?).await?;
    Ok(listed(&found, &call.base()))
}

/// The state of a checkout by Stripe's webhook, never by the address a browser came back from.
async fn state(context: &Context, call: &Call<'_>, id: &str) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::View).await?;
    let found = checkouts::by_id(context, call.operation(id)?, context.clock.now()).await?;
    // Another account's order gets the same answer as one that does not exist.
    let found = found.filter(|found| found.order.account == session.account);
    Ok(checkout(&found.ok_or(Refusal::CheckoutNotFound)?, &call.base()))
}

/// The plan of the account, its subscription, and the plans that are offered.
async fn subscriptions(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::View).await?;
    let catalog = context.catalog().await;
    let found = query::balance(context, &catalog, &session.account).await?;
    let billing = context.store.billing(&session.account, stripe.is_live()).await?;
    Ok(subscription::subscriptions(&found.advanced.account, &billing, &catalog, found.now))
}

/// The top-up plans that are offered, and those that the account has.
async fn list_topups(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::View).await?;
    let billing = context.store.billing(&session.account, stripe.is_live()).await;
    let billing = billing.map_err(Failure::from)?;
    Ok(topups(&*context.catalog().await, &billing))
}

/// Asks Stripe for the address where the customer begins a top-up plan.
async fn begin_topup(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::Buy).await?;
    let (key, name) = call.topup()?;
    let url = topup::begin(context, stripe, &session, &key, &name).await;
    let url = url.map_err(|failure| match failure {
        Failure::Stripe(error) => Problem::stripe(&error),
        failure => failure.into(),
    })?;
    Ok(begun(&name, &url))
}
