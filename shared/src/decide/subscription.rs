//! Subscriptions: an account's plan follows the one that runs at Stripe.
//!
//! What follows is a function of what Stripe says now, never of its events: each reading replaces
//! the one before. A handler reads the account's row, then Stripe, and writes the row if it is as
//! it was read; so of two readings the later one is written last.

use super::plan::{self, Author, NewTerms};
use super::{AccountWrite, Expect, Made, Mark, Row, RowWrite, Seen, Write};
use crate::domain::period::{Anchor, Day};
use crate::domain::plan_terms::MAX_SEATS;
use crate::domain::subscription::{
    Billing, Followed, ParkedSubscription, Subscription, SubscriptionId, SubscriptionItem,
    SubscriptionStatus,
};
use crate::domain::{
    Account, AccountId, Catalog, Instant, NextPlan, OperationId, Plan, PlanState, PlanTerms, Status,
};

/// What waits for an operator, and for which subscription.
type Problem = (SubscriptionId, String);

/// What an account's subscriptions make of its plan. None: nothing was ever followed.
///
/// `plan_state`: that of the account, advanced to `now`.
///
/// # Errors
/// The problem that parks them: nothing changes until it is over.
pub fn follow(
    billing: &Billing,
    plan_state: &PlanState,
    catalog: &Catalog,
    now: Instant,
) -> Result<Option<(Followed, bool)>, Problem> {
    let mut running = Vec::new();
    for subscription in billing.subscriptions.values().filter(|known| known.status.runs()) {
        if named(&subscription.account, &billing.account) == Whose::Another {
            let problem = format!("it names another account than {}", billing.account);
            return Err((subscription.id.clone(), problem));
        }
        match plan_of(&subscription.items, catalog) {
            Some(found) => running.push((subscription, found)),
            // Its customer may subscribe to something else of the same seller.
            None if subscription.account.is_none() => {}
            None => {
                let prices = subscription.items.iter().map(|item| item.price.as_str());
                let prices: Vec<&str> = prices.collect();
                let problem = format!("no plan has the price {}", prices.join(" or "));
                return Err((subscription.id.clone(), problem));
            }
        }
    }
    match &running[..] {
        [] => Ok(ended(billing, plan_state)),
        [(subscription, (name, plan, item))] => {
            let seats = seats(plan, item).map_err(|problem| (subscription.id.clone(), problem))?;
            let followed = following(subscription, (name, seats), plan_state, catalog, now)?;
            let restart = restarts(billing.followed.as_ref(), &followed, plan_state, now);
            Ok(Some((followed, restart)))
        }
        [(first, _), .., (last, _)] => {
            let problem = format!("two subscriptions run at once: {} and {}", first.id, last.id);
            Err((last.id.clone(), problem))
        }
    }
}

#[derive(PartialEq)]
enum Whose {
    Ours,
    Another,
}

fn named(account: &Option<String>, ours: &AccountId) -> Whose {
    match account {
        Some(name) if name != ours.as_str() => Whose::Another,
        _ => Whose::Ours,
    }
}

/// The first item whose price is of a plan, with the plan and its name.
fn plan_of<'a>(
    items: &'a [SubscriptionItem],
    catalog: &'a Catalog,
) -> Option<(&'a str, &'a Plan, &'a SubscriptionItem)> {
    items.iter().find_map(|item| {
        let (name, plan) = catalog.plan_of_price(&item.price)?;
        Some((name, plan, item))
    })
}

fn seats(plan: &Plan, item: &SubscriptionItem) -> Result<u32, String> {
    let seats = match plan.per_seat {
        true => u32::try_from(item.quantity).unwrap_or(u32::MAX),
        false => 1,
    };
    match (1..=MAX_SEATS).contains(&seats) {
        true => Ok(seats),
        false => Err(format!("{} seats: must be from 1 to {MAX_SEATS}", item.quantity)),
    }
}

/// What follows when no subscription runs: the plan that the followed one gave is canceled.
fn ended(billing: &Billing, plan_state: &PlanState) -> Option<(Followed, bool)> {
    let followed = billing.followed.clone()?;
    // A plan that somebody else gave since is not this subscription's to end.
    let status = match plan_state.terms.plan == followed.terms.plan {
        true => Status::Canceled,
        false => followed.terms.status,
    };
    let terms = PlanTerms { status, ..followed.terms };
    Some((Followed { terms, next: None, ..followed }, false))
}

/// What follows from a subscription that runs.
fn following(
    subscription: &Subscription,
    (plan, seats): (&str, u32),
    plan_state: &PlanState,
    catalog: &Catalog,
    now: Instant,
) -> Result<Followed, Problem> {
    let Subscription { id, status, cycle, anchored_at, then, .. } = subscription;
    let status = match status {
        SubscriptionStatus::Trialing => Status::Trialing,
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => Status::PastDue,
        _ => Status::Active,
    };
    // In a trial the anchor is to come, and Stripe's clock may be a little ahead of ours.
    let anchored_at = if *anchored_at <= now { *anchored_at } else { cycle.start.min(now) };
    let anchor = Anchor(Day::of(anchored_at));
    let mut terms = PlanTerms { plan: plan.to_owned(), status, anchor, seats };
    let mut next = None;
    if let Some((at, items)) = then {
        let at = Day::of(*at).start();
        if let Some((plan, offered, item)) = plan_of(items, catalog).filter(|_| at > cycle.start) {
            let seats = self::seats(offered, item).map_err(|problem| (id.clone(), problem))?;
            next = Some(NextPlan { plan: plan.to_owned(), status, seats, at });
        }
    }
    if let Some(at) = subscription.last_day()
        && next.as_ref().is_none_or(|next| at <= next.at)
    {
        let PlanTerms { plan, seats, .. } = terms.clone();
        next = Some(NextPlan { plan, status: Status::Canceled, seats, at });
    }
    // The account has changed by its own clock already: Stripe follows later on that day.
    if let Some(due) = next.take_if(|next| next.at <= now) {
        terms = due.terms(plan_state.terms.anchor);
    }
    let (subscription, cycle_start) = (id.clone(), cycle.start);
    Ok(Followed { subscription, cycle_start, terms, next })
}

/// Whether a cycle was paid for, or begun to be tried, beside the period that runs: then that one
/// ends, and a whole one begins. An ordinary renewal is none: its period begins by our clock, at
/// 00:00 of the day on which Stripe renews.
fn restarts(
    before: Option<&Followed>,
    after: &Followed,
    plan_state: &PlanState,
    now: Instant,
) -> bool {
    let monthly = &plan_state.monthly;
    if !after.terms.status.renews() || !monthly.runs(now) {
        return false;
    }
    let begun = Day::of(monthly.period.start);
    let day = Day::of(after.cycle_start);
    match before {
        Some(before) if before.cycle_start >= after.cycle_start => false,
        // The period that runs is of the cycle before.
        Some(before) if Day::of(before.cycle_start) >= begun => true,
        _ => day > begun && plan_state.terms.anchor.from(day.start()) != day.start(),
    }
}

/// The change of an account's billing, and of what depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingChange {
    /// As it is to be. Its version is the one that was read, and the write counts it up.
    pub billing: Billing,
    /// The subscription that is heard of for the first time.
    pub learns: Option<SubscriptionId>,
    /// What waited for an operator and does not any more.
    pub unparks: Option<ParkedSubscription>,
    /// Whether something begins to wait for an operator.
    pub parks: bool,
    /// Stripe's id of who pays for the account from now on.
    pub pays: Option<String>,
    /// The write of the account, and what the plan is now.
    pub change: Option<AccountWrite>,
}

/// The change after Stripe was asked about a subscription. None: nothing is new.
///
/// `account` as it was read; `plan_state` of the account advanced to `now`.
pub fn change(
    before: &Billing,
    said: Subscription,
    (account, plan_state): (&Account, &PlanState),
    operation: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Option<BillingChange> {
    let mut billing = before.clone();
    let (id, customer) = (said.id.clone(), said.customer.clone());
    billing.subscriptions.insert(id.clone(), said);
    let mut change = None;
    let problem = match follow(&billing, plan_state, catalog, now) {
        Ok(None) => None,
        Ok(Some((followed, restart))) => {
            let known = before.followed.as_ref().map(|known| (&known.terms, &known.next));
            if restart || known != Some((&followed.terms, &followed.next)) {
                change = set(account, &followed, restart, operation, catalog, now);
            }
            if followed.subscription == id && billing.subscriptions[&id].status.runs() {
                billing.customer = Some(customer);
            }
            billing.followed = Some(followed);
            None
        }
        Err((subscription, problem)) => {
            let at = match &before.parked {
                Some(parked) if parked.subscription == subscription => parked.at,
                _ => now,
            };
            Some(ParkedSubscription { at, subscription, problem })
        }
    };
    let followed = billing.followed.as_ref().map(|followed| followed.subscription.clone());
    billing.subscriptions.retain(|id, known| known.status.runs() || Some(id) == followed.as_ref());
    billing.parked = problem;
    let news = billing != *before || change.is_some();
    let parked = before.parked != billing.parked;
    let unparks = before.parked.clone().filter(|_| parked);
    let parks = parked && billing.parked.is_some();
    let learns = (!before.subscriptions.contains_key(&id)).then_some(id);
    let pays = billing.customer.clone().filter(|_| billing.customer != before.customer);
    news.then_some(BillingChange { billing, learns, unparks, parks, pays, change })
}

fn set(
    account: &Account,
    followed: &Followed,
    restart: bool,
    operation: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Option<AccountWrite> {
    let Followed { subscription, terms, next, .. } = followed;
    let (terms, next) = (terms.clone(), next.clone());
    let new = NewTerms { terms, next, restart };
    let author = Author::Subscription(subscription.as_str());
    match plan::set(account, new, operation, catalog, author, now) {
        Made::Change(write) => Some(write),
        Made::Already(_) | Made::With(..) => None,
    }
}

impl BillingChange {
    /// The write of the row, if it is as it was read, with what names the account, the marks and the
    /// account.
    pub fn write(self) -> Write {
        let BillingChange { billing, learns, unparks, parks, pays, change } = self;
        let read = match billing.version {
            0 => Expect::Absent,
            before => Expect::Is(Seen::Version(before)),
        };
        let mark = |parked: &ParkedSubscription| Mark {
            at: parked.at,
            id: parked.subscription.to_string(),
            problem: parked.problem.clone(),
        };
        let begins = billing.parked.as_ref().filter(|_| parks).map(mark);
        let ends = unparks.as_ref().map(mark);
        let account = billing.account.clone();
        let mut rows = Vec::new();
        if let Some(id) = learns {
            rows.push(RowWrite::Put(Row::SubscriptionAccount(account.clone(), id), Expect::Any));
        }
        if let Some(customer) = pays {
            rows.push(RowWrite::Put(Row::CustomerAccount(account, customer), Expect::Any));
        }
        // The same mark in other words is written over, not deleted.
        let stays =
            |ends: &Mark| begins.as_ref().is_some_and(|b| (b.at, &b.id) == (ends.at, &ends.id));
        let is_again = ends.as_ref().is_some_and(stays);
        match (begins, ends) {
            (Some(begins), _) if is_again => {
                rows.push(RowWrite::Put(Row::Mark(begins), Expect::Any))
            }
            (begins, ends) => {
                rows.extend(begins.map(|mark| RowWrite::mark(mark, true)));
                rows.extend(ends.map(|mark| RowWrite::mark(mark, false)));
            }
        }
        rows.insert(0, RowWrite::Put(Row::Billing(Box::new(billing)), read));
        Write { account: change, rows }
    }
}
