//! What is asked of Stripe: a session for an order, and what it says of the last days.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use stripe_checkout::CheckoutSessionMode;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    ListCheckoutSession, ProductData,
};
use stripe_core::charge::ListCharge;
use stripe_core::dispute::ListDispute;
use stripe_core::refund::ListRefund;
use stripe_rust::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_types::RangeQueryTs;

use super::object::{ACCOUNT, ORDER};
use crate::domain::Instant;
use crate::domain::payment::Order;

/// How long one request may take: with the writes around it, less than the caller waits.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How many objects one request lists: the most that Stripe gives.
const LISTED: i64 = 100;

/// Stripe, as one account of it answers.
#[derive(Clone)]
pub struct Stripe {
    client: Client,
    live: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Sessions,
    Charges,
    Refunds,
    Disputes,
}

impl Asked {
    /// Charges and sessions first: they name the order that refunds and disputes are of.
    pub const ALL: [Asked; 4] = [Asked::Charges, Asked::Sessions, Asked::Refunds, Asked::Disputes];
}

/// Why Stripe did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// It did not answer, or said to come back: the same may be asked again.
    #[error("Stripe did not answer for sure: {0}")]
    Again(String),
    /// It refused. Asking again is no use.
    #[error("Stripe refused: {0}")]
    Denied(String),
}

impl Stripe {
    /// Stripe by the secret key of an account of it. `url`: another address than its own, ending in
    /// a slash.
    ///
    /// # Errors
    /// [`StripeError::Denied`] if the key or the address cannot be used.
    pub fn new(key: &str, url: Option<&str>) -> Result<Stripe, StripeError> {
        let builder = ClientBuilder::new(key.trim()).timeout(TIMEOUT);
        let builder = match url {
            Some(url) => builder.url(url),
            None => builder,
        };
        let client = builder.build().map_err(failed)?;
        let live = ["sk_live_", "rk_live_"].iter().any(|prefix| key.starts_with(prefix));
        Ok(Stripe { client, live })
    }

    /// Whether it moves real money.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Where the customer pays for `order`. Asked again, it is the same session: the order's id is
    /// the key of the request.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn checkout(&self, order: &Order, return_url: &str) -> Result<String, StripeError> {
        let id = order.id.to_string();
        let metadata: HashMap<String, String> =
            [(ORDER, &id), (ACCOUNT, &order.account.to_string())]
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .into();
        let currency = order.price.currency.as_str().parse::<stripe_types::Currency>();
        let currency = currency.unwrap_or_else(|never| match never {});
        let minor = i64::try_from(order.price.minor).expect("a price has eight digits at most");
        let price = CreateCheckoutSessionLineItemsPriceData {
            unit_amount: Some(minor),
            product_data: Some(ProductData::new(format!("{} credits", order.credits))),
            ..CreateCheckoutSessionLineItemsPriceData::new(currency)
        };
        let item = CreateCheckoutSessionLineItems {
            price_data: Some(price),
            quantity: Some(1),
            ..CreateCheckoutSessionLineItems::new()
        };
        let payment = CreateCheckoutSessionPaymentIntentData {
            metadata: Some(metadata.clone()),
            description: Some(format!("{} credits, order {id}", order.credits)),
            ..CreateCheckoutSessionPaymentIntentData::new()
        };
        // What is paid is what was ordered: no other currency, no discounts, no taxes on top.
        let pricing = CreateCheckoutSessionAdaptivePricing { enabled: Some(false) };
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Payment)
            .client_reference_id(id.clone())
            .metadata(metadata)
            .payment_intent_data(payment)
            .adaptive_pricing(pricing)
            .line_items(vec![item])
            .success_url(with_checkout(return_url, &id))
            .cancel_url(with_checkout(return_url, &id));
        let key = IdempotencyKey::new(format!("scrip-order-{id}"));
        let key = key.map_err(|e| StripeError::Denied(e.to_string()))?;
        let request = request.customize().request_strategy(RequestStrategy::Idempotent(key));
        // In a box: the library's future is large, and so would be every one around it.
        let session = Box::pin(request.send(&self.client)).await.map_err(failed)?;
        session.url.ok_or_else(|| StripeError::Denied("the session has no address".to_owned()))
    }

    /// Objects that were made since then, the latest first: those after `after`, and whether there
    /// are more.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn list(
        &self,
        asked: Asked,
        since: Instant,
        after: Option<&str>,
    ) -> Result<(Vec<Value>, bool), StripeError> {
        let since = RangeQueryTs::gte(since.ms().div_euclid(1000));
        macro_rules! request {
            ($list:ty) => {{
                let list = <$list>::new().created(since).limit(LISTED);
                match after {
                    Some(after) => list.starting_after(after).build(),
                    None => list.build(),
                }
            }};
        }
        let request = match asked {
            Asked::Sessions => request!(ListCheckoutSession),
            Asked::Charges => request!(ListCharge),
            Asked::Refunds => request!(ListRefund),
            Asked::Disputes => request!(ListDispute),
        };
        // As it was sent, for the one reader of objects: a webhook's and these mean the same.
        let list = request.customize::<miniserde::json::Value>().send(&self.client);
        let list = Box::pin(list).await;
        let list = miniserde::json::to_string(&list.map_err(failed)?);
        let list: Value = serde_json::from_str(&list).map_err(|e| unread(&e))?;
        let more = list["has_more"].as_bool().ok_or_else(|| unread(&"has_more"))?;
        let data = list["data"].as_array().ok_or_else(|| unread(&"data"))?;
        Ok((data.clone(), more))
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stripe")
    }
}

/// The return address of a checkout, that says which.
fn with_checkout(return_url: &str, id: &str) -> String {
    let separator = if return_url.contains('?') { '&' } else { '?' };
    format!("{return_url}{separator}checkout={id}")
}

fn unread(what: &dyn fmt::Display) -> StripeError {
    StripeError::Denied(format!("its list cannot be read: {what}"))
}

fn failed(error: stripe_rust::StripeError) -> StripeError {
    use stripe_rust::StripeError as E;
    match error {
        // Only the words that Stripe has for it: a message may name a customer.
        E::Stripe(errors, status) => {
            let code = errors.code.as_ref().map_or("", |code| code.as_str());
            let text = format!("{} {code} ({status})", errors.type_.as_str());
            match status {
                409 | 424 | 429 | 500.. => StripeError::Again(text),
                _ => StripeError::Denied(text),
            }
        }
        E::ConfigError(text) | E::JSONDeserialize(text) => StripeError::Denied(text),
        E::ClientError(text) => StripeError::Again(text),
        E::Timeout => StripeError::Again("timeout".to_owned()),
    }
}
