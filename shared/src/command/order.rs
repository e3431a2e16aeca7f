//! Orders: placed once for a key, and told where they are paid.

use super::{Run, lost, retried, until_known};
use crate::decide::{Expect, Field, Receipt, RowKey, RowWrite, Write, payment, settle};
use crate::domain::orders::MOST_OPEN;
use crate::domain::payment::{CheckoutRequest, Order, State};
use crate::domain::{AccountId, Catalog, Instant, Key, KeySpace, OperationId, Orders, Refusal};
use crate::failure::Failure;
use crate::query::checkouts;
use crate::store::{Outcome, StoreError};
use crate::world::World;

/// Places an order, once for the key.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn place(
    world: &World,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    request: &CheckoutRequest,
) -> Result<Order, Failure> {
    let run = &Run::begin(world, catalog);
    until_known(run, || try_place(run, account, key, request)).await
}

async fn try_place(
    run: &Run<'_>,
    account: &AccountId,
    key: &Key,
    request: &CheckoutRequest,
) -> Result<Option<Order>, Failure> {
    let (world, catalog) = (run.world, run.catalog);
    let content = format!("checkout {}", request.pack);
    if let Some(receipt) = world.store.receipt(account, KeySpace::Customers, key).await? {
        if receipt.content != content {
            return Err(Refusal::OperationReused.into());
        }
        let order = world.store.order(receipt.id).await?;
        return order.ok_or_else(|| lost(account).into()).map(Some);
    }
    let loaded = world.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))?;
    let customer = match &request.user {
        Some(subject) => world.store.customer(account, subject, request.live).await?,
        None => None,
    };
    let orders = world.store.orders(account).await?;
    let open = open(world, &orders, world.clock.now()).await?;
    let now = world.clock.now();
    let settled = settle::settle(&loaded.account, catalog, now)?.account;
    let id = world.entropy.own(now);
    let order = payment::order(&settled, request, &open, id, catalog, now);
    let order = order.map_err(|refusal| run.refuse(refusal))?;
    let order = Order { customer, ..order };
    let (account, space) = (account.clone(), KeySpace::Customers);
    let receipt = Receipt { account, space, key: key.clone(), id, content };
    match world.store.commit(&payment::place(order.clone(), &orders, receipt)).await? {
        Outcome::Done(_) => Ok(Some(order)),
        _ => Ok(None),
    }
}

/// Which of the orders are open: none is looked at while fewer may be than are allowed.
async fn open(
    world: &World,
    orders: &Orders,
    now: Instant,
) -> Result<Vec<OperationId>, StoreError> {
    let mut open = Vec::new();
    if orders.may_be_open(now).count() < MOST_OPEN {
        return Ok(open);
    }
    for id in orders.may_be_open(now) {
        let checkout = checkouts::by_id(world, id, now).await?;
        if checkout.is_some_and(|checkout| checkout.state == State::Open) {
            open.push(id);
        }
    }
    Ok(open)
}

/// Notes what Stripe has told about an order.
///
/// # Errors
/// [`StoreError`].
pub async fn note(world: &World, id: OperationId, told: Field) -> Result<(), StoreError> {
    let catalog = world.catalog().await;
    let run = &Run::begin(world, &catalog);
    let write = Write::row(RowWrite::Set(RowKey::Order(id), told, Expect::Present));
    retried(run, || world.store.commit(&write)).await.map(|_| ())
}
