//! Subscriptions: an account's plan follows the one that runs at Stripe.
//!
//! What follows is a function of what Stripe says now, never of its events: each reading replaces
//! the one before. A handler reads the account's row, then Stripe, and writes the row if it is as
//! it was read; so of two readings the later one is written last.

use super::plan::{self, Author, NewTerms};
use super::{AccountWrite, Expect, Made, Mark, Row, RowKey, RowWrite, Seen, Write};
use crate::domain::period::{Anchor, Day, Period};
use crate::domain::plan_terms::MAX_SEATS;
use crate::domain::subscription::{
    Billing, Followed, ParkedSubscription, Priced, Subscription, SubscriptionId, SubscriptionItem,
    SubscriptionStatus,
};
use crate::domain::{
    Account, Catalog, Instant, NextPlan, OperationId, Plan, PlanState, PlanTerms, Status,
};

/// What waits for an operator, and for which subscription.
type Problem = (SubscriptionId, String);

/// A subscription that runs, with its item that is a plan, the plan and the plan's name.
#[derive(Clone, Copy)]
struct Running<'a> {
    subscription: &'a Subscription,
    item: &'a SubscriptionItem,
    plan: &'a Plan,
    name: &'a str,
}

/// What an account's subscriptions make of its plan, and whether its period begins anew. None:
/// nothing was ever followed.
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
    for subscription in billing.subscriptions.values().filter(|known| is_of_a_plan(known)) {
        let parked = |problem: String| Err((subscription.id.clone(), problem));
        if subscription.account.as_ref().is_some_and(|name| *name != billing.account.as_str()) {
            return parked(format!("it names another account than {}", billing.account));
        }
        let found = subscription.items.iter().find_map(|item| {
            let (name, plan) = catalog.plan_of_price(&item.of.price)?;
            Some(Running { subscription, item, plan, name })
        });
        match found {
            Some(found) if !found.item.by_months => {
                return parked(format!("{} is not billed by months", found.item.of.price));
            }
            Some(found) => running.push(found),
            // Its customer may subscribe to something else of the same seller.
            None if subscription.account.is_none() => {}
            None => {
                let prices = subscription.items.iter().map(|item| item.of.price.as_str());
                let prices: Vec<&str> = prices.collect();
                return parked(format!("no plan has the price {}", prices.join(" or ")));
            }
        }
    }
    // Of several, the one that goes on.
    if running.len() > 1 {
        let stays = running.iter().filter(|one| one.subscription.ends_at.is_none());
        if let [stays] = stays.collect::<Vec<_>>()[..] {
            running = vec![*stays];
        }
    }
    match running[..] {
        [] => Ok(billing.followed.clone().map(|followed| (ended(followed), false))),
        [one] => {
            let before = billing.followed.as_ref();
            let followed = following(one, before, plan_state, catalog, now);
            let followed = followed.map_err(|problem| (one.subscription.id.clone(), problem))?;
            let restart = restarts(before, (one, &followed), plan_state, catalog, now);
            Ok(Some((followed, restart)))
        }
        [first, .., last] => {
            let (first, last) = (&first.subscription.id, &last.subscription.id);
            Err((last.clone(), format!("two subscriptions run at once: {first} and {last}")))
        }
    }
}

/// Whether it runs, and is not for a top-up plan: those pay for credits beside the plan.
fn is_of_a_plan(known: &Subscription) -> bool {
    known.status.runs() && known.topup.is_none()
}

fn seats(plan: &Plan, of: &Priced) -> Result<u32, String> {
    let seats = match plan.per_seat {
        true => u32::try_from(of.quantity).unwrap_or(u32::MAX),
        false => 1,
    };
    match (1..=MAX_SEATS).contains(&seats) {
        true => Ok(seats),
        false => Err(format!("{} seats: must be from 1 to {MAX_SEATS}", of.quantity)),
    }
}

/// What follows when no subscription runs.
fn ended(followed: Followed) -> Followed {
    let terms = PlanTerms { status: Status::Canceled, ..followed.terms };
    Followed { terms, next: None, ..followed }
}

/// What follows from a subscription that runs, after what was followed before.
fn following(
    one: Running<'_>,
    before: Option<&Followed>,
    plan_state: &PlanState,
    catalog: &Catalog,
    now: Instant,
) -> Result<Followed, String> {
    let Running { subscription, item, plan, name } = one;
    let Subscription { id, status, anchored_at, ends_at, then, .. } = subscription;
    let status = match status {
        SubscriptionStatus::Trialing => Status::Trialing,
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => Status::PastDue,
        _ => Status::Active,
    };
    // In a trial the anchor is to come, and Stripe's clock may be a little ahead of ours.
    let anchored_at = if *anchored_at <= now { *anchored_at } else { item.cycle.start.min(now) };
    // A cycle that is not paid for grants nothing, and moves nothing: once it is paid for, it is as
    // new. So is one of a plan that grants nothing, once it is one that does.
    let grants = status.renews() && !plan.sized(status).at(now).is_zero();
    let cycle = match before {
        _ if grants => item.cycle,
        Some(before) => before.cycle,
        None => Period::NEVER,
    };
    let anchor = match status {
        Status::PastDue => plan_state.terms.anchor,
        _ => Anchor(Day::of(anchored_at)),
    };
    let (plan, seats) = (name.to_owned(), seats(plan, &item.of)?);
    let mut terms = PlanTerms { plan, status, anchor, seats };
    let mut next = None;
    if let Some((at, items)) = then
        && let Some(at) = item.turn(*at)
        && let Some((of, (name, plan))) =
            items.iter().find_map(|of| Some((of, catalog.plan_of_price(&of.price)?)))
    {
        let seats = self::seats(plan, of)?;
        next = Some(NextPlan { plan: name.to_owned(), status, seats, at });
    }
    if let Some(at) = ends_at.and_then(|at| item.turn(at))
        && next.as_ref().is_none_or(|next| at <= next.at)
    {
        let PlanTerms { plan, seats, .. } = terms.clone();
        next = Some(NextPlan { plan, status: Status::Canceled, seats, at });
    }
    // The account has changed by its own clock already: Stripe follows later on that day.
    if let Some(due) = next.take_if(|next| next.at <= now) {
        terms = due.terms(anchor);
    }
    Ok(Followed { subscription: id.clone(), cycle, terms, next })
}

/// Whether a cycle was paid for, or begun to be tried, beside the period that runs: then that one
/// ends, and a whole one begins. An ordinary renewal is none: its period begins by our clock, at
/// 00:00 of the day on which Stripe renews.
fn restarts(
    before: Option<&Followed>,
    (one, after): (Running<'_>, &Followed),
    plan_state: &PlanState,
    catalog: &Catalog,
    now: Instant,
) -> bool {
    let (monthly, PlanTerms { plan, status, .. }) = (&plan_state.monthly, &after.terms);
    let grants = catalog.plan(plan).is_some_and(|plan| !plan.sized(*status).at(now).is_zero());
    if !status.renews() || !grants || !monthly.runs(now) {
        return false;
    }
    let (cycle, begun) = (after.cycle, Day::of(monthly.period.start));
    let later = Day::of(cycle.start) > begun;
    // The period that runs ends where those of the cycle do.
    let fits = after.terms.anchor.from(monthly.period.end) == monthly.period.end;
    match before {
        // A subscription that was there before Scrip was asked: only its first cycle is new.
        None => later && one.subscription.anchored_at >= cycle.start,
        Some(before) if before.cycle.start >= cycle.start => false,
        // The cycle before was cut short, or the period that runs is of it.
        Some(before) => {
            cycle.start < before.cycle.end || Day::of(before.cycle.start) >= begun || later || !fits
        }
    }
}

/// The change of an account's billing, and of what depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingChange {
    /// As it is to be. Its version is the one that was read, and the write counts it up.
    pub billing: Billing,
    /// The subscriptions that are not in the row yet.
    pub learns: Vec<SubscriptionId>,
    /// What waited for an operator and does not any more.
    pub unparks: Option<ParkedSubscription>,
    /// Whether something begins to wait for an operator.
    pub parks: bool,
    /// Stripe's id of who pays for the account from now on.
    pub pays: Option<String>,
    /// The write of the account, and what the plan is now.
    pub change: Option<AccountWrite>,
}

/// The write of what an account's entries say that its plan has followed, for a repair. Asking
/// Stripe lets the plan follow from there.
pub fn refollow(before: &Billing, followed: Option<Followed>) -> Write {
    let billing = Billing { followed, ..before.clone() };
    let (learns, unparks, parks, pays, change) = (Vec::new(), None, false, None, None);
    BillingChange { billing, learns, unparks, parks, pays, change }.write()
}

/// The change after Stripe was asked about subscriptions. There is always one: of two readings the
/// later one is written last only if each is written.
///
/// `account` as it was read; `plan_state` of the account advanced to `now`.
pub fn change(
    before: &Billing,
    said: Vec<Subscription>,
    (account, plan_state): (&Account, &PlanState),
    operation: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> BillingChange {
    let mut billing = before.clone();
    for one in said.iter().filter(|said| said.topup.is_some() && said.status.runs()) {
        billing.customer.get_or_insert(one.customer.clone());
    }
    let ids = said.iter().map(|said| said.id.clone());
    let learns = ids.filter(|id| !before.subscriptions.contains_key(id)).collect();
    billing.subscriptions.extend(said.into_iter().map(|said| (said.id.clone(), said)));
    let (mut change, mut problem) = (None, None);
    match follow(&billing, plan_state, catalog, now) {
        Ok(None) => {}
        Ok(Some((followed, restart))) => {
            let known = before.followed.as_ref().map(|known| (&known.terms, &known.next));
            let is_new = restart || known != Some((&followed.terms, &followed.next));
            // A plan that somebody else gave since is not this subscription's to end; and one that
            // it gave and somebody else took an end from ends as it says.
            let Followed { terms, next, .. } = &followed;
            let is_theirs = terms.status == Status::Canceled && plan_state.terms.plan != terms.plan;
            let lacks_next = plan_state.terms == *terms && plan_state.next != *next;
            if (is_new && !is_theirs) || lacks_next {
                change = set(account, &followed, restart, operation, catalog, now);
            }
            let one = billing.subscriptions.get(&followed.subscription);
            if let Some(one) = one.filter(|one| one.status.runs()) {
                billing.customer = Some(one.customer.clone());
            }
            billing.followed = Some(followed);
        }
        Err((subscription, why)) => {
            let at = match &before.parked {
                Some(parked) if parked.subscription == subscription => parked.at,
                _ => now,
            };
            problem = Some(ParkedSubscription { at, subscription, problem: why });
        }
    }
    let followed = billing.followed.as_ref().map(|followed| followed.subscription.clone());
    billing.subscriptions.retain(|id, known| known.status.runs() || Some(id) == followed.as_ref());
    billing.parked = problem;
    let parked = before.parked != billing.parked;
    let unparks = before.parked.clone().filter(|_| parked);
    let parks = parked && billing.parked.is_some();
    let pays = billing.customer.clone().filter(|_| billing.customer != before.customer);
    BillingChange { billing, learns, unparks, parks, pays, change }
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
        let account = billing.account.clone();
        let mut rows = Vec::new();
        rows.extend(
            learns.into_iter().map(|id| {
                RowWrite::Put(Row::SubscriptionAccount(account.clone(), id), Expect::Any)
            }),
        );
        if let Some(customer) = pays {
            rows.push(RowWrite::Put(Row::CustomerAccount(account, customer), Expect::Any));
        }
        let key = |parked: &ParkedSubscription| (parked.at, parked.subscription.to_string());
        let (ends, begins) = (unparks.as_ref().map(key), billing.parked.as_ref().map(key));
        if let Some((at, id)) = ends.filter(|ends| begins.as_ref() != Some(ends)) {
            rows.push(RowWrite::Delete(RowKey::Mark(at, id), Expect::Any));
        }
        if let Some(((at, id), parked)) = begins.zip(billing.parked.as_ref()).filter(|_| parks) {
            let mark = Mark { at, id, problem: parked.problem.clone() };
            rows.push(RowWrite::Put(Row::Mark(mark), Expect::Any));
        }
        rows.insert(0, RowWrite::Put(Row::Billing(Box::new(billing)), read));
        Write { account: change, rows }
    }
}
