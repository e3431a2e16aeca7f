//! Payments for operators: orders with their payments, and events that could not be read.

use super::checkouts::{self, Checkout};
use crate::context::Context;
use crate::decide::Mark;
use crate::decide::UnreadEvent;
use crate::domain::payment::{Decided, IntentId, State};
use crate::domain::subscription::{ParkedSubscription, SubscriptionId};
use crate::domain::{AccountId, Instant, OperationId};
use crate::store::{PaymentPlace, StoreError};

/// How many orders and payments one request looks at: each costs two reads.
const READ: usize = 50;

/// What a listing of payments shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are orders")]
pub enum PaymentRecord {
    /// An order, with its payment if one is known. `at`: when it was placed; among those that wait
    /// for an operator, since when the payment waits.
    Order { checkout: Checkout, at: Instant },
    /// An event that could not be read, and an operator's decision about it.
    Event(UnreadEvent, Option<Decided>),
    /// It waits for an operator, and neither its order nor its event is there; or it is a
    /// subscription.
    Mark(Mark),
}

impl PaymentRecord {
    fn ordered(checkout: Checkout) -> PaymentRecord {
        PaymentRecord::Order { at: checkout.order.at, checkout }
    }
}

/// Some payments, and the place after which there may be more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentsPart {
    pub payments: Vec<PaymentRecord>,
    pub next: Option<PaymentPlace>,
}

/// The payments of an account or of all, the latest first: those in `state` among the next 50.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    context: &Context,
    of: Option<&AccountId>,
    state: Option<State>,
    before: Option<&PaymentPlace>,
) -> Result<PaymentsPart, StoreError> {
    let most = i32::try_from(READ).expect("it is small") + 1;
    let mut places = context.store.payment_places(of, before, most).await?;
    let more = places.len() > READ;
    places.truncate(READ);
    let mut payments = Vec::new();
    for place in &places {
        let found = order_or_payment(context, &place.id).await?;
        let found = found.filter(|found| state.is_none_or(|state| found.state == state));
        payments.extend(found.map(PaymentRecord::ordered));
    }
    Ok(PaymentsPart { payments, next: places.pop().filter(|_| more) })
}

/// Some purchases of an account, and the place after which there may be more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchasesPart {
    pub purchases: Vec<Checkout>,
    pub next: Option<PaymentPlace>,
}

/// The purchases of an account, the latest first: up to `limit` of the next 50 orders, without
/// those that were not paid in time.
///
/// # Errors
/// [`StoreError`].
pub async fn purchases(
    context: &Context,
    account: &AccountId,
    before: Option<&PaymentPlace>,
    limit: usize,
) -> Result<PurchasesPart, StoreError> {
    let most = i32::try_from(READ).expect("it is small") + 1;
    let places = context.store.payment_places(Some(account), before, most).await?;
    let (mut purchases, mut read) = (Vec::new(), 0);
    for place in places.iter().take(READ) {
        if purchases.len() == limit {
            break;
        }
        let found = order_or_payment(context, &place.id).await?;
        purchases.extend(found.filter(|found| found.state != State::Expired));
        read += 1;
    }
    let next = if read < places.len() { places.into_iter().take(read).next_back() } else { None };
    Ok(PurchasesPart { purchases, next })
}

/// The payments and events that wait for an operator, the oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn parked(
    context: &Context,
    after: Option<&PaymentPlace>,
) -> Result<PaymentsPart, StoreError> {
    let (parked, next) = context.store.parked(after).await?;
    let mut payments = Vec::new();
    for parked in parked {
        payments.push(match by_id(context, &parked.id).await? {
            Some(PaymentRecord::Order { checkout, .. }) => {
                PaymentRecord::Order { checkout, at: parked.at }
            }
            Some(event) => event,
            None => PaymentRecord::Mark(parked),
        });
    }
    Ok(PaymentsPart { payments, next })
}

/// The order of this id, the payment of this id, the event of this id, or the parked subscription. None: there is none, or
/// it is a payment of something else that is sold through the same Stripe account.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(context: &Context, id: &str) -> Result<Option<PaymentRecord>, StoreError> {
    if let Some(found) = order_or_payment(context, id).await? {
        return Ok(Some(PaymentRecord::ordered(found)));
    }
    if let Ok(subscription) = id.parse() {
        let parked = parked_subscription(context, &subscription).await?;
        return Ok(parked.map(PaymentRecord::Mark));
    }
    let event = context.store.event(id).await?;
    Ok(event.map(|(event, decided)| PaymentRecord::Event(event, decided)))
}

/// What a subscription waits for, in live mode or in test mode. None: it does not wait.
async fn parked_subscription(
    context: &Context,
    id: &SubscriptionId,
) -> Result<Option<Mark>, StoreError> {
    let Some(account) = context.store.account_of_subscription(id).await? else { return Ok(None) };
    for live in [true, false] {
        let parked = context.store.billing(&account, live).await?.parked;
        if let Some(parked) = parked.filter(|parked| parked.subscription == *id) {
            let ParkedSubscription { at, problem, .. } = parked;
            return Ok(Some(Mark { at, id: id.to_string(), problem }));
        }
    }
    Ok(None)
}

async fn order_or_payment(context: &Context, id: &str) -> Result<Option<Checkout>, StoreError> {
    let now = context.clock.now();
    if let Some(order) = OperationId::parse(id) {
        return checkouts::by_id(context, order, now).await;
    }
    let Ok(intent) = id.parse::<IntentId>() else { return Ok(None) };
    let payment = context.store.payment(&intent, now).await?;
    let order = context.store.order_of(&payment).await?;
    Ok(order.map(|order| Checkout {
        state: order.state(Some(&payment), now),
        order,
        payment: Some(payment),
    }))
}
