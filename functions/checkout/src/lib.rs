//! Checkout: a customer out of credits buys more, without talking to anyone.

use lambda_http::{Body, Request, Response};
use shared::command::order;
use shared::decide::Field;
use shared::domain::payment::State;
use shared::domain::{CheckoutRequest, Refusal};
use shared::http::payment::{checkout, checkouts as listed, ordered, packs};
use shared::http::{self, Call, Problem};
use shared::query::checkouts;
use shared::session::Scope;
use shared::stripe::Stripe;
use shared::world::World;

/// Answers `GET /v1/me/packs` and the routes of `/v1/me/checkouts`.
pub async fn handle(world: &World, stripe: &Stripe, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    call.shared(http::answer(world, route(world, stripe, &call)).await)
}

async fn route(world: &World, stripe: &Stripe, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["v1", "me", "packs"]) => {
            call.customer(world, Scope::View).await?;
            let catalog = world.catalog().await;
            Ok(packs(&catalog, world.clock.now()))
        }
        ("POST", ["v1", "me", "checkouts"]) => begin(world, stripe, call).await,
        ("GET", ["v1", "me", "checkouts"]) => list(world, call).await,
        ("GET", ["v1", "me", "checkouts", id]) => state(world, call, id).await,
        ("OPTIONS", path) if path.get(1) == Some(&"me") => call.preflight(),
        _ => Err(call.no_route()),
    }
}

/// Writes the order, and then asks Stripe where the customer pays for it.
async fn begin(world: &World, stripe: &Stripe, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.customer(world, Scope::Buy).await?;
    let (key, pack) = call.pack()?;
    let request = CheckoutRequest {
        pack,
        user: Some(session.subject),
        return_url: session.return_url,
        live: stripe.is_live(),
    };
    let catalog = world.catalog().await;
    let order = order::place(world, &catalog, &session.account, &key, &request).await?;
    let mut checkout = checkouts::of(world, order, world.clock.now()).await?;
    // What is over begins no session at Stripe: whoever wants it still orders it anew.
    let replayed = checkout.order.url.is_some() || checkout.state != State::Open;
    if !replayed {
        let url = stripe.checkout(&checkout.order, world.clock.now()).await;
        let url = url.map_err(|error| Problem::stripe(&error))?;
        let told = order::note(world, checkout.order.id, Field::Url(url.clone())).await;
        told?;
        checkout.order.url = Some(url);
    }
    Ok(ordered(&checkout, &call.base(), replayed))
}

/// The checkouts of the last 30 days, the latest first.
async fn list(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.customer(world, Scope::View).await?;
    let found = checkouts::list(world, &session.account, call.checkouts()?).await?;
    Ok(listed(&found, &call.base()))
}

/// Where a checkout stands, by what Stripe's webhook has said: never by where a browser came from.
async fn state(world: &World, call: &Call<'_>, id: &str) -> Result<Response<Body>, Problem> {
    let session = call.customer(world, Scope::View).await?;
    let found = checkouts::by_id(world, call.operation(id)?, world.clock.now()).await?;
    // Another's order answers as if there were none.
    let found = found.filter(|found| found.order.account == session.account);
    Ok(checkout(&found.ok_or(Refusal::CheckoutNotFound)?, &call.base()))
}
