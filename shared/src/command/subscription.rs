//! Subscriptions: asks Stripe about one, and lets the account's plan follow.

use super::maintenance::{advance_now, make_ready, tidy};
use super::{Run, until_known};
use crate::context::Context;
use crate::decide::advance;
use crate::decide::subscription::{self, BillingChange};
use crate::domain::subscription::{Billing, Subscription, SubscriptionId};
use crate::domain::{AccountId, PlanTerms};
use crate::failure::Failure;
use crate::store::Outcome;
use crate::stripe::Stripe;

/// What came of asking Stripe about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionOutcome {
    /// It is of no account of ours, or Stripe does not have it.
    Foreign,
    /// Nothing is new.
    Known,
    Updated(SubscriptionUpdate),
}

/// What is new about an account's subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionUpdate {
    pub account: AccountId,
    /// The terms of the plan that follow, if they changed.
    pub terms: Option<PlanTerms>,
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
                None => return Ok(Some(SubscriptionOutcome::Foreign)),
            },
            None => return Ok(Some(SubscriptionOutcome::Foreign)),
        },
    };
    let before = store.billing(&account, stripe.is_live()).await?;
    let Some(said) = stripe.subscription(id, context.clock.now()).await? else {
        return Ok(Some(SubscriptionOutcome::Foreign));
    };
    let Some(loaded) = store.account(&account).await? else {
        // The product has not opened it yet: a daily look at all subscriptions finds it then.
        tracing::warn!(account = account.as_str(), subscription = id.as_str(), "no such account");
        return Ok(Some(SubscriptionOutcome::Foreign));
    };
    let now = context.clock.now();
    if advance::is_due(&loaded.account, now) {
        advance_now(run, Some(&loaded)).await?;
        return Ok(None);
    }
    let (known, operation) = (&loaded.account, context.entropy.own(now));
    let accounts = (known, &known.plan_state);
    let change = subscription::change(&before, said, accounts, operation, run.catalog, now);
    let Some(change) = change else {
        return Ok(Some(SubscriptionOutcome::Known));
    };
    if let Some(write) = &change.change
        && !make_ready(run, &loaded, write, now).await?
    {
        return Ok(None);
    }
    let (update, changes) = (update(&before, &change), change.change.is_some());
    match store.commit_in(&change.write(), &run.in_flight).await? {
        Outcome::Done(_) => {
            if changes && let Ok(Some(loaded)) = store.account(&account).await {
                tidy(run, loaded).await;
            }
            Ok(Some(SubscriptionOutcome::Updated(update)))
        }
        _ => Ok(None),
    }
}

/// The account that a subscription names, or that its customer pays for.
async fn account_of(run: &Run<'_>, said: &Subscription) -> Result<Option<AccountId>, Failure> {
    match &said.account {
        Some(name) => Ok(name.parse().ok()),
        None => Ok(run.context.store.account_of_customer(&said.customer).await?),
    }
}

fn update(before: &Billing, change: &BillingChange) -> SubscriptionUpdate {
    let BillingChange { billing, parks, .. } = change;
    let terms = |billing: &Billing| billing.followed.clone().map(|followed| followed.terms);
    SubscriptionUpdate {
        account: billing.account.clone(),
        terms: terms(billing)
            .filter(|_| change.change.is_some() || terms(before) != terms(billing)),
        parked: billing.parked.clone().filter(|_| *parks).map(|parked| parked.problem),
    }
}
