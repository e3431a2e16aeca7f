//! Balance: shows an account's credits, ledger and usage, current to the last acknowledged
//! operation; to services by account, and to customers by session.

use lambda_http::{Body, Request, Response};
use shared::command;
use shared::context::Context;
use shared::domain::AccountId;
use shared::domain::entry::Viewer;
use shared::domain::id::AccountIdError;
use shared::http::{self, Call, Problem};
use shared::query::ledger::{Filter, LedgerPart};
use shared::query::{self, UpToNow};
use shared::session::Scope;

/// Answers the reads of one account, for services and its customers, and makes sessions.
pub async fn handle(context: &Context, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    call.shared(http::answer(context, call.caller(), route(context, &call)).await)
}

async fn route(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("GET", path) => match path[..] {
            ["v1", "accounts", account, "balance"] => {
                balance(context, call, call.account(account)?).await
            }
            ["v1", "accounts", account, "ledger"] => {
                ledger(context, call, account.parse(), Viewer::Service).await
            }
            ["v1", "accounts", account, "usage"] => usage(context, call, account.parse()).await,
            ["v1", "me", "balance"] => balance(context, call, mine(context, call).await?).await,
            ["v1", "me", "ledger"] => {
                ledger(context, call, Ok(mine(context, call).await?), Viewer::Customer).await
            }
            ["v1", "me", "usage"] => usage(context, call, Ok(mine(context, call).await?)).await,
            ["v1", "me", "catalog"] => catalog(context, call).await,
            _ => Err(call.no_route()),
        },
        ("POST", path) => match path[..] {
            ["v1", "accounts", account, "sessions"] => session(context, call, account).await,
            _ => Err(call.no_route()),
        },
        ("OPTIONS", path) if path.get(1) == Some(&"me") => call.preflight(),
        _ => Err(call.no_route()),
    }
}

/// The account of the customer's session.
async fn mine(context: &Context, call: &Call<'_>) -> Result<AccountId, Problem> {
    Ok(call.customer(context, Scope::View).await?.account)
}

/// Makes a session for an account. It writes nothing, so it needs no key.
async fn session(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let (account, request) = call.session(account)?;
    let made = command::session::make(context, account, request).await?;
    Ok(http::customer::made(&made, &call.base()))
}

/// The prices of actions, from the same catalog that prices debits.
async fn catalog(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    mine(context, call).await?;
    Ok(http::price::catalog(&*context.catalog().await))
}

/// Makes one consistent read, and advances the account to now without writing it.
async fn balance(
    context: &Context,
    call: &Call<'_>,
    account: AccountId,
) -> Result<Response<Body>, Problem> {
    let catalog = context.catalog().await;
    let UpToNow { advanced, now } = query::balance(context, &catalog, &account).await?;
    Ok(http::balance::balance(&advanced, &catalog, now, call.header("if-none-match")))
}

/// Lists the entries, the latest first. An advance that is not written yet is shown as a pending
/// entry, so that the entries always sum to the balance.
async fn ledger(
    context: &Context,
    call: &Call<'_>,
    account: Result<AccountId, AccountIdError>,
    viewer: Viewer,
) -> Result<Response<Body>, Problem> {
    let catalog = context.catalog().await;
    let (account, filter, from, limit) = call.page(account, &catalog)?;
    let filter = Filter { viewer, ..filter };
    let loaded = query::account(context, &account).await?;
    let (asked, now) = ((&filter, from, limit), context.clock.now());
    let part = query::ledger::part(context, &loaded, &catalog, asked, now).await?;
    let LedgerPart { pending, listed } = part;
    let next = listed.next.map(|next| http::cursor::seal(&next, &account));
    let (form, entries) = (call.form(), &listed.entries);
    Ok(http::ledger::listing(form, pending.as_ref(), entries, next, &catalog, viewer))
}

/// The usage of each day: days that are rolled up, and the entries after them.
async fn usage(
    context: &Context,
    call: &Call<'_>,
    account: Result<AccountId, AccountIdError>,
) -> Result<Response<Body>, Problem> {
    let (account, from, to) = call.days(account, context.clock.now())?;
    let days = query::usage::usage(context, &account, from, to).await?;
    let catalog = context.catalog().await;
    Ok(http::usage::usage(&account, from, to, &days, &catalog))
}
