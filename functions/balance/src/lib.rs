//! Balance: shows services an account's credits, ledger, usage and limits, current to the last
//! acknowledged operation, and makes sessions for its customers, whom it shows the limits.

use lambda_http::{Body, Request, Response};
use shared::command;
use shared::context::Context;
use shared::domain::viewer::Viewer;
use shared::http::{self, Call, Problem, reads};
use shared::session::Scope;

/// Answers the reads of one account, makes sessions, and shows one its limits.
pub async fn handle(context: &Context, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    call.shared(http::answer(context, &call, route(context, &call)).await)
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
        ("GET", ["v1", "accounts", account, "limits"]) => {
            reads::limits(context, &call.account(account)?).await
        }
        ("GET", ["v1", "me", "limits"]) => {
            let session = call.customer(context, Scope::View).await?;
            reads::limits(context, &session.account).await
        }
        ("OPTIONS", path) if path.get(1) == Some(&"me") => call.preflight(),
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
