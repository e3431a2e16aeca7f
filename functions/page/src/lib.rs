//! Page: serves a link that opens a session, the session's page, the files of the page, and what
//! the session reads. Anyone can reach it.

pub mod address;
mod allowance;
mod auto_top_up;
mod brand;
pub mod chart;
mod compress;
mod elements;
mod files;
mod history;
mod language;
pub mod lead;
mod ledger;
mod limits;
mod me;
mod names;
pub mod pace;
mod purchases;
mod region;
mod render;
mod share;
mod show;
mod show_statement;
pub mod statement;
mod usage;
pub mod usage_question;
mod view;

pub use files::{FILES, File};

use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::command::session;
use shared::context::Context;
use shared::domain::OperationId;
use shared::http::customer::{entered, is_open};
use shared::http::{self, Call, Problem, page};
use shared::session::Session;
use shared::token::Audience;

use language::Language;

/// Answers `/`, `/statement`, `/enter`, `/leave`, the logo, the addresses of files, and
/// `/v1/me/...`.
pub async fn handle(context: &Context, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    let answer = http::answer(context, &call, route(context, &call)).await;
    compress::rendered(&call, call.shared(answer))
}

async fn route(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    if path.get(1) == Some(&"me") {
        return me::answer(context, call).await;
    }
    let answered = match (method, path) {
        ("GET", path) => match path[..] {
            [""] => show::show(context, call).await,
            ["enter"] => look(context, call).await,
            ["statement"] => show_statement::show(context, call).await,
            ["scrip.js"] => Ok(elements::fixed(call)),
            ["scrip.json"] => Ok(elements::addresses()),
            ["assets", hash, "scrip.js"] => Ok(elements::exact(call, hash)),
            ["assets", hash, name] => files::file(call, hash, name),
            ["brand", file] => brand::logo(call, &context.catalog().await.brand, file),
            _ => Err(call.no_route()),
        },
        ("POST", path) => match path[..] {
            ["enter"] => enter(context, call).await,
            ["leave"] => leave(context, call).await,
            _ => Err(call.no_route()),
        },
        _ => Err(call.no_route()),
    };
    // A person reads this answer: a page in place of JSON, with the way back.
    let Err(problem) = answered else { return answered };
    let Some(back) = problem.no_session() else { return Err(problem) };
    let catalog = context.catalog().await;
    let look = (Language::of_call(call, None), &catalog.brand);
    Ok(page::html(401, render::ended(look, "over", back)))
}

/// Shows whose credits a link opens. A scanner or a preview that fetches the link changes nothing:
/// only the button on the page opens the session.
async fn look(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    if call.is_ahead() {
        return Err(Problem::ahead());
    }
    let link = call.link()?;
    let linked = session::linked(context, &link).await?;
    let open = open(context, call).await?;
    if open.as_ref().is_some_and(|open| open.id == linked.id) {
        return Ok(is_open());
    }
    session::unused(context, &linked).await?;
    asks(context, call, &linked, &link, open.as_ref()).await
}

/// Redeems a link and opens its session.
async fn enter(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let form = call.own_form()?;
    let sent = |wanted: &str| {
        let found = form.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let link = sent("t");
    let linked = session::linked(context, link).await?;
    let open = open(context, call).await?;
    let other = open.filter(|open| open.account != linked.account);
    // Another session was opened after the page asked.
    if let Some(other) = other.filter(|other| other.id.to_string() != sent("instead_of")) {
        session::unused(context, &linked).await?;
        return asks(context, call, &linked, link, Some(&other)).await;
    }
    let by = OperationId::parse(sent("by"));
    let by = by.unwrap_or_else(|| context.entropy.mint(context.clock.now()));
    session::redeem(context, &*context.catalog().await, &linked, by).await?;
    Ok(entered(&session::seal(context, &linked, Audience::Page).await?))
}

/// Ends the browser's session, everywhere and at once.
async fn leave(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    call.own_form()?;
    let catalog = context.catalog().await;
    let mut language = Language::of_call(call, None);
    let back = match call.visitor(context).await {
        Ok(open) => {
            session::leave(context, &catalog, &open).await?;
            language = Language::of_call(call, Some(&open));
            Some(open.return_url)
        }
        Err(problem) => match problem.no_session() {
            Some(back) => back.map(str::to_owned),
            None => return Err(problem),
        },
    };
    let look = (language, &catalog.brand);
    Ok(page::left(render::ended(look, "left", back.as_deref())))
}

/// The browser's session, if there is one.
async fn open(context: &Context, call: &Call<'_>) -> Result<Option<Session>, Problem> {
    match call.visitor(context).await {
        Ok(session) => Ok(Some(session)),
        Err(problem) if problem.no_session().is_some() => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The page that asks whether to open `linked` in place of the browser's session.
async fn asks(
    context: &Context,
    call: &Call<'_>,
    linked: &Session,
    link: &str,
    open: Option<&Session>,
) -> Result<Response<Body>, Problem> {
    let other = open.filter(|open| open.account != linked.account);
    let other_name = match other {
        Some(other) => Some(names::of_account(context, &other.account).await?),
        None => None,
    };
    let catalog = context.catalog().await;
    let look = (Language::of_call(call, Some(linked)), &catalog.brand);
    let link = json!({
        "account": names::of_account(context, &linked.account).await?,
        "subject": linked.subject,
        "return_url": linked.return_url,
        "link": link,
        "by": context.entropy.mint(context.clock.now()),
        "other": other_name,
        "instead_of": other.map(|other| other.id),
    });
    Ok(page::html(200, render::enter(look, &link)))
}
