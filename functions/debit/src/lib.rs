//! Debit: an AI endpoint spends an account's credits, exactly once per idempotency key.
//!
//! Scrip keeps AI credits for a product's customers. A plan grants an account credits each period,
//! the customer buys more in packs, and each AI action costs what the catalog says. A service
//! debits the price at once, or holds credits while the work runs and captures what it delivered.
//! A retry with the same key gets the first receipt and is never charged again; a balance never
//! goes below zero.
//!
//! Each request takes one path: [`shared::http`] reads it, [`shared::decide`] decides it without
//! I/O, [`shared::command`] writes the decision in one conditional write, and the caller gets the
//! receipt.

pub mod invoke;

use std::sync::Arc;

use lambda_http::{Body, Response};
use shared::command::Receipted;
use shared::context::Context;
use shared::decide::batch::Mode;
use shared::decide::operation::Request;
use shared::domain::{Catalog, Key};
use shared::http::request::{Batch, Once};
use shared::http::{self, Call, Problem};
use shared::{command, query};

/// Answers the routes by which a service changes an account, and `/quotes`.
pub async fn handle(context: &Context, request: lambda_http::Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    http::answer(context, &call, route(context, &call)).await
}

async fn route(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("POST", ["v1", "accounts", account, "debits"]) => {
            operation(context, call.debit(account)?).await
        }
        ("POST", ["v1", "accounts", account, "debits", "batch"]) => {
            batch(context, call, account).await
        }
        ("POST", ["v1", "accounts", account, "debits", id, "refund"]) => {
            refund(context, call, account, id).await
        }
        ("POST", ["v1", "accounts", account, "holds"]) => {
            operation(context, call.hold(account)?).await
        }
        ("POST", ["v1", "accounts", account, "holds", id, "capture"]) => {
            operation(context, call.capture(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "holds", id, "release"]) => {
            operation(context, call.release(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "holds", id, "extend"]) => {
            operation(context, call.extend(account, id)?).await
        }
        ("POST", ["v1", "accounts", account, "quotes"]) => quote(context, call, account).await,
        _ => Err(call.no_route()),
    }
}

/// Performs an operation once for the request's key.
async fn operation(
    context: &Context,
    (key, request): (Key, Request),
) -> Result<Response<Body>, Problem> {
    let catalog = catalog(context, &request).await;
    let receipted = command::operation(context, &catalog, &key, &request).await?;
    let catalog = naming(context, [&receipted]).await;
    Ok(http::receipt::receipt(&request.account, &key, &receipted, &catalog))
}

/// Makes the debits of a batch: all or none, or each that what is left covers.
async fn batch(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let Batch { account, mode, debits } = call.batch(account)?;
    let mut catalog = context.catalog().await;
    for (_, request) in &debits {
        catalog = self::catalog(context, request).await;
    }
    let keys = debits.iter().map(|(key, _)| key);
    match mode {
        Mode::AllOrNothing => {
            let receipted = command::batch(context, &catalog, &account, &debits).await?;
            let catalog = naming(context, receipted.iter()).await;
            Ok(http::receipt::receipts(&account, keys.zip(&receipted), &catalog))
        }
        Mode::Each => {
            let results = command::each(context, &catalog, &account, &debits).await?;
            let catalog = naming(context, results.iter().flatten()).await;
            Ok(http::receipt::results(context, call, &account, keys.zip(&results), &catalog))
        }
    }
}

/// Refunds a debit or a capture, in whole or in part.
async fn refund(
    context: &Context,
    call: &Call<'_>,
    account: &str,
    debit: &str,
) -> Result<Response<Body>, Problem> {
    let (account, Once { key, dry_run }, request) = call.refund(account, debit)?;
    let (context, catalog) = (&context.or_dry_run(dry_run), context.catalog().await);
    let actor = call.actor();
    let actor = actor.as_deref();
    let receipted = command::refund(context, &catalog, &account, &key, &request, actor).await?;
    http::receipt::or_preview(context, &account, &key, &receipted, &catalog)
}

/// Prices a debit and says whether it would pass now. It takes no id and changes nothing.
async fn quote(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let request = call.quote(account)?;
    let catalog = catalog(context, &request).await;
    let quote = query::quote(context, &catalog, &request).await?;
    Ok(http::price::quote(&quote, &catalog))
}

/// The catalog that names what was charged.
async fn naming(
    context: &Context,
    receipted: impl IntoIterator<Item = &Receipted>,
) -> Arc<Catalog> {
    let newest = receipted.into_iter().map(|receipted| receipted.found.entry.catalog).max();
    context.catalog_from(newest.unwrap_or(0)).await
}

/// The catalog that prices the request.
async fn catalog(context: &Context, request: &Request) -> Arc<Catalog> {
    match request.ask.charge() {
        Some(charge) => context.catalog_for(charge).await,
        None => context.catalog().await,
    }
}
