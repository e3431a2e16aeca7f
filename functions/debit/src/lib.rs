//! Debit: an AI endpoint spends an account's credits, once per operation id.
//!
//! One way through: [`shared::http`] reads the request, [`shared::operate`] carries it out by what
//! [`shared::decide`] says, in one conditional write, and the receipt goes back.

pub mod invoke;

use std::sync::Arc;

use lambda_http::{Body, Request, Response};
use shared::decide::{debit, settle};
use shared::domain::{Catalog, Refusal};
use shared::http::{self, Call, Problem};
use shared::operate;
use shared::world::World;

/// Answers `POST /v1/accounts/{account}/debits` and `/quotes`.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(route(world, &call).await)
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("POST", path) => match path[..] {
            ["v1", "accounts", account, "debits"] => debit(world, call, account).await,
            ["v1", "accounts", account, "quotes"] => quote(world, call, account).await,
            _ => Err(Problem::no_route()),
        },
        _ => Err(Problem::no_route()),
    }
}

async fn debit(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let key = call.key()?;
    let debit = call.debit(account)?;
    let catalog = catalog(world, &debit).await;
    let receipted = operate::debit(world, &catalog, &key, &debit).await;
    let receipted = receipted.map_err(|failure| call.problem(failure))?;
    Ok(http::reply::receipt(&debit.account, &key, &receipted, &catalog))
}

/// What a debit would cost and whether it would pass now. No id, no effect.
async fn quote(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let debit = call.debit(account)?;
    let catalog = catalog(world, &debit).await;
    let price = debit::price(&debit.charge, &catalog).map_err(|refusal| call.problem(refusal))?;
    let loaded = world.store.account(&debit.account).await.map_err(|error| call.problem(error))?;
    let loaded = loaded.ok_or_else(|| call.problem(Refusal::AccountNotFound))?;
    let now = world.clock.now();
    let settled = settle::settle(&loaded.account, &catalog, now);
    let account = settled.map_err(|fault| call.problem(fault))?.account;
    let refusal = debit::refusal(&account, price.credits, &catalog, now);
    Ok(http::reply::quote(&debit, price, account.available, refusal.as_ref()))
}

/// The catalog that prices the debit.
async fn catalog(world: &World, debit: &debit::Debit) -> Arc<Catalog> {
    match debit.charge.action() {
        Some(action) => world.catalog_with(action).await,
        None => world.catalog().await,
    }
}
