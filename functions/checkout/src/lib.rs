//! Checkout: a customer buys packs of credits, by hand or when few are left, begins a top-up plan or
//! subscribes to a plan, without talking to anyone.

use lambda_http::{Body, Request, Response};
use shared::command::auto_top_up::Asked;
use shared::command::{self, auto_top_up, order, topup};
use shared::context::Context;
use shared::decide::Field;
use shared::decide::auto_top_up::words;
use shared::domain::auto_top_up::{OffReason, State as AutoState};
use shared::domain::payment::State;
use shared::domain::{CheckoutRequest, Refusal};
use shared::failure::Failure;
use shared::http::auto_top_up::{Beside, auto_top_up as shown};
use shared::http::payment::{checkout, checkouts as listed, ordered, packs};
use shared::http::topup::{begun, topups};
use shared::http::{self, Call, Problem, subscription};
use shared::query;
use shared::query::checkouts;
use shared::session::Scope;
use shared::stripe::Stripe;

/// Answers `GET /v1/me/packs` and the routes of `/v1/me/checkouts`, `/v1/me/subscriptions`,
/// `/v1/me/portal`, `/v1/me/topup-plans` and `/v1/me/auto-top-up`.
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
            Ok(packs(&catalog, session.currency, &call.reader(&session), context.clock.now()))
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
        ("GET", ["v1", "me", "auto-top-up"]) => show_auto(context, call).await,
        ("PUT", ["v1", "me", "auto-top-up"]) => set_auto(context, stripe, call).await,
        ("DELETE", ["v1", "me", "auto-top-up"]) => {
            let account = call.customer(context, Scope::Buy).await?.account;
            call.stop_auto_top_up()?;
            let off = auto_top_up::switch_off(context, &account, OffReason::Customer).await?;
            Ok(shown(off.as_ref(), Beside::default(), context.clock.now()))
        }
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
    let shown = (&call.reader(&session), found.now);
    Ok(subscription::subscriptions(&found.advanced.account, &billing, &catalog, shown))
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
    Ok(topups(&*context.catalog().await, &billing, &call.reader(&session)))
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

/// The state of the account's auto top-up; with a setting in the query, the words to consent to.
async fn show_auto(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let account = call.customer(context, Scope::View).await?.account;
    let proposed = call.proposed_auto_top_up()?;
    let catalog = context.catalog().await;
    let consent_words = proposed.map(|terms| words(&terms, &catalog)).transpose()?;
    let auto = context.store.auto_top_up(&account).await?;
    let beside = Beside { consent_words: consent_words.as_deref(), url: None };
    Ok(shown(auto.as_ref(), beside, context.clock.now()))
}

/// Keeps the consent, and asks Stripe for the page that saves a card, if one is needed.
async fn set_auto(
    context: &Context,
    stripe: &Stripe,
    call: &Call<'_>,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::Buy).await?;
    let (terms, words) = call.set_auto_top_up()?;
    let (account, by, live) = (session.account, session.subject, stripe.is_live());
    let asked = Asked { terms, words, by, return_url: session.return_url, live };
    let catalog = context.catalog().await;
    let auto = auto_top_up::set(context, &catalog, &account, &asked).await?;
    let mut url = None;
    if auto.state == AutoState::NeedsCard {
        let customer = context.store.customer(&account, &asked.by, live).await?;
        let now = context.clock.now();
        let page = stripe.card_page(&account, &auto.consent, customer.as_deref(), now).await;
        url = Some(page.map_err(|error| Problem::stripe(&error))?);
    }
    let beside = Beside { url: url.as_deref(), consent_words: None };
    Ok(shown(Some(&auto), beside, context.clock.now()))
}
