//! Accounts: an operator opens accounts, changes their plan, grants credits, freezes and thaws.

use lambda_http::{Body, Request, Response};
use shared::decide::{grant, open, plan};
use shared::domain::{Catalog, Refusal};
use shared::http::{self, Call, Problem};
use shared::operate::{self, Made, Make};
use shared::world::World;

/// Answers `PUT /v1/accounts/{account}` and the operator's routes below it.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(route(world, &call).await)
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("PUT", ["v1", "accounts", account]) => put(world, call, account).await,
        ("POST", ["v1", "accounts", account, "grants"]) => grant(world, call, account).await,
        ("POST", ["v1", "accounts", account, "freeze"]) => freeze(world, call, account, true).await,
        ("POST", ["v1", "accounts", account, "unfreeze"]) => {
            freeze(world, call, account, false).await
        }
        _ => Err(Problem::no_route()),
    }
}

/// Opens the account with its plan, or changes the plan of the one that is there.
async fn put(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let request = call.plan()?;
    let id = call.account(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    operation(world, call, catalog, account, &request.content(), &|account, now, operation| {
        match account {
            None => {
                let opened = open::open(&id, &request, operation, catalog, actor, now)?;
                Ok(Made::Open(Box::new(opened)))
            }
            Some(account) => {
                plan::change(account, &request, operation, catalog, actor, now).map(Made::Change)
            }
        }
    })
    .await
}

async fn grant(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let request = call.grant()?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    operation(world, call, catalog, account, &request.content(), &|account, now, operation| {
        let account = account.ok_or(Refusal::AccountNotFound)?;
        grant::change(account, &request, operation, catalog, actor, now).map(Made::Change)
    })
    .await
}

async fn freeze(
    world: &World,
    call: &Call<'_>,
    account: &str,
    frozen: bool,
) -> Result<Response<Body>, Problem> {
    let reason = call.reason()?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    let content = format!("freeze {frozen} {reason:?}");
    operation(world, call, catalog, account, &content, &|account, now, operation| {
        let account = account.ok_or(Refusal::AccountNotFound)?;
        let change = plan::freeze(account, frozen, &reason, operation, catalog, actor, now);
        Ok(Made::Change(change))
    })
    .await
}

/// Does what `make` makes of the account, once for the request's key.
async fn operation(
    world: &World,
    call: &Call<'_>,
    catalog: &Catalog,
    account: &str,
    content: &str,
    make: &Make<'_>,
) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let key = call.key()?;
    let receipted = operate::receipted(world, catalog, &account, &key, content, make).await;
    let receipted = receipted.map_err(|failure| call.problem(failure))?;
    Ok(http::reply::receipt(&account, &key, &receipted, catalog))
}
