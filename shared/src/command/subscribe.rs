//! Stripe's pages for an account's subscription: a customer begins one, or changes it.

use crate::context::Context;
use crate::decide::subscribe::{self, SubscribeRequest, Subscribed};
use crate::domain::{Key, Refusal};
use crate::failure::Failure;
use crate::query;
use crate::session::Session;
use crate::stripe::{NewSubscription, Stripe, StripeError};

/// The address where the session's customer begins the subscription. Nothing is written: Stripe
/// tells when it begins.
///
/// # Errors
/// A [`Refusal`]; [`Failure::Stripe`] if the outcome is not known; an error of the store.
pub async fn subscribe(
    context: &Context,
    stripe: &Stripe,
    session: &Session,
    key: &Key,
    request: &SubscribeRequest,
) -> Result<String, Failure> {
    let catalog = context.catalog().await;
    let account = query::balance(context, &catalog, &session.account).await?.advanced.account;
    let billing = context.store.billing(&session.account, stripe.is_live()).await?;
    let Subscribed { price, seats } = subscribe::subscribe(&account, &billing, request, &catalog)?;
    let new = NewSubscription {
        account: account.id,
        customer: billing.customer,
        price,
        seats,
        tax: catalog.tax,
        return_url: session.return_url.clone(),
    };
    match stripe.subscribe(&new, key, context.clock.now()).await {
        Err(StripeError::Missing(text)) => {
            let NewSubscription { price, .. } = new;
            tracing::error!(price, text, "a plan of the catalog has a price that Stripe has not");
            Err(Refusal::PriceUnknown { price }.into())
        }
        begun => Ok(begun?),
    }
}

/// The address of Stripe's portal for who pays for the session's account.
///
/// # Errors
/// [`Refusal::NotSubscribed`] if nobody does; [`Failure::Stripe`]; an error of the store.
pub async fn portal(
    context: &Context,
    stripe: &Stripe,
    session: &Session,
) -> Result<String, Failure> {
    let billing = context.store.billing(&session.account, stripe.is_live()).await?;
    let customer = billing.customer.ok_or(Refusal::NotSubscribed)?;
    match stripe.portal(&customer, &session.return_url, context.clock.now()).await {
        // It was deleted at Stripe, and its subscriptions with it.
        Err(StripeError::Missing(_)) => Err(Refusal::NotSubscribed.into()),
        opened => Ok(opened?),
    }
}
