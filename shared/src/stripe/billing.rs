//! Stripe's pages for an account's subscription: where one begins, and the customer portal.

use serde::Serialize;
use serde_json::{Map, Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::client::{CANCELED, SUBSCRIBED, Stripe, StripeError, back_to, sent, sent_once, unread};
use super::object::ACCOUNT;
use crate::domain::hash::short_hash;
use crate::domain::{AccountId, Instant, Key, Tax};

/// A subscription that a customer wants to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    pub account: AccountId,
    /// Stripe's id of who pays for the account, if it is known.
    pub customer: Option<String>,
    /// Stripe's id of the price.
    pub price: String,
    /// How many of it are paid for.
    pub seats: u32,
    pub tax: Tax,
    pub return_url: String,
}

impl Stripe {
    /// The address where the customer begins the subscription. The same request with the same key
    /// gets the same session, for as long as Stripe knows the key: a day.
    ///
    /// # Errors
    /// [`StripeError`]; [`StripeError::Missing`] if Stripe does not have the price.
    pub async fn subscribe(
        &self,
        new: &NewSubscription,
        key: &Key,
        now: Instant,
    ) -> Result<String, StripeError> {
        match self.begin_subscription(new, key, now).await {
            // The customer was deleted at Stripe: that must not stop a purchase.
            Err(StripeError::Missing(_)) if new.customer.is_some() => {
                let new = NewSubscription { customer: None, ..new.clone() };
                self.begin_subscription(&new, key, now).await
            }
            begun => begun,
        }
    }

    async fn begin_subscription(
        &self,
        new: &NewSubscription,
        key: &Key,
        now: Instant,
    ) -> Result<String, StripeError> {
        let form = form(new);
        // A key of Stripe's belongs to one request: with other content it is another one.
        let content = json!(form);
        let digest = short_hash(format!("{} {} {content}", new.account, key.as_str()));
        let key = format!("scrip-subscription-{digest}");
        let request = || RequestBuilder::new(StripeMethod::Post, "/checkout/sessions").form(&form);
        url(&self.asked(now, |client| sent_once(client, request(), &key)).await?)
    }

    /// The address of the customer portal: card, invoices, and changes of the subscription.
    ///
    /// # Errors
    /// [`StripeError`]; [`StripeError::Missing`] if the customer was deleted at Stripe.
    pub async fn portal(
        &self,
        customer: &str,
        return_url: &str,
        now: Instant,
    ) -> Result<String, StripeError> {
        let form = json!({ "customer": customer, "return_url": return_url });
        let path = "/billing_portal/sessions";
        let request = || RequestBuilder::new(StripeMethod::Post, path).form(&form);
        url(&self.asked(now, |client| sent(client, request())).await?)
    }
}

#[derive(Serialize)]
struct Form<'a> {
    mode: &'a str,
    client_reference_id: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    line_items: [Value; 1],
    #[serde(flatten)]
    tax: Map<String, Value>,
    subscription_data: Value,
    success_url: String,
    cancel_url: String,
}

fn form(new: &NewSubscription) -> Form<'_> {
    let NewSubscription { account, customer, price, seats, tax, return_url } = new;
    Form {
        mode: "subscription",
        client_reference_id: account,
        customer: customer.as_deref(),
        line_items: [json!({ "price": price, "quantity": seats })],
        tax: tax_fields(*tax, customer.is_some()),
        subscription_data: json!({ "metadata": { ACCOUNT: account } }),
        success_url: back_to(return_url, &format!("{SUBSCRIBED}=1")),
        cancel_url: back_to(return_url, &format!("{CANCELED}=1")),
    }
}

/// The fields of a checkout that ask Stripe for the tax. A known customer's address and name are
/// replaced by those that the buyer types: without them Stripe refuses the request.
pub(super) fn tax_fields(tax: Tax, known: bool) -> Map<String, Value> {
    let (computes, on) = (tax.behavior.is_some(), json!({ "enabled": true }));
    let mut update = Map::new();
    update.extend(computes.then(|| ("address".to_owned(), "auto".into())));
    update.extend(tax.ids.then(|| ("name".to_owned(), "auto".into())));
    let mut fields = Map::new();
    fields.extend(computes.then(|| ("automatic_tax".to_owned(), on.clone())));
    fields.extend(tax.ids.then(|| ("tax_id_collection".to_owned(), on)));
    let updates = known && !update.is_empty();
    fields.extend(updates.then(|| ("customer_update".to_owned(), update.into())));
    fields
}

/// The address of a page of Stripe's.
pub(super) fn url(session: &Value) -> Result<String, StripeError> {
    session["url"].as_str().map(str::to_owned).ok_or_else(|| unread("url"))
}
