//! Queries: of one account, read and advanced in memory; of the directory; of payments. They write
//! nothing.

pub mod checkouts;
pub mod directory;
pub mod ledger;
pub mod limits;
pub mod payments;
pub mod usage;

use crate::context::Context;
use crate::decide::advance::{self, Advanced};
use crate::decide::debit::{self, Price};
use crate::decide::limit::Terms;
use crate::decide::operation::Request;
use crate::domain::ledger::PostedEntry;
use crate::domain::{Account, AccountId, Catalog, Instant, Refusal};
use crate::failure::Failure;
use crate::store::{Dry, Loaded};

/// The account as it is stored, by one consistent read.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or an error of the store.
pub async fn account(context: &Context, id: &AccountId) -> Result<Loaded, Failure> {
    context.store.account(id).await?.ok_or_else(|| Refusal::no_account(id).into())
}

/// An account, advanced in memory to the instant at which it was read.
#[derive(Debug)]
pub struct UpToNow {
    pub advanced: Advanced,
    pub now: Instant,
}

/// The account as it is now: changes by time are computed, and not written.
///
/// # Errors
/// As [`account`].
pub async fn balance(
    context: &Context,
    catalog: &Catalog,
    id: &AccountId,
) -> Result<UpToNow, Failure> {
    up_to_now(context, catalog, &account(context, id).await?)
}

fn up_to_now(context: &Context, catalog: &Catalog, loaded: &Loaded) -> Result<UpToNow, Failure> {
    context.may_advance()?;
    let now = context.clock.now();
    Ok(UpToNow { advanced: advance::advance(&loaded.account, catalog, now)?, now })
}

/// An account before and after a dry run, both advanced in memory to one instant. None: there is no
/// such account.
#[derive(Debug)]
pub struct Preview {
    pub before: Option<Advanced>,
    pub after: Option<Advanced>,
    pub now: Instant,
}

/// The effect of the dry run of `context` on `account`, if the run has one to read. None: it is no
/// dry run.
///
/// # Errors
/// [`Failure::Store`] if the account contradicts itself.
pub fn preview(
    context: &Context,
    catalog: &Catalog,
    account: Option<&AccountId>,
) -> Result<Option<Preview>, Failure> {
    let Some(dry_run) = context.store.dry_run() else { return Ok(None) };
    context.may_advance()?;
    let Dry { before, after } = account.and_then(|id| dry_run.account(id)).unwrap_or_default();
    let now = context.clock.now();
    let advanced = |account: Option<Account>| {
        account.map(|account| advance::advance(&account, catalog, now)).transpose()
    };
    Ok(Some(Preview { before: advanced(before)?, after: advanced(after)?, now }))
}

/// The entry that an advance would write now. None: no entry.
///
/// # Errors
/// [`Failure::Store`] if the account contradicts itself.
fn pending(
    account: &Account,
    catalog: &Catalog,
    now: Instant,
) -> Result<Option<PostedEntry>, Failure> {
    let advanced = advance::advance(account, catalog, now)?;
    let entry = advanced.entry(account, catalog, now);
    let changes = !advanced.moved.is_empty() || !entry.available.is_zero() || !entry.held.is_zero();
    let changes = changes || !entry.kind.debt().is_zero();
    Ok(changes.then(|| PostedEntry {
        seq: account.seq + 1,
        available: advanced.account.available,
        held: advanced.account.held(),
        entry,
    }))
}

/// The price of a debit, and whether it would pass now.
#[derive(Debug)]
pub struct Quote {
    pub price: Price,
    /// The account as it is now.
    pub account: Account,
    /// Why it would be refused. None: it would pass.
    pub refusal: Option<Refusal>,
}

/// Quotes a debit. It has no id and no effect.
///
/// # Errors
/// As [`debit::price`] and [`account`].
pub async fn quote(
    context: &Context,
    catalog: &Catalog,
    request: &Request,
) -> Result<Quote, Failure> {
    let charge = request.ask.charge().expect("a debit charges");
    let price = debit::price(charge, catalog)?;
    let loaded = account(context, &request.account).await?;
    let UpToNow { advanced, now } = up_to_now(context, catalog, &loaded)?;
    let account = advanced.account;
    let own = context.limit_terms.own(&context.store, &account).await?;
    let terms = Terms::of(&account, own, now);
    let limits = request.limits_in_force(catalog, Some(&terms), now).unwrap_or_default();
    let refusal = debit::refusal(&account, [(&limits, price.credits)], catalog, now);
    Ok(Quote { price, account, refusal })
}
