//! The items of accounts' subscriptions. They hold JSON that a person can read, as payments do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item};
use super::payments::{json, parsed};
use super::table::{ACCOUNT, SORT, billing_key, ledger, subscription_key};
use super::{Store, Stored};
use crate::domain::period::{Anchor, Day, Period};
use crate::domain::subscription::{
    Billing, Followed, ParkedSubscription, Subscription, SubscriptionId, SubscriptionItem,
    SubscriptionStatus,
};
use crate::domain::{AccountId, Instant, NextPlan, PlanTerms, Status};

impl Store {
    /// What an account has at Stripe; of an account of which it has said nothing yet, nothing.
    pub async fn billing(&self, account: &AccountId, live: bool) -> Stored<Billing> {
        match self.ledger_item(account.as_str(), billing_key(live)).await? {
            Some(item) => read_billing(&item, account, live),
            None => Ok(Billing::new(account.clone(), live)),
        }
    }

    /// The account that a subscription was first heard of for.
    pub async fn account_of_subscription(&self, id: &SubscriptionId) -> Stored<Option<AccountId>> {
        let item = self.ledger_item(&subscription_key(id), ledger::SUBSCRIPTION).await?;
        item.map(|item| Attributes::of("ledger", &item).parsed(ledger::OF)).transpose()
    }
}

pub(super) fn billing_item(billing: &Billing) -> Item {
    let item = [
        (ACCOUNT, item::text(billing.account.as_str())),
        (SORT, item::text(billing_key(billing.live))),
        (ledger::VERSION, item::number(billing.version + 1)),
        (ledger::TEXT, item::text(json(&BillingText::of(billing)))),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) fn subscription_account_item(account: &AccountId, id: &SubscriptionId) -> Item {
    let item = [
        (ACCOUNT, item::text(subscription_key(id))),
        (SORT, item::text(ledger::SUBSCRIPTION)),
        (ledger::OF, item::text(account.as_str())),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

fn read_billing(item: &Item, account: &AccountId, live: bool) -> Stored<Billing> {
    let row = Attributes::of("ledger", item);
    let text: BillingText = parsed(&row, ledger::TEXT)?;
    let version = row.number(ledger::VERSION)?;
    let billing = text.billing(account, live, version);
    billing.ok_or_else(|| row.broken(ledger::TEXT, "is not the billing of an account"))
}

#[derive(Serialize, Deserialize)]
struct BillingText {
    customer: Option<String>,
    subscriptions: BTreeMap<String, SubscriptionText>,
    followed: Option<FollowedText>,
    parked: Option<ParkedText>,
}

#[derive(Serialize, Deserialize)]
struct SubscriptionText {
    account: Option<String>,
    customer: String,
    status: String,
    items: Vec<(String, u64)>,
    cycle_ms: (i64, i64),
    anchored_at_ms: i64,
    ends_at_ms: Option<i64>,
    then: Option<(i64, Vec<(String, u64)>)>,
}

#[derive(Serialize, Deserialize)]
struct FollowedText {
    subscription: String,
    cycle_start_ms: i64,
    plan: String,
    status: String,
    anchor: String,
    seats: u32,
    next: Option<NextText>,
}

#[derive(Serialize, Deserialize)]
struct NextText {
    plan: String,
    status: String,
    seats: u32,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct ParkedText {
    at_ms: i64,
    subscription: String,
    problem: String,
}

fn items(items: &[SubscriptionItem]) -> Vec<(String, u64)> {
    items.iter().map(|item| (item.price.clone(), item.quantity)).collect()
}

fn read_items(items: Vec<(String, u64)>) -> Vec<SubscriptionItem> {
    items.into_iter().map(|(price, quantity)| SubscriptionItem { price, quantity }).collect()
}

fn status(name: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.name() == name)
}

impl BillingText {
    fn of(billing: &Billing) -> BillingText {
        let subscriptions = billing.subscriptions.iter();
        let followed = billing.followed.as_ref();
        let parked = billing.parked.as_ref();
        BillingText {
            customer: billing.customer.clone(),
            subscriptions: subscriptions
                .map(|(id, known)| (id.to_string(), SubscriptionText::of(known)))
                .collect(),
            followed: followed.map(FollowedText::of),
            parked: parked.map(|parked| ParkedText {
                at_ms: parked.at.ms(),
                subscription: parked.subscription.to_string(),
                problem: parked.problem.clone(),
            }),
        }
    }

    /// None if it holds an unknown word or id.
    fn billing(self, account: &AccountId, live: bool, version: u64) -> Option<Billing> {
        let subscriptions = self.subscriptions.into_iter().map(|(id, text)| {
            let id: SubscriptionId = id.parse().ok()?;
            Some((id.clone(), text.subscription(id)?))
        });
        let followed = match self.followed {
            Some(text) => Some(text.followed()?),
            None => None,
        };
        let parked = match self.parked {
            Some(ParkedText { at_ms, subscription, problem }) => Some(ParkedSubscription {
                at: Instant::from_ms(at_ms),
                subscription: subscription.parse().ok()?,
                problem,
            }),
            None => None,
        };
        Some(Billing {
            account: account.clone(),
            live,
            customer: self.customer,
            subscriptions: subscriptions.collect::<Option<_>>()?,
            followed,
            parked,
            version,
        })
    }
}

impl SubscriptionText {
    fn of(known: &Subscription) -> SubscriptionText {
        let then = known.then.as_ref();
        SubscriptionText {
            account: known.account.clone(),
            customer: known.customer.clone(),
            status: known.status.name().to_owned(),
            items: items(&known.items),
            cycle_ms: (known.cycle.start.ms(), known.cycle.end.ms()),
            anchored_at_ms: known.anchored_at.ms(),
            ends_at_ms: known.ends_at.map(Instant::ms),
            then: then.map(|(at, then)| (at.ms(), items(then))),
        }
    }

    fn subscription(self, id: SubscriptionId) -> Option<Subscription> {
        let (start, end) = self.cycle_ms;
        Some(Subscription {
            id,
            account: self.account,
            customer: self.customer,
            status: SubscriptionStatus::named(&self.status)?,
            items: read_items(self.items),
            cycle: Period { start: Instant::from_ms(start), end: Instant::from_ms(end) },
            anchored_at: Instant::from_ms(self.anchored_at_ms),
            ends_at: self.ends_at_ms.map(Instant::from_ms),
            then: self.then.map(|(at, items)| (Instant::from_ms(at), read_items(items))),
        })
    }
}

impl FollowedText {
    fn of(followed: &Followed) -> FollowedText {
        let PlanTerms { plan, status, anchor, seats } = &followed.terms;
        FollowedText {
            subscription: followed.subscription.to_string(),
            cycle_start_ms: followed.cycle_start.ms(),
            plan: plan.clone(),
            status: status.name().to_owned(),
            anchor: anchor.0.to_string(),
            seats: *seats,
            next: followed.next.as_ref().map(|next| NextText {
                plan: next.plan.clone(),
                status: next.status.name().to_owned(),
                seats: next.seats,
                at_ms: next.at.ms(),
            }),
        }
    }

    fn followed(self) -> Option<Followed> {
        let next = match self.next {
            Some(NextText { plan, status: name, seats, at_ms }) => {
                let (status, at) = (status(&name)?, Instant::from_ms(at_ms));
                Some(NextPlan { plan, status, seats, at })
            }
            None => None,
        };
        let (plan, status, seats) = (self.plan, status(&self.status)?, self.seats);
        let anchor = Anchor(Day::parse(&self.anchor)?);
        Some(Followed {
            subscription: self.subscription.parse().ok()?,
            cycle_start: Instant::from_ms(self.cycle_start_ms),
            terms: PlanTerms { plan, status, anchor, seats },
            next,
        })
    }
}
