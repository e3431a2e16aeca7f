//! Balance: what an account has, holds and has consumed, current to the last acknowledged operation.

use lambda_http::{Body, Request, Response};
use shared::decide::settle;
use shared::domain::Refusal;
use shared::http::{self, Call, Problem};
use shared::operate::Failure;
use shared::world::World;

/// Answers `GET /v1/accounts/{account}/balance`.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(route(world, &call).await)
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("GET", path) => match path[..] {
            ["v1", "accounts", account, "balance"] => balance(world, call, account).await,
            _ => Err(Problem::no_route()),
        },
        _ => Err(Problem::no_route()),
    }
}

/// One consistent read. What time did to the account since is computed, and not written.
async fn balance(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let loaded = world.store.account(&account).await.map_err(|error| call.problem(error))?;
    let loaded = loaded.ok_or_else(|| call.problem(Refusal::AccountNotFound))?;
    let now = world.clock.now();
    let settled = settle::settle(&loaded.account, &world.catalog, now);
    let settled = settled.map_err(|fault| call.problem(Failure::from(fault)))?;
    Ok(http::reply::balance(&settled, &world.catalog, now, call.header("if-none-match")))
}
