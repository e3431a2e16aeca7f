//! Checkout: a customer out of credits buys more, without talking to anyone.

use lambda_http::{Body, Request, Response};
use shared::command::payment;
use shared::decide::Field;
use shared::domain::payment::State;
use shared::domain::{CheckoutRequest, Refusal};
use shared::http::payment::{checkout, ordered, packs};
use shared::http::{self, Call, Problem};
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
    let mut order = payment::order(world, &catalog, &session.account, &key, &request).await?;
    let replayed = order.url.is_some();
    if order.url.is_none() {
        let now = world.clock.now();
        let url = stripe.checkout(&order, now).await;
        let url = url.map_err(|error| Problem::stripe(&error))?;
        let told = payment::note(world, order.id, Field::Url(url.clone())).await;
        told?;
        order.url = Some(url);
    }
    Ok(ordered(&order, replayed))
}

/// Where a checkout stands, by what Stripe's webhook has said: never by where a browser came from.
async fn state(world: &World, call: &Call<'_>, id: &str) -> Result<Response<Body>, Problem> {
    let session = call.customer(world, Scope::View).await?;
    let id = call.operation(id)?;
    let order = world.store.order(id).await?;
    // Another's order answers as if there were none.
    let order = order.filter(|order| order.account == session.account);
    let order = order.ok_or(Refusal::CheckoutNotFound)?;
    let now = world.clock.now();
    let Some(intent) = &order.intent else {
        return Ok(checkout(&order, order.state(), None, &call.base()));
    };
    let payment = world.store.payment(intent, now).await?;
    let state = match payment.state(&order) {
        State::Open => order.state(),
        state => state,
    };
    Ok(checkout(&order, state, Some(&payment), &call.base()))
}
