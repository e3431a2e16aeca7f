//! Checkouts: orders with their state by Stripe's notices.

use crate::context::Context;
use crate::domain::payment::{Order, Payment, State};
use crate::domain::{AccountId, Credits, Instant, OperationId};
use crate::store::StoreError;

/// An order and its state. The state never depends on the page from which a browser came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    pub order: Order,
    pub state: State,
    /// None: there was no notice of a payment yet.
    pub payment: Option<Payment>,
}

impl Checkout {
    /// How many of its credits are in the account now.
    pub fn credited(&self) -> Credits {
        self.payment.as_ref().map_or(Credits::ZERO, |payment| payment.applied)
    }
}

/// The checkouts of the last 30 days, the latest first: at most 100, and of these only the ones in
/// `state`, if it is given.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    context: &Context,
    account: &AccountId,
    state: Option<State>,
) -> Result<Vec<Checkout>, StoreError> {
    let now = context.clock.now();
    let mut found = Vec::new();
    for id in context.store.orders(account).await?.listed(now) {
        let checkout = by_id(context, id, now).await?;
        found.extend(checkout.filter(|found| state.is_none_or(|state| found.state == state)));
    }
    Ok(found)
}

/// The checkout of this order, of any account. None: there is no such order.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    context: &Context,
    id: OperationId,
    now: Instant,
) -> Result<Option<Checkout>, StoreError> {
    match context.store.order(id).await? {
        Some(order) => of(context, order, now).await.map(Some),
        None => Ok(None),
    }
}

/// The checkout of an order that was read.
///
/// # Errors
/// [`StoreError`].
pub async fn of(context: &Context, order: Order, now: Instant) -> Result<Checkout, StoreError> {
    let payment = match &order.intent {
        Some(intent) => Some(context.store.payment(intent, now).await?),
        None => None,
    };
    Ok(Checkout { state: order.state(payment.as_ref(), now), order, payment })
}
