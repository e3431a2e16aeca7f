//! Saved cards: a page that saves one, and charges of one while nobody is there.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::billing::url;
use super::client::{Stripe, StripeError, sent, sent_once, unread};
use super::object::{ACCOUNT, CONSENT, ORDER};
use crate::domain::auto_top_up::{Card, Claim, Consent};
use crate::domain::payment::IntentId;
use crate::domain::{AccountId, Instant, Money, OperationId};

/// How many payment intents of a customer are looked through for one of a claim: far more than a
/// customer has in the time of one.
const LISTED: u32 = 100;

/// A card that a customer saved for a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCard {
    pub account: AccountId,
    pub consent: OperationId,
    pub card: Card,
}

impl Stripe {
    /// The address of a page that saves a card, and says what for. A repeated request gets the same
    /// page: the consent's id is the key of the request. `customer`: the Stripe customer of the
    /// buyer, if one is known.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn card_page(
        &self,
        account: &AccountId,
        consent: &Consent,
        customer: Option<&str>,
        now: Instant,
    ) -> Result<String, StripeError> {
        let begin =
            |customer| self.asked(now, move |client| begin(client, account, consent, customer));
        let session = match begin(customer).await {
            // The customer was deleted at Stripe: another is made.
            Err(StripeError::Missing(_)) if customer.is_some() => begin(None).await,
            begun => begun,
        };
        url(&session?)
    }

    /// The card that a setup intent saved. None: it is not ours, or has not saved one.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn saved_card(
        &self,
        intent: &str,
        now: Instant,
    ) -> Result<Option<SavedCard>, StripeError> {
        let path = format!("/setup_intents/{}", word(intent)?);
        let request = || RequestBuilder::new(StripeMethod::Get, path.clone());
        let intent = self.asked(now, |client| sent(client, request())).await?;
        let said = |key: &str| intent["metadata"][key].as_str();
        let account = said(ACCOUNT).and_then(|account| account.parse().ok());
        let Some((account, consent)) = account.zip(said(CONSENT).and_then(OperationId::parse))
        else {
            return Ok(None);
        };
        if intent["status"] != "succeeded" {
            return Ok(None);
        }
        let id = |field: &str| named(&intent[field]).ok_or_else(|| unread(field));
        let card = Card { customer: id("customer")?, payment_method: id("payment_method")? };
        Ok(Some(SavedCard { account, consent, card }))
    }

    /// A price with the tax that Stripe adds to it for a customer.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn with_tax(
        &self,
        price: Money,
        customer: &str,
        now: Instant,
    ) -> Result<Money, StripeError> {
        let minor = price.minor.to_string();
        let currency = price.currency.to_string();
        let form = [
            ("currency", currency.as_str()),
            ("customer", customer),
            ("line_items[0][amount]", &minor),
            ("line_items[0][reference]", "credits"),
            ("line_items[0][tax_behavior]", "exclusive"),
        ];
        let form = BTreeMap::from(form);
        let request = || RequestBuilder::new(StripeMethod::Post, "/tax/calculations").form(&form);
        let computed = self.asked(now, |client| sent(client, request())).await?;
        let minor = computed["amount_total"].as_u64().ok_or_else(|| unread("amount_total"))?;
        Ok(Money { minor, ..price })
    }

    /// Charges the card of a claim. A repeated request charges it once: the order's id is the key of
    /// the request, which Stripe keeps for a day. Returns the payment intent.
    ///
    /// # Errors
    /// [`StripeError::Card`], [`StripeError::Missing`]: it was not charged. After any other it may
    /// have been.
    pub async fn charge(
        &self,
        account: &AccountId,
        claim: &Claim,
        now: Instant,
    ) -> Result<Value, StripeError> {
        #[derive(Serialize)]
        struct Charge<'a> {
            amount: u64,
            currency: &'a str,
            customer: &'a str,
            payment_method: &'a str,
            payment_method_types: [&'a str; 1],
            off_session: bool,
            confirm: bool,
            description: String,
            metadata: BTreeMap<&'a str, String>,
        }
        let (order, credits) = (claim.order, claim.credits);
        let charge = Charge {
            amount: claim.price.minor,
            currency: claim.price.currency.as_str(),
            customer: &claim.card.customer,
            payment_method: &claim.card.payment_method,
            payment_method_types: ["card"],
            off_session: true,
            confirm: true,
            description: format!("{credits} credits for {account}, order {order}"),
            metadata: [(ORDER, order.to_string()), (ACCOUNT, account.to_string())].into(),
        };
        let key = format!("scrip-auto-{order}");
        let request = || RequestBuilder::new(StripeMethod::Post, "/payment_intents").form(&charge);
        self.asked(now, |client| sent_once(client, request(), &key)).await
    }

    /// A payment intent as it is now.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn intent(&self, id: &IntentId, now: Instant) -> Result<Value, StripeError> {
        let path = format!("/payment_intents/{id}");
        let request = || RequestBuilder::new(StripeMethod::Get, path.clone());
        self.asked(now, |client| sent(client, request())).await
    }

    /// Cancels a payment intent, so that it can never charge. Returns it as it is then.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn cancel_intent(&self, id: &IntentId, now: Instant) -> Result<Value, StripeError> {
        let path = format!("/payment_intents/{id}/cancel");
        let request = || RequestBuilder::new(StripeMethod::Post, path.clone());
        self.asked(now, |client| sent(client, request())).await
    }

    /// The payment intent of a claim, among the latest of its customer. None: there is none.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn intent_of(
        &self,
        claim: &Claim,
        now: Instant,
    ) -> Result<Option<IntentId>, StripeError> {
        #[derive(Serialize)]
        struct Latest<'a> {
            customer: &'a str,
            limit: u32,
        }
        let latest = Latest { customer: &claim.card.customer, limit: LISTED };
        let request = || RequestBuilder::new(StripeMethod::Get, "/payment_intents").query(&latest);
        let list = self.asked(now, |client| sent(client, request())).await?;
        let data = list["data"].as_array().ok_or_else(|| unread("data"))?;
        let order = claim.order.to_string();
        let found = data.iter().find(|intent| intent["metadata"][ORDER] == order.as_str());
        found.map(intent_id).transpose()
    }
}

/// The id of a payment intent.
///
/// # Errors
/// [`StripeError::Rejected`] if it has none.
pub fn intent_id(intent: &Value) -> Result<IntentId, StripeError> {
    let id = intent["id"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| unread("id"))
}

async fn begin(
    client: stripe_rust::Client,
    account: &AccountId,
    consent: &Consent,
    customer: Option<&str>,
) -> Result<Value, StripeError> {
    #[derive(Serialize)]
    struct Session<'a> {
        mode: &'a str,
        currency: &'a str,
        payment_method_types: [&'a str; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        customer: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        customer_creation: Option<&'a str>,
        client_reference_id: String,
        metadata: &'a BTreeMap<&'a str, String>,
        setup_intent_data: Setup<'a>,
        custom_text: Text<'a>,
        success_url: &'a str,
        cancel_url: &'a str,
    }
    #[derive(Serialize)]
    struct Setup<'a> {
        metadata: &'a BTreeMap<&'a str, String>,
    }
    #[derive(Serialize)]
    struct Text<'a> {
        submit: Submit<'a>,
    }
    #[derive(Serialize)]
    struct Submit<'a> {
        message: &'a str,
    }
    let metadata = [(CONSENT, consent.id.to_string()), (ACCOUNT, account.to_string())].into();
    let session = Session {
        mode: "setup",
        currency: consent.terms.at_most.currency.as_str(),
        payment_method_types: ["card"],
        customer,
        customer_creation: customer.is_none().then_some("always"),
        client_reference_id: consent.id.to_string(),
        metadata: &metadata,
        setup_intent_data: Setup { metadata: &metadata },
        custom_text: Text { submit: Submit { message: &consent.words } },
        success_url: &consent.return_url,
        cancel_url: &consent.return_url,
    };
    // A key belongs to one request: the same page without its customer is another request.
    let key = format!("scrip-card-{}-{}", consent.id, customer.unwrap_or_default());
    let request = RequestBuilder::new(StripeMethod::Post, "/checkout/sessions").form(&session);
    sent_once(client, request, &key).await
}

/// An id in a path.
fn word(id: &str) -> Result<&str, StripeError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match !id.is_empty() && id.len() <= 128 && id.bytes().all(plain) {
        true => Ok(id),
        false => Err(unread("setup_intent")),
    }
}

/// A field that holds either an id or the whole object.
fn named(value: &Value) -> Option<String> {
    value.as_str().or(value["id"].as_str()).map(str::to_owned)
}
