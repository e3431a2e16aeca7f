//! Subscriptions: asks Stripe about one, and lets the account's plan follow.

use super::maintenance::{advance_now, make_ready, tidy};
use super::{Run, until_known};
use crate::context::Context;
use crate::decide::advance;
use crate::decide::subscription::{self, BillingChange};
use crate::domain::instant::Span;
use crate::domain::subscription::{
    Billing, Followed, Subscription, SubscriptionId, SubscriptionItem,
};
use crate::domain::{AccountId, PlanTerms};
use crate::failure::Failure;
use crate::store::{Outcome, StoreError};
use crate::stripe::Stripe;

/// For how long a subscription may be there before its account: the product opens it meanwhile.
const OPENED_WITHIN: Span = Span::from_s(3_600);

/// What came of asking Stripe about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionOutcome {
    /// It is for no plan of ours, or Stripe does not have it.
    Foreign,
    /// It is for a plan, and of no account that is there.
    Unclaimed {
        problem: String,
        /// Whether the account may still be opened.
        is_young: bool,
    },
    /// Nothing is new.
    Known,
    Updated(SubscriptionUpdate),
}

/// What is new about an account's subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionUpdate {
    pub account: AccountId,
    /// The terms of the plan from now on, if the account changed.
    pub terms: Option<PlanTerms>,
    /// Whether it is the first that the account's plan follows.
    pub is_first: bool,
    /// Why it waits for an operator, if it begins to.
    pub parked: Option<String>,
}

/// Asks Stripe about a subscription, and lets the plan of its account follow.
///
/// # Errors
/// [`Failure::Stripe`] and [`Failure::Store`]: ask again.
pub async fn follow(
    context: &Context,
    stripe: &Stripe,
    id: &SubscriptionId,
) -> Result<SubscriptionOutcome, Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    until_known(run, || try_follow(run, stripe, id)).await
}

async fn try_follow(
    run: &Run<'_>,
    stripe: &Stripe,
    id: &SubscriptionId,
) -> Result<Option<SubscriptionOutcome>, Failure> {
    let (context, store) = (run.context, &run.context.store);
    // The account is found first: its row must be read before Stripe is asked what to write there.
    let account = match store.account_of_subscription(id).await? {
        Some(account) => account,
        None => match stripe.subscription(id, context.clock.now()).await? {
            Some(said) => match account_of(run, &said).await? {
                Some(account) => account,
                None => return Ok(Some(unclaimed(run, &said, "no account is known for it"))),
            },
            None => return Ok(Some(SubscriptionOutcome::Foreign)),
        },
    };
    let before = store.billing(&account, stripe.is_live()).await?;
    let Some(said) = stripe.subscription(id, context.clock.now()).await? else {
        return Ok(Some(SubscriptionOutcome::Foreign));
    };
    let Some(loaded) = store.account(&account).await? else {
        let problem = format!("there is no account {account}");
        return Ok(Some(unclaimed(run, &said, &problem)));
    };
    let now = context.clock.now();
    if advance::is_due(&loaded.account, now) {
        advance_now(run, Some(&loaded)).await?;
        return Ok(None);
    }
    let operation = context.entropy.own(now);
    let known = (&loaded.account, &loaded.account.plan_state);
    let decide = |said: Vec<Subscription>| {
        subscription::change(&before, said, known, operation, run.catalog, now)
    };
    let mut change = decide(vec![said.clone()]);
    // What is known of the others may be old: before it parks them, each is asked about.
    let others = before.subscriptions.keys().filter(|other| *other != id);
    let others: Vec<_> = others.filter(|_| change.parks).collect();
    if !others.is_empty() {
        let mut all = vec![said];
        for other in others {
            all.extend(stripe.subscription(other, context.clock.now()).await?);
        }
        change = decide(all);
    }
    if let Some(write) = &change.change
        && !make_ready(run, &loaded, write, now).await?
    {
        return Ok(None);
    }
    let (outcome, changes) = (outcome(&before, &change), change.change.is_some());
    match store.commit_in(&change.write(), &run.in_flight).await? {
        Outcome::Done(_) => {
            if changes && let Ok(Some(loaded)) = store.account(&account).await {
                tidy(run, loaded).await;
            }
            Ok(Some(outcome))
        }
        _ => Ok(None),
    }
}

/// Whether all that Stripe lists of a subscription is known, and its account is as it follows.
///
/// # Errors
/// [`StoreError`].
pub async fn is_current(
    context: &Context,
    stripe: &Stripe,
    listed: &Subscription,
) -> Result<bool, StoreError> {
    let store = &context.store;
    let Some(account) = store.account_of_subscription(&listed.id).await? else {
        // One that ended before it was heard of changes nothing.
        return Ok(!listed.status.runs());
    };
    let billing = store.billing(&account, stripe.is_live()).await?;
    let same = match billing.subscriptions.get(&listed.id) {
        Some(known) => known == listed,
        None => !listed.status.runs(),
    };
    let followed = billing.followed.filter(|followed| followed.subscription == listed.id);
    let Some(Followed { terms, next, .. }) = followed.filter(|_| same && billing.parked.is_none())
    else {
        return Ok(same && billing.parked.is_none());
    };
    let Some(loaded) = store.account(&account).await? else { return Ok(true) };
    let (known, due) = loaded.account.latest_plan();
    Ok(*known != terms || due == next.as_ref())
}

/// The account that a subscription names, or that its customer pays for.
async fn account_of(run: &Run<'_>, said: &Subscription) -> Result<Option<AccountId>, Failure> {
    match &said.account {
        Some(name) => Ok(name.parse().ok()),
        None => Ok(run.context.store.account_of_customer(&said.customer).await?),
    }
}

/// A subscription of no account: if a plan has its price, somebody pays for a plan and has none.
fn unclaimed(run: &Run<'_>, said: &Subscription, problem: &str) -> SubscriptionOutcome {
    let sold = |item: &SubscriptionItem| run.catalog.plan_of_price(&item.of.price).is_some();
    match said.status.runs() && said.items.iter().any(sold) {
        true => {
            let since = run.context.clock.now() - OPENED_WITHIN;
            let is_young = said.items.iter().any(|item| item.cycle.start > since);
            SubscriptionOutcome::Unclaimed { problem: problem.to_owned(), is_young }
        }
        false => SubscriptionOutcome::Foreign,
    }
}

fn outcome(before: &Billing, change: &BillingChange) -> SubscriptionOutcome {
    let BillingChange { billing, parks, .. } = change;
    let terms = billing.followed.as_ref().filter(|_| change.change.is_some());
    let parked = billing.parked.as_ref().filter(|_| *parks);
    if billing == before && terms.is_none() {
        return SubscriptionOutcome::Known;
    }
    SubscriptionOutcome::Updated(SubscriptionUpdate {
        account: billing.account.clone(),
        terms: terms.map(|followed| followed.terms.clone()),
        is_first: before.followed.is_none(),
        parked: parked.map(|parked| parked.problem.clone()),
    })
}
