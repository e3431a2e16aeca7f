//! Answers what a customer's own programs read: the page, and the indicator in the product's pages.

use lambda_http::{Body, Response};
use shared::context::Context;
use shared::domain::AccountId;
use shared::domain::viewer::Viewer;
use shared::http::{self, Call, Problem, reads};
use shared::session::Scope;

/// Answers `/v1/me/...`. The session names the account.
pub(crate) async fn answer(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    match call.route() {
        ("OPTIONS", _) => call.preflight(),
        ("GET", path) => match path[..] {
            ["v1", "me", "balance"] => {
                let session = call.customer(context, Scope::View).await?;
                reads::my_balance(context, call, &session).await
            }
            ["v1", "me", "ledger"] => {
                let mine = mine(context, call).await?;
                reads::ledger(context, call, Ok(mine), Viewer::Customer).await
            }
            ["v1", "me", "usage"] => {
                reads::usage(context, call, Ok(mine(context, call).await?)).await
            }
            ["v1", "me", "catalog"] => catalog(context, call).await,
            _ => Err(call.no_route()),
        },
        _ => Err(call.no_route()),
    }
}

/// The account of the customer's session.
async fn mine(context: &Context, call: &Call<'_>) -> Result<AccountId, Problem> {
    Ok(call.customer(context, Scope::View).await?.account)
}

/// The prices of actions, from the same catalog that prices debits.
async fn catalog(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::View).await?;
    Ok(http::price::catalog(&*context.catalog().await, &call.reader(&session)))
}
