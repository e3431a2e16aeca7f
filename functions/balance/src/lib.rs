//! Balance: shows services an account's credits, ledger and usage, current to the last acknowledged
//! operation, and makes sessions for its customers.

use lambda_http::{Body, Request, Response};
use shared::command;
use shared::context::Context;
use shared::domain::viewer::Viewer;
use shared::http::{self, Call, Problem, reads};

/// Answers the reads of one account, and makes sessions.
pub async fn handle(context: &Context, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    http::answer(context, &call, route(context, &call)).await
}

async fn route(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["v1", "accounts", account, "balance"]) => {
            reads::balance(context, call, call.account(account)?).await
        }
        ("GET", ["v1", "accounts", account, "ledger"]) => {
            reads::ledger(context, call, account.parse(), Viewer::Service).await
        }
        ("GET", ["v1", "accounts", account, "usage"]) => {
            reads::usage(context, call, account.parse()).await
        }
        ("POST", ["v1", "accounts", account, "sessions"]) => session(context, call, account).await,
        _ => Err(call.no_route()),
    }
}

/// Makes a session for an account. It writes nothing, so it needs no key.
async fn session(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let (account, request) = call.session(account)?;
    let made = command::session::make(context, account, request).await?;
    // It is no entry, so only this line names who made it. Neither the token nor the subject.
    tracing::info!(session = %made.session.id, actor = call.actor(), "a session was made");
    Ok(http::customer::made(&made, &call.base()))
}
