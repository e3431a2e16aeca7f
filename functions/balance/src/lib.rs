//! Balance: what an account has and where it went, current to the last acknowledged operation.

use lambda_http::{Body, Request, Response};
use shared::decide::{Fault, settle};
use shared::domain::ledger::Placed;
use shared::domain::{Account, AccountId, Catalog, Instant, Refusal};
use shared::http::ledger::Form;
use shared::http::{self, Call, Problem};
use shared::listing;
use shared::store::Loaded;
use shared::world::World;

/// Answers `GET /v1/accounts/{account}/balance` and `/ledger`.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(route(world, &call).await)
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("GET", path) => match path[..] {
            ["v1", "accounts", account, "balance"] => balance(world, call, account).await,
            ["v1", "accounts", account, "ledger"] => ledger(world, call, account).await,
            _ => Err(Problem::no_route()),
        },
        _ => Err(Problem::no_route()),
    }
}

/// One consistent read. What time did to the account since is computed, and not written.
async fn balance(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let loaded = read(world, call, &account).await?;
    let (catalog, now) = (world.catalog().await, world.clock.now());
    let settled = settle::settle(&loaded.account, &catalog, now);
    let settled = settled.map_err(|fault| call.problem(fault))?;
    Ok(http::reply::balance(&settled, &catalog, now, call.header("if-none-match")))
}

/// The entries, the latest first. What time did and nobody wrote down is a pending entry, so that
/// the entries always sum to the balance.
async fn ledger(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let account = call.account(account)?;
    let catalog = world.catalog().await;
    let (filter, from, limit) = call.page(&account, &catalog)?;
    let loaded = read(world, call, &account).await?;
    let pending = match from {
        None => pending(&loaded.account, &catalog, world.clock.now())
            .map_err(|fault| call.problem(fault))?,
        Some(_) => None,
    };
    let pending = pending.filter(|pending| filter.fits(&pending.entry));
    let listed = listing::search(&world.store, &loaded, &filter, from, limit).await;
    let listed = listed.map_err(|error| call.problem(error))?;
    let next = listed.next.map(|next| http::cursor::seal(&next, &account));
    let form = Form::of(call.header("accept"));
    Ok(http::ledger::listing(form, pending.as_ref(), &listed.entries, next, &catalog))
}

/// What a settle would write now. None: nothing.
fn pending(account: &Account, catalog: &Catalog, now: Instant) -> Result<Option<Placed>, Fault> {
    let settled = settle::settle(account, catalog, now)?;
    let entry = settled.entry(account, catalog, now);
    let changes = !settled.moved.is_empty() || !entry.available.is_zero() || !entry.held.is_zero();
    let changes = changes || !entry.what.debt().is_zero();
    Ok(changes.then(|| Placed {
        seq: account.seq + 1,
        available: settled.account.available,
        held: settled.account.held(),
        entry,
    }))
}

async fn read(world: &World, call: &Call<'_>, account: &AccountId) -> Result<Loaded, Problem> {
    let loaded = world.store.account(account).await.map_err(|error| call.problem(error))?;
    loaded.ok_or_else(|| call.problem(Refusal::AccountNotFound))
}
