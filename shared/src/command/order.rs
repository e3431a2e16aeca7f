//! Orders: placed once for a key, then updated with the answers and notices of Stripe.

use super::{Run, lost, retried, until_known};
use crate::context::Context;
use crate::decide::{Expect, Field, IdempotencyRecord, RowKey, RowWrite, Write, advance, payment};
use crate::domain::orders::MAX_OPEN;
use crate::domain::payment::{CheckoutRequest, Order, State};
use crate::domain::{AccountId, Catalog, Instant, Key, KeySpace, OperationId, Orders, Refusal};
use crate::failure::Failure;
use crate::query::checkouts;
use crate::store::{Outcome, StoreError};

/// Places an order, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn place(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    request: &CheckoutRequest,
) -> Result<Order, Failure> {
    let run = &Run::begin(context, catalog);
    until_known(run, || try_place(run, account, key, request)).await
}

async fn try_place(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    request: &CheckoutRequest,
) -> Result<Option<Order>, Failure> {
    let (context, catalog) = (run.context, run.catalog);
    let content = match request.currency {
        Some(currency) => format!("checkout {} {currency}", request.pack),
        None => format!("checkout {}", request.pack),
    };
    if let Some(receipt) = context.store.receipt(account, KeySpace::Customers, key).await? {
        if receipt.content != content {
            return Err(Refusal::OperationReused.into());
        }
        let order = context.store.order(receipt.id).await?;
        return order.ok_or_else(|| lost(account).into()).map(Some);
    }
    let loaded = context.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))?;
    let customer = match &request.user {
        Some(subject) => context.store.customer(account, subject, request.live).await?,
        None => None,
    };
    let orders = context.store.orders(account).await?;
    let open = open(context, &orders, context.clock.now()).await?;
    let now = context.clock.now();
    let advanced = advance::advance(&loaded.account, catalog, now)?.account;
    let id = context.entropy.own(now);
    let order = payment::order(&advanced, request, &open, id, catalog, now);
    let order = order.map_err(|refusal| run.refuse(refusal))?;
    let order = Order { customer, ..order };
    let (account, space) = (account.clone(), KeySpace::Customers);
    let receipt = IdempotencyRecord { account, space, key: key.clone(), id, content };
    match context.store.commit(&payment::place(order.clone(), &orders, receipt)).await? {
        Outcome::Done(_) => Ok(Some(order)),
        _ => Ok(None),
    }
}

/// Which of the orders are open. Reads none while fewer may be open than are allowed.
pub(super) async fn open(
    context: &Context,
    orders: &Orders,
    now: Instant,
) -> Result<Vec<OperationId>, StoreError> {
    let mut open = Vec::new();
    if orders.may_be_open(now).count() < MAX_OPEN {
        return Ok(open);
    }
    for id in orders.may_be_open(now) {
        let checkout = checkouts::by_id(context, id, now).await?;
        if checkout.is_some_and(|checkout| checkout.state == State::Open) {
            open.push(id);
        }
    }
    Ok(open)
}

/// Records on an order what Stripe has reported about it.
///
/// # Errors
/// [`StoreError`].
pub async fn note(context: &Context, id: OperationId, told: Field) -> Result<(), StoreError> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    let write = Write::row(RowWrite::Set(RowKey::Order(id), told, Expect::Present));
    retried(run, || context.store.commit(&write)).await.map(|_| ())
}
