//! Subscriptions that customers begin: what an account may subscribe to.

use crate::domain::plan_terms::MAX_SEATS;
use crate::domain::refusal::FieldProblem;
use crate::domain::subscription::{Billing, Subscription};
use crate::domain::{Account, Catalog, Credits, Refusal};

/// What a customer asks to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    pub plan: String,
    /// Stripe's id of one of the plan's prices. None: the first of them.
    pub price: Option<String>,
    /// How many seats are paid for; of a plan by the seat.
    pub seats: Option<u32>,
}

/// What is to be paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Stripe's id of the price.
    pub price: String,
    pub seats: u32,
}

/// What the request subscribes to. `account` as of now.
///
/// # Errors
/// [`Refusal::UnknownPlan`]; [`Refusal::InvalidRequest`] for a plan that is not offered, a price of
/// another plan, and seats of a plan that has none; [`Refusal::AccountFrozen`];
/// [`Refusal::AlreadySubscribed`].
pub fn subscribe(
    account: &Account,
    billing: &Billing,
    request: &SubscribeRequest,
    catalog: &Catalog,
) -> Result<Subscribed, Refusal> {
    let plan = catalog.offered_plan(&request.plan)?;
    let prices = &plan.stripe_prices;
    let Some(first) = prices.first() else {
        return Err(Refusal::invalid("plan", "must be a plan that customers can subscribe to"));
    };
    let price = request.price.as_ref().unwrap_or(first);
    let seats = request.seats.unwrap_or(1);
    let mut fields = Vec::new();
    if !prices.contains(price) {
        let problem = format!("must be a price of the plan: {}", prices.join(" or "));
        fields.push(FieldProblem::new("price", problem));
    }
    if seats != 1 && !plan.per_seat {
        fields.push(FieldProblem::new("seats", "must be 1: the plan is not by the seat"));
    }
    if !fields.is_empty() {
        return Err(Refusal::InvalidRequest { fields });
    }
    debug_assert!((1..=MAX_SEATS).contains(&seats), "the request's reader refuses others");
    if account.gate.frozen {
        let (required, available) = (Credits::ZERO, account.available);
        return Err(Refusal::AccountFrozen { required, available });
    }
    match running(billing, catalog) {
        Some(_) => Err(Refusal::AlreadySubscribed),
        None => Ok(Subscribed { price: price.clone(), seats }),
    }
}

/// The subscription to a plan that runs, as far as Stripe has told. Its customer may subscribe to
/// something else of the same seller, or have a top-up plan beside: that is none.
pub fn running<'a>(billing: &'a Billing, catalog: &Catalog) -> Option<&'a Subscription> {
    billing.subscriptions.values().find(|known| {
        let of_plan = |price: &str| catalog.plan_of_price(price).is_some();
        let is_ours = known.account.is_some() || known.items.iter().any(|i| of_plan(&i.of.price));
        known.status.runs() && known.topup.is_none() && is_ours
    })
}
