//! Webhook endpoints of a Stripe account, and a session that proves that their events arrive.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, VERSION};

use super::client::{Stripe, StripeError, sent, unread};
use super::event::kinds;
use crate::domain::Instant;

/// The type of the event of [`Stripe::expire_session`].
const EXPIRED: &str = "checkout.session.expired";
/// The most endpoints of a Stripe account are fewer than one list holds: 16.
const LISTED: u32 = 100;

/// A webhook endpoint at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    /// The types of the events that are sent to it.
    pub kinds: BTreeSet<String>,
    /// Whether its events have the form that this version reads.
    pub is_current: bool,
}

/// A new endpoint, and its signing secret, which Stripe says only once.
pub struct NewEndpoint {
    pub id: String,
    pub secret: String,
}

impl Stripe {
    /// The webhook endpoints at this address.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn endpoints(&self, url: &str, now: Instant) -> Result<Vec<Endpoint>, StripeError> {
        #[derive(Serialize)]
        struct Limit {
            limit: u32,
        }
        let path = "/webhook_endpoints";
        let request =
            || RequestBuilder::new(StripeMethod::Get, path).query(&Limit { limit: LISTED });
        let list = self.asked(now, |client| sent(client, request())).await?;
        let data = list["data"].as_array().ok_or_else(|| unread("data"))?;
        let all = data.iter().map(endpoint).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().filter(|endpoint| endpoint.url == url).collect())
    }

    /// Makes an endpoint for [`kinds`], in the form that this version reads.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn make_endpoint(&self, url: &str, now: Instant) -> Result<NewEndpoint, StripeError> {
        #[derive(Serialize)]
        struct New<'a> {
            url: &'a str,
            enabled_events: Vec<&'a str>,
            api_version: &'a str,
            description: &'a str,
        }
        let new = New {
            url,
            enabled_events: kinds().collect(),
            api_version: VERSION.as_str(),
            description: "Scrip",
        };
        let request = || RequestBuilder::new(StripeMethod::Post, "/webhook_endpoints").form(&new);
        let made = self.asked(now, |client| sent(client, request())).await?;
        Ok(NewEndpoint { id: text(&made, "id")?, secret: text(&made, "secret")? })
    }

    /// Sets the endpoint's events to [`kinds`], and enables it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn update_endpoint(&self, id: &str, now: Instant) -> Result<(), StripeError> {
        #[derive(Serialize)]
        struct Update<'a> {
            enabled_events: Vec<&'a str>,
            disabled: bool,
        }
        let update = Update { enabled_events: kinds().collect(), disabled: false };
        let path = format!("/webhook_endpoints/{id}");
        let request = || RequestBuilder::new(StripeMethod::Post, path.clone()).form(&update);
        self.asked(now, |client| sent(client, request())).await.map(drop)
    }

    /// Deletes an endpoint.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn delete_endpoint(&self, id: &str, now: Instant) -> Result<(), StripeError> {
        let path = format!("/webhook_endpoints/{id}");
        let request = || RequestBuilder::new(StripeMethod::Delete, path.clone());
        self.asked(now, |client| sent(client, request())).await.map(drop)
    }

    /// Makes a Checkout Session of nobody's order, and ends it: nobody can pay it. Returns its id.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn expire_session(&self, url: &str, now: Instant) -> Result<String, StripeError> {
        #[derive(Serialize)]
        struct Session<'a> {
            mode: &'a str,
            success_url: &'a str,
            line_items: [Item<'a>; 1],
        }
        #[derive(Serialize)]
        struct Item<'a> {
            quantity: u32,
            price_data: Price<'a>,
        }
        #[derive(Serialize)]
        struct Price<'a> {
            currency: &'a str,
            unit_amount: u32,
            product_data: Product<'a>,
        }
        #[derive(Serialize)]
        struct Product<'a> {
            name: &'a str,
        }
        let product_data = Product { name: "A check of the webhook" };
        let price_data = Price { currency: "usd", unit_amount: 100, product_data };
        let line_items = [Item { quantity: 1, price_data }];
        let session = Session { mode: "payment", success_url: url, line_items };
        let path = "/checkout/sessions";
        let request = || RequestBuilder::new(StripeMethod::Post, path).form(&session);
        let made = self.asked(now, |client| sent(client, request())).await?;
        let id = text(&made, "id")?;
        let path = format!("{path}/{id}/expire");
        let request = || RequestBuilder::new(StripeMethod::Post, path.clone());
        self.asked(now, |client| sent(client, request())).await?;
        Ok(id)
    }

    /// The id of the event that tells the end of a session; None: Stripe has not made it yet.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn expired_event(
        &self,
        session: &str,
        now: Instant,
    ) -> Result<Option<String>, StripeError> {
        #[derive(Serialize)]
        struct Latest<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            limit: u32,
        }
        let latest = Latest { kind: EXPIRED, limit: LISTED };
        let request = || RequestBuilder::new(StripeMethod::Get, "/events").query(&latest);
        let list = self.asked(now, |client| sent(client, request())).await?;
        let data = list["data"].as_array().ok_or_else(|| unread("data"))?;
        let found = data.iter().find(|event| event["data"]["object"]["id"] == session);
        found.map(|event| text(event, "id")).transpose()
    }

    /// How many endpoints have not accepted the event yet.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn pending_webhooks(&self, event: &str, now: Instant) -> Result<u64, StripeError> {
        let path = format!("/events/{event}");
        let request = || RequestBuilder::new(StripeMethod::Get, path.clone());
        let event = self.asked(now, |client| sent(client, request())).await?;
        event["pending_webhooks"].as_u64().ok_or_else(|| unread("pending_webhooks"))
    }
}

fn endpoint(object: &Value) -> Result<Endpoint, StripeError> {
    let kinds = object["enabled_events"].as_array().ok_or_else(|| unread("enabled_events"))?;
    Ok(Endpoint {
        id: text(object, "id")?,
        url: text(object, "url")?,
        kinds: kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect(),
        is_current: object["api_version"] == VERSION.as_str(),
    })
}

fn text(object: &Value, field: &str) -> Result<String, StripeError> {
    object[field].as_str().map(str::to_owned).ok_or_else(|| unread(field))
}
