//! Compares accounts' subscriptions with Stripe, and with the entries of the plans that follow them.

use std::time::Duration;

use shared::context::Context;
use shared::domain::period::Period;
use shared::domain::reconcile::StripeList;
use shared::domain::subscription::{Billing, Followed, Subscription};
use shared::domain::{AccountId, Entry, NextPlan, PlanTerms};
use shared::store::StoreError;
use shared::stripe::{self, ObjectList, Stripe};

use crate::difference::{Difference, Kind};
use crate::findings::Findings;
use crate::payment::AuditError;
use crate::words::{on_plan, subscribed};

/// Stripe's latest change may still be on its way to the webhook: the audit looks again after this.
const PAUSE: Duration = Duration::from_millis(500);

/// The terms that the entries of an account let its plan follow a subscription by.
#[derive(Debug, Default)]
pub(crate) struct FollowedTerms {
    /// What the latest entry by a subscription says. Of its cycle only a time is known in which it
    /// ran.
    pub by: Option<Followed>,
    /// The terms of that entry, and those that the plan has had since, each with what was due to
    /// come: a subscription that says the same as the plan has writes no entry.
    pub terms: Vec<(PlanTerms, Option<NextPlan>)>,
    /// The rows of the account, in live mode and in test mode.
    pub rows: Vec<Billing>,
}

impl FollowedTerms {
    /// Enters the terms of the next entry.
    pub(crate) fn enter(&mut self, entry: &Entry, terms: &PlanTerms, next: Option<&NextPlan>) {
        let by = entry.reference.as_deref().and_then(|by| by.parse().ok());
        let (terms, next) = (terms.clone(), next.cloned());
        if let Some(subscription) = by {
            let cycle = Period { start: entry.at, end: entry.at };
            let (terms, next) = (terms.clone(), next.clone());
            self.by = Some(Followed { subscription, cycle, terms, next });
            self.terms.clear();
        }
        self.terms.push((terms, next));
    }

    /// Compares what the account's rows say was followed.
    pub(crate) fn compare(&self, audit: &mut Findings<'_>) {
        let shown = |Followed { subscription, terms, next, .. }: &Followed| {
            format!("{subscription}: {}", on_plan(terms, next.as_ref()))
        };
        let expected = || self.by.as_ref().map_or_else(|| "none".to_owned(), shown);
        let kind = |live| Kind::Followed { live, by: self.by.clone().map(Box::new) };
        let mut followed =
            self.rows.iter().filter_map(|row| Some((row.live, row.followed.as_ref()?)));
        let (first, known) = (followed.next(), &self.terms);
        if first.is_none() && self.by.is_some() {
            audit.differs(kind(None), expected(), "none");
        }
        for (live, followed) in first.into_iter().chain(followed) {
            let terms = (followed.terms.clone(), followed.next.clone());
            if !known.contains(&terms) {
                audit.differs(kind(Some(live)), expected(), shown(followed));
            }
        }
    }
}

/// Compares all subscriptions that Stripe has with the rows of their accounts.
///
/// # Errors
/// [`AuditError`] if Stripe or the tables do not answer.
pub async fn subscriptions(
    context: &Context,
    stripe: &Stripe,
) -> Result<Vec<Difference>, AuditError> {
    let now = context.clock.now();
    let mut asking = ObjectList::only(stripe, StripeList::Subscriptions, now);
    let mut differing = Vec::new();
    while let Some(objects) = asking.next().await? {
        for object in objects {
            match stripe::subscription(object) {
                Ok(said) if compare(context, stripe, &said).await?.is_some() => {
                    differing.push(said.id);
                }
                Ok(_) => {}
                Err(problem) => tracing::error!(
                    alarm = "audit_difference", %problem, "a subscription of Stripe cannot be read"
                ),
            }
        }
    }
    if !differing.is_empty() {
        tokio::time::sleep(PAUSE).await;
    }
    let mut found = Vec::new();
    for id in differing {
        if let Some(said) = stripe.subscription(&id, now).await? {
            found.extend(compare(context, stripe, &said).await?);
        }
    }
    Ok(found)
}

async fn compare(
    context: &Context,
    stripe: &Stripe,
    said: &Subscription,
) -> Result<Option<Difference>, StoreError> {
    let Some(account) = account_of(context, said).await? else { return Ok(None) };
    let billing = context.store.billing(&account, stripe.is_live()).await?;
    let known = billing.subscriptions.get(&said.id);
    // One that has ended is kept only while the plan follows it.
    if known == Some(said) || (known.is_none() && !said.status.runs()) {
        return Ok(None);
    }
    let mut audit = Findings::of(&account);
    let found = known.map_or_else(|| "none".to_owned(), subscribed);
    audit.differs(Kind::Subscription(said.id.clone()), subscribed(said), found);
    Ok(audit.found.pop())
}

/// The account of a subscription, if it exists.
async fn account_of(
    context: &Context,
    said: &Subscription,
) -> Result<Option<AccountId>, StoreError> {
    let store = &context.store;
    let account = match (store.account_of_subscription(&said.id).await?, &said.account) {
        (Some(known), _) => Some(known),
        (None, Some(named)) => named.parse().ok(),
        (None, None) => store.account_of_customer(&said.customer).await?,
    };
    let Some(account) = account else { return Ok(None) };
    Ok(store.account_as_written(&account).await?.map(|account| account.id))
}
