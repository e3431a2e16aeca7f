//! Answers the reads of one account, for a service that names it and for the session of a customer.

use lambda_http::{Body, Response};

use super::{Call, Problem, balance, cursor, ledger, limits as listed, usage};
use crate::context::Context;
use crate::domain::AccountId;
use crate::domain::id::AccountIdError;
use crate::domain::usage::{UsagePer, weeks};
use crate::domain::viewer::Viewer;
use crate::query::ledger::LedgerPart;
use crate::query::{self, UpToNow};
use crate::session::Session;

/// Makes one consistent read, and advances the account to now without writing it.
///
/// # Errors
/// [`Problem`] for the caller.
pub async fn balance(
    context: &Context,
    call: &Call<'_>,
    account: AccountId,
) -> Result<Response<Body>, Problem> {
    let catalog = context.catalog().await;
    let UpToNow { advanced, now } = query::balance(context, &catalog, &account).await?;
    Ok(balance::balance(&advanced, &catalog, now, call.header("if-none-match")))
}

/// The same for a customer, with the limits of the session's subject.
///
/// # Errors
/// [`Problem`] for the caller.
pub async fn my_balance(
    context: &Context,
    call: &Call<'_>,
    session: &Session,
) -> Result<Response<Body>, Problem> {
    let (catalog, user) = (context.catalog().await, &session.subject);
    let found = query::limits::of_user(context, &catalog, &session.account, user).await?;
    let (UpToNow { advanced, now }, limits) = found;
    let known = call.header("if-none-match");
    Ok(balance::my_balance(&advanced, user, &limits, &catalog, now, known))
}

/// Lists the limits of an account: what was used of each, and what is left.
///
/// # Errors
/// [`Problem`] for the caller.
pub async fn limits(context: &Context, account: &AccountId) -> Result<Response<Body>, Problem> {
    let catalog = context.catalog().await;
    Ok(listed::limits(&query::limits::find(context, &catalog, account).await?))
}

/// Lists the entries, the latest first. An advance that is not written yet is shown as a pending
/// entry, so that the entries always sum to the balance.
///
/// # Errors
/// [`Problem`] for the caller.
pub async fn ledger(
    context: &Context,
    call: &Call<'_>,
    account: Result<AccountId, AccountIdError>,
    viewer: Viewer,
) -> Result<Response<Body>, Problem> {
    let catalog = context.catalog().await;
    let (account, filter, from, limit) = call.page(account, &catalog, viewer)?;
    let loaded = query::account(context, &account).await?;
    let (asked, now) = ((&filter, from, limit), context.clock.now());
    let part = query::ledger::part(context, &loaded, &catalog, asked, now).await?;
    let LedgerPart { pending, listed } = part;
    let next = listed.next.map(|next| cursor::seal(&next, &account));
    let (form, entries) = (call.form(), &listed.entries);
    let newest = entries.iter().map(|posted| posted.entry.catalog).max();
    let catalog = context.catalog_from(newest.unwrap_or(0)).await;
    Ok(ledger::listing(form, pending.as_ref(), entries, next, &catalog, viewer))
}

/// The usage of each day or week: days that are rolled up, and the entries after them.
///
/// # Errors
/// [`Problem`] for the caller.
pub async fn usage(
    context: &Context,
    call: &Call<'_>,
    account: Result<AccountId, AccountIdError>,
) -> Result<Response<Body>, Problem> {
    let (account, (from, to), per) = call.days(account, context.clock.now())?;
    let days = query::usage::usage(context, &account, from, to).await?;
    let days = match per {
        UsagePer::Day => days,
        UsagePer::Week => weeks(days, from),
    };
    let catalog = context.catalog().await;
    // A model without a name was published a moment ago.
    let mut models = days.values().flat_map(|usage| usage.models.keys());
    let named = models.all(|(action, model)| catalog.model_name(*action, *model).is_some());
    let catalog = if named { catalog } else { context.catalog_from(catalog.version + 1).await };
    Ok(usage::usage(&account, from, to, &days, &catalog))
}
