//! Top-up plans at Stripe: the checkout that begins one, and its invoices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::billing::{tax_fields, url};
use super::client::{CANCELED, Stripe, StripeError, TOPUP, back_to, sent, sent_once};
use super::named::Named;
use super::object::{ACCOUNT, CATALOG, MAX_URL, TOP_UP, without_value};
use crate::domain::hash::short_hash;
use crate::domain::invoice::PaidInvoice;
use crate::domain::payment::IntentId;
use crate::domain::tax::Priced;
use crate::domain::topup::{InvoiceId, TopUpCheckout, TopUpPlan};
use crate::domain::{Instant, Key, Money};

impl Stripe {
    /// The address where the customer begins a top-up plan. The same request with the same key gets
    /// the same session, for as long as Stripe knows the key.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn begin_topup(
        &self,
        checkout: &TopUpCheckout,
        key: &Key,
        now: Instant,
    ) -> Result<String, StripeError> {
        let begin = |customer: Option<String>| async move {
            let form = form(checkout, customer.as_deref());
            let digest = short_hash(format!("{} {} {form}", checkout.account, key.as_str()));
            let once = &format!("scrip-topup-{digest}");
            let request = || RequestBuilder::new(StripeMethod::Post, "/checkout/sessions");
            let ask = |client| sent_once(client, request().form(&form), once);
            url(&self.asked(now, ask).await?)
        };
        match begin(checkout.customer.clone()).await {
            // The customer was deleted at Stripe: that must not stop a purchase.
            Err(StripeError::Missing(_)) if checkout.customer.is_some() => begin(None).await,
            begun => begun,
        }
    }

    /// An invoice with its payments, as it is now. None: Stripe does not have it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn invoice(
        &self,
        id: &InvoiceId,
        now: Instant,
    ) -> Result<Option<Value>, StripeError> {
        #[derive(Serialize)]
        struct Expand<'a> {
            expand: [&'a str; 1],
        }
        let path = format!("/invoices/{id}");
        let expand = Expand { expand: ["payments"] };
        let request = || RequestBuilder::new(StripeMethod::Get, path.clone()).query(&expand);
        match self.asked(now, |client| sent(client, request())).await {
            Ok(object) => Ok(Some(object)),
            Err(StripeError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn form(checkout: &TopUpCheckout, customer: Option<&str>) -> Value {
    let TopUpCheckout { account, topup, terms, tax, catalog, return_url, .. } = checkout;
    let TopUpPlan { credits, price, every, .. } = terms;
    // The account is named where the customer pays: a person may have two accounts open.
    let product = format!("{credits} credits each {} for {account}", every.name());
    let mut form = json!({
        "mode": "subscription",
        "client_reference_id": account,
        // The customer pays the ordered amount, in no other currency.
        "adaptive_pricing": { "enabled": false },
        "line_items": [{
            "price_data": {
                "currency": price.currency,
                "unit_amount": price.minor,
                "recurring": { "interval": every },
                "product_data": { "name": product },
            },
            "quantity": 1,
        }],
        "subscription_data": {
            "metadata": { ACCOUNT: account, TOP_UP: topup, CATALOG: catalog.to_string() },
        },
        "success_url": back_to(return_url, &format!("{TOPUP}={topup}")),
        "cancel_url": back_to(return_url, &format!("{TOPUP}={topup}&{CANCELED}=1")),
    });
    if let Some(behavior) = tax.behavior {
        form["line_items"][0]["price_data"]["tax_behavior"] = behavior.name().into();
    }
    if let Value::Object(form) = &mut form {
        form.extend(tax_fields(*tax, customer.is_some()));
        form.extend(customer.map(|customer| ("customer".to_owned(), customer.into())));
    }
    form
}

/// Reads an invoice with its payments. None: it is of no top-up plan, or not paid.
///
/// # Errors
/// If a field that decides about credits is missing or wrong.
pub fn paid_invoice(object: &Value) -> Result<Option<PaidInvoice>, serde_json::Error> {
    read(object).map_err(without_value)
}

fn read(object: &Value) -> Result<Option<PaidInvoice>, serde_json::Error> {
    let custom = |text: &str| <serde_json::Error as serde::de::Error>::custom(text);
    let missing = |field| <serde_json::Error as serde::de::Error>::missing_field(field);
    let read = Invoice::deserialize(object)?;
    let details = read.parent.and_then(|parent| parent.subscription_details);
    let metadata = details.and_then(|details| details.metadata).unwrap_or_default();
    let Some((account, topup)) = metadata.get(ACCOUNT).zip(metadata.get(TOP_UP)) else {
        return Ok(None);
    };
    if read.status.as_deref() != Some("paid") {
        return Ok(None);
    }
    let id: InvoiceId = read.id.parse().map_err(|_| custom("id is no id of an invoice"))?;
    let payments = read.payments.ok_or_else(|| missing("payments"))?;
    let intents = payments.data.into_iter().filter(|payment| payment.status == "paid");
    let mut intents = intents.filter_map(|payment| payment.payment.payment_intent);
    let intent = match (intents.next(), intents.next()) {
        (Some(one), None) => one.id(),
        // Refunds name the payment that they are of: two have no order in common.
        (Some(_), Some(_)) => return Err(custom("payments has more than one")),
        (None, _) => id.to_string(),
    };
    let intent: IntentId = intent.parse().map_err(|_| custom("payment_intent is no id of one"))?;
    let second = |at: i64| Instant::from_ms(at.saturating_mul(1000));
    let paid_at = read.status_transitions.and_then(|transitions| transitions.paid_at);
    let currency = read.currency.parse().map_err(|_| custom("currency is no currency"))?;
    let money = |minor| Money { currency, minor };
    let priced = match read.automatic_tax["enabled"] == true {
        true => Some(Priced {
            price: money(read.subtotal.ok_or_else(|| missing("subtotal"))?),
            tax_minor: read.total_taxes.iter().flatten().map(|tax| tax.amount).sum(),
        }),
        false => None,
    };
    Ok(Some(PaidInvoice {
        id,
        account: account.clone(),
        topup: topup.clone(),
        catalog: metadata.get(CATALOG).and_then(|version| version.parse().ok()),
        live: read.livemode,
        created: second(read.created),
        paid_at: second(paid_at.unwrap_or(read.created)),
        intent,
        paid: money(read.amount_paid),
        priced,
        customer: read.customer.map(Named::id),
        url: read.hosted_invoice_url.filter(|url| url.len() <= MAX_URL),
    }))
}

#[derive(Deserialize)]
struct Invoice {
    id: String,
    livemode: bool,
    created: i64,
    status: Option<String>,
    status_transitions: Option<Transitions>,
    currency: String,
    amount_paid: u64,
    // These three say the tax.
    #[serde(default)]
    automatic_tax: Value,
    subtotal: Option<u64>,
    total_taxes: Option<Vec<TotalTax>>,
    customer: Option<Named>,
    hosted_invoice_url: Option<String>,
    parent: Option<Parent>,
    payments: Option<Payments>,
}

#[derive(Deserialize)]
struct TotalTax {
    amount: u64,
}

#[derive(Deserialize)]
struct Transitions {
    paid_at: Option<i64>,
}

#[derive(Deserialize)]
struct Parent {
    subscription_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Payments {
    data: Vec<InvoicePayment>,
}

#[derive(Deserialize)]
struct InvoicePayment {
    status: String,
    payment: PaymentOf,
}

#[derive(Deserialize)]
struct PaymentOf {
    payment_intent: Option<Named>,
}
