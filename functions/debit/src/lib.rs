//! Debit: an AI endpoint spends an account's credits, once per operation id.
//!
//! One way through: [`shared::http`] reads the request, [`shared::operate`] carries it out by what
//! [`shared::decide`] says, in one conditional write, and the receipt goes back.

use lambda_http::{Body, Request, Response};
use shared::http::{self, Call, Problem};
use shared::operate;
use shared::world::World;

/// Answers `POST /v1/accounts/{account}/debits`.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(route(world, &call).await)
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("POST", path) => match path[..] {
            ["v1", "accounts", account, "debits"] => debit(world, call, account).await,
            _ => Err(Problem::no_route()),
        },
        _ => Err(Problem::no_route()),
    }
}

async fn debit(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let key = call.key()?;
    let debit = call.debit(account)?;
    let catalog = &world.catalog;
    let receipted = operate::debit(world, catalog, &key, &debit).await;
    let receipted = receipted.map_err(|failure| call.problem(failure))?;
    Ok(http::reply::receipt(&debit.account, &key, &receipted, catalog))
}
