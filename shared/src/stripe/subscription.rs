//! Subscriptions at Stripe: reads one as Stripe says it now.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::client::{Stripe, StripeError, sent};
use super::named::Named;
use super::object::{ACCOUNT, TOP_UP, without_value};
use crate::domain::Instant;
use crate::domain::period::Period;
use crate::domain::subscription::{
    Priced, Subscription, SubscriptionId, SubscriptionItem, SubscriptionStatus,
};

impl Stripe {
    /// A subscription, as it is now. None: Stripe does not have it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn subscription(
        &self,
        id: &SubscriptionId,
        now: Instant,
    ) -> Result<Option<Subscription>, StripeError> {
        #[derive(Serialize)]
        struct Expand<'a> {
            expand: [&'a str; 1],
        }
        let path = format!("/subscriptions/{id}");
        let expand = Expand { expand: ["schedule"] };
        let request = || RequestBuilder::new(StripeMethod::Get, path.clone()).query(&expand);
        match self.asked(now, |client| sent(client, request())).await {
            Ok(object) => subscription(object)
                .map(Some)
                .map_err(|error| StripeError::Unreadable(format!("subscription {id}: {error}"))),
            Err(StripeError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads a subscription.
///
/// # Errors
/// If a field that decides about a plan is missing or wrong.
pub fn subscription(object: Value) -> Result<Subscription, serde_json::Error> {
    read(object).map_err(without_value)
}

fn read(object: Value) -> Result<Subscription, serde_json::Error> {
    let read: SubscriptionObject = serde_json::from_value(object)?;
    let custom = |text: &str| <serde_json::Error as serde::de::Error>::custom(text);
    let status = SubscriptionStatus::named(&read.status);
    let items: Vec<SubscriptionItem> = read.items.data.into_iter().map(item).collect();
    let first = items.first().ok_or_else(|| custom("items is empty"))?;
    let ends_at = match read.cancel_at {
        Some(at) => Some(second(at)),
        None => read.cancel_at_period_end.then_some(first.cycle.end),
    };
    Ok(Subscription {
        id: read.id.parse().map_err(|_| custom("id is no id of a subscription"))?,
        account: read.metadata.get(ACCOUNT).cloned(),
        topup: read.metadata.get(TOP_UP).cloned(),
        customer: read.customer.id(),
        status: status.ok_or_else(|| custom("status is unknown"))?,
        items,
        anchored_at: second(read.billing_cycle_anchor),
        ends_at,
        then: read.schedule.and_then(|schedule| schedule.then()),
    })
}

fn second(at: i64) -> Instant {
    Instant::from_ms(at.saturating_mul(1000))
}

fn item(item: Item) -> SubscriptionItem {
    let Item { price, quantity, current_period_start, current_period_end } = item;
    let by_months =
        price.recurring.is_some_and(|by| by.interval == "month" || by.interval == "year");
    // A price by use has no quantity.
    let of = Priced { price: price.id, quantity: quantity.unwrap_or(1) };
    let cycle = Period { start: second(current_period_start), end: second(current_period_end) };
    SubscriptionItem { of, cycle, by_months }
}

#[derive(Deserialize)]
struct SubscriptionObject {
    id: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    customer: Named,
    status: String,
    items: Items,
    billing_cycle_anchor: i64,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    schedule: Option<Schedule>,
}

#[derive(Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    price: Price,
    quantity: Option<u64>,
    current_period_start: i64,
    current_period_end: i64,
}

#[derive(Deserialize)]
struct Price {
    id: String,
    recurring: Option<Recurring>,
}

#[derive(Deserialize)]
struct Recurring {
    interval: String,
}

/// A schedule, or its id where it was not asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Schedule {
    Whole { status: String, current_phase: Option<Phase>, phases: Vec<PhaseItems> },
    Id(IgnoredAny),
}

#[derive(Deserialize)]
struct Phase {
    end_date: i64,
}

#[derive(Deserialize)]
struct PhaseItems {
    start_date: i64,
    items: Vec<PhaseItem>,
}

#[derive(Deserialize)]
struct PhaseItem {
    price: Named,
    quantity: Option<u64>,
}

impl Schedule {
    /// What the phase after the one that runs is for, and when it begins.
    fn then(self) -> Option<(Instant, Vec<Priced>)> {
        let Schedule::Whole { status, current_phase: Some(runs), phases } = self else {
            return None;
        };
        let next = phases.into_iter().find(|phase| phase.start_date == runs.end_date)?;
        let items = next.items.into_iter();
        let items = items
            .map(|item| Priced { price: item.price.id(), quantity: item.quantity.unwrap_or(1) });
        (status == "active").then(|| (second(next.start_date), items.collect()))
    }
}
