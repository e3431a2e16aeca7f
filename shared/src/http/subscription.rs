//! Plans that customers subscribe to, and what an account has of them, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::fields::NAME_BYTES;
use super::naming::{Named, NamedContact};
use super::reply::{ok, to_json};
use super::terms::{Next, is_one};
use super::{Call, Problem};
use crate::decide::subscribe::{SubscribeRequest, running};
use crate::domain::plan_terms::MAX_SEATS;
use crate::domain::subscription::{Billing, SubscriptionItem};
use crate::domain::{Account, AccountId, Catalog, Credits, Instant, Key, Locales, PlanTerms};

/// The longest id of a price: of Stripe's, and of a catalog's.
const PRICE_BYTES: usize = 64;

#[derive(Serialize)]
struct Subscriptions<'a> {
    account: &'a AccountId,
    plan: &'a str,
    /// The plan's name.
    plan_name: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "is_one")]
    seats: u32,
    /// The change of plan that is due to come.
    next: Option<Next<'a>>,
    /// The subscription to a plan that runs.
    subscription: Option<Running>,
    /// Whether somebody pays for the account whom Stripe's portal knows.
    portal: bool,
    /// Whom customers of the plan talk to. None: the catalog's contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<NamedContact<'a>>,
    plans: Vec<Offered<'a>>,
}

#[derive(Serialize)]
struct Running {
    /// Stripe's word.
    status: &'static str,
    /// When it is paid for again. None: it ends, or has something else to wait for.
    renews_at: Option<Instant>,
    /// Whether the account's subscriptions wait for an operator.
    parked: bool,
}

/// A plan that customers can subscribe to, with its sizes that are in force.
#[derive(Serialize)]
struct Offered<'a> {
    plan: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
    weekly: Credits,
    monthly: Credits,
    trial_monthly: Credits,
    per_seat: bool,
    prices: &'a [String],
}

/// An account's subscription, and the plans that are offered, with names for this reader. `account`
/// as of `now`.
pub fn subscriptions(
    account: &Account,
    billing: &Billing,
    catalog: &Catalog,
    (reader, now): (&Locales, Instant),
) -> Response<Body> {
    super::reply::json(subscriptions_json(account, billing, catalog, (reader, now)))
}

/// The same as JSON.
pub fn subscriptions_json(
    account: &Account,
    billing: &Billing,
    catalog: &Catalog,
    (reader, now): (&Locales, Instant),
) -> String {
    let PlanTerms { plan, status, seats, .. } = &account.plan_state.terms;
    let known = catalog.plan(plan);
    let subscription = running(billing, catalog).map(|known| {
        let of_plan = |item: &&SubscriptionItem| catalog.plan_of_price(&item.of.price).is_some();
        let item = known.items.iter().find(of_plan).or(known.items.first());
        let cycle_end = item.map(|item| item.cycle.end);
        Running {
            status: known.status.name(),
            renews_at: cycle_end.filter(|_| known.ends_at.is_none()),
            parked: billing.parked.is_some(),
        }
    });
    let offered = catalog.plans.iter().filter(|(_, plan)| !plan.stripe_prices.is_empty());
    let plans = offered.map(|(name, plan)| Offered {
        plan: name,
        named: Named::new(&plan.naming, reader),
        weekly: plan.weekly.at(now),
        monthly: plan.monthly.at(now),
        trial_monthly: plan.trial_monthly.at(now),
        per_seat: plan.per_seat,
        prices: &plan.stripe_prices,
    });
    to_json(&Subscriptions {
        account: &account.id,
        plan,
        // A plan is never removed from the catalog.
        plan_name: known.map_or(plan.as_str(), |known| known.naming.name.get(reader)),
        status: status.name(),
        seats: *seats,
        next: account.plan_state.next.as_ref().map(Next::from),
        subscription,
        portal: billing.customer.is_some(),
        contact: known
            .and_then(|known| known.contact.as_ref())
            .map(|contact| NamedContact::new(contact, reader)),
        plans: plans.collect(),
    })
}

#[derive(Serialize)]
struct At<'a> {
    url: &'a str,
}

/// The address of a page of Stripe's, where the customer goes on.
pub fn at(url: &str) -> Response<Body> {
    ok(&At { url })
}

impl Call<'_> {
    /// What a customer wants to subscribe to, and the key of the request.
    pub fn subscribe(&self) -> Result<(Key, SubscribeRequest), Problem> {
        let mut fields = self.fields()?;
        let key = self.key(&mut fields);
        let plan = fields.text("plan", NAME_BYTES);
        let plan = fields.required("plan", plan);
        let price = fields.text("price", PRICE_BYTES);
        let seats = fields.integer("seats", 1..=i64::from(MAX_SEATS));
        let seats = seats.and_then(|seats| u32::try_from(seats).ok());
        let request = plan.map(|plan| SubscribeRequest { plan, price, seats });
        fields.finish(key.zip(request)).map_err(Problem::from)
    }

    /// Checks that a request has no fields: `{}`.
    pub fn nothing(&self) -> Result<(), Problem> {
        self.fields()?.finish(Some(())).map_err(Problem::from)
    }
}
