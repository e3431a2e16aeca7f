//! Debit: an AI endpoint spends an account's credits, once per operation id.
//!
//! One way through: [`shared::http`] reads the request, [`shared::command`] carries it out by what
//! [`shared::decide`] says, in one conditional write, and the receipt goes back.

pub mod invoke;

use std::sync::Arc;

use lambda_http::{Body, Response};
use shared::decide::once::Request;
use shared::domain::{Catalog, Key};
use shared::http::{self, Call, Problem};
use shared::world::World;
use shared::{command, query};

/// Answers the routes of a service that change an account, and `/quotes`.
pub async fn handle(world: &World, request: lambda_http::Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(world, route(world, &call)).await
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("POST", ["v1", "accounts", account, "debits"]) => once(world, call.debit(account)?).await,
        ("POST", ["v1", "accounts", account, "debits", "batch"]) => {
            batch(world, call, account).await
        }
        ("POST", ["v1", "accounts", account, "debits", id, "refund"]) => {
            refund(world, call, account, id).await
        }
        ("POST", ["v1", "accounts", account, "holds"]) => once(world, call.hold(account)?).await,
        ("POST", ["v1", "accounts", account, "holds", id, "capture"]) => {
            once(world, call.capture(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "holds", id, "release"]) => {
            once(world, call.release(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "holds", id, "extend"]) => {
            once(world, call.extend(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "quotes"]) => quote(world, call, account).await,
        _ => Err(call.no_route()),
    }
}

/// Does what is asked, once for the request's key.
async fn once(world: &World, (key, request): (Key, Request)) -> Result<Response<Body>, Problem> {
    let catalog = catalog(world, &request).await;
    let receipted = command::once(world, &catalog, &key, &request).await?;
    Ok(http::receipt::receipt(&request.account, &key, &receipted, &catalog))
}

/// Debits for all of a list, or for none of it.
async fn batch(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let (account, debits) = call.batch(account)?;
    let mut catalog = world.catalog().await;
    for (_, request) in &debits {
        catalog = self::catalog(world, request).await;
    }
    let receipted = command::batch(world, &catalog, &account, &debits).await?;
    let keys = debits.iter().map(|(key, _)| key);
    Ok(http::receipt::receipts(&account, keys.zip(&receipted), &catalog))
}

/// Gives back what a debit or a capture charged, or a part of it.
async fn refund(
    world: &World,
    call: &Call<'_>,
    account: &str,
    debit: &str,
) -> Result<Response<Body>, Problem> {
    let (account, key, request) = call.refund(account, debit)?;
    let catalog = world.catalog().await;
    let receipted = command::refund(world, &catalog, &account, &key, &request).await?;
    Ok(http::receipt::receipt(&account, &key, &receipted, &catalog))
}

/// What a debit would cost and whether it would pass now. No id, no effect.
async fn quote(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let request = call.quote(account)?;
    let catalog = catalog(world, &request).await;
    let quote = query::quote(world, &catalog, &request).await?;
    Ok(http::price::quote(&request, &quote))
}

/// The catalog that prices the request.
async fn catalog(world: &World, request: &Request) -> Arc<Catalog> {
    match request.ask.charge().and_then(|charge| charge.action()) {
        Some(action) => world.catalog_with(action).await,
        None => world.catalog().await,
    }
}
