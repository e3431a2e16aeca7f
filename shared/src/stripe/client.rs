//! Requests to Stripe: its client, and a session for an order.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use stripe_checkout::CheckoutSessionMode;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionAutomaticTax,
    CreateCheckoutSessionCustomerCreation, CreateCheckoutSessionCustomerUpdate,
    CreateCheckoutSessionCustomerUpdateAddress, CreateCheckoutSessionCustomerUpdateName,
    CreateCheckoutSessionInvoiceCreation, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionLineItemsPriceDataTaxBehavior,
    CreateCheckoutSessionPaymentIntentData, CreateCheckoutSessionTaxIdCollection, ProductData,
};
use stripe_client_core::{CustomizableStripeRequest, RequestBuilder};
use stripe_rust::{
    ApiErrorsCode, Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeRequest,
};

use super::object::{ACCOUNT, ORDER};
use crate::domain::payment::Order;
use crate::domain::{Instant, Tax, TaxBehavior};
use crate::secrets::Secret;

/// How long one request may take: together with the writes around it, less than the caller waits.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The field in the query of a return address that names the checkout.
const CHECKOUT: &str = "checkout";
/// The field in it that says that the customer subscribed: `1`.
pub(super) const SUBSCRIBED: &str = "subscribed";
/// The field in it that names the top-up plan.
pub(super) const TOPUP: &str = "topup";
/// The field in it that says that the customer did not pay: `1`.
pub(super) const CANCELED: &str = "canceled";

/// The client of one Stripe account.
#[derive(Clone)]
pub struct Stripe {
    key: Secret,
    url: Option<String>,
    known: Arc<Mutex<Known>>,
}

/// The key in use, and the client that has it.
#[derive(Clone)]
struct Known {
    key: Arc<str>,
    client: Client,
}

/// Why a request to Stripe failed.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Stripe did not answer, or asked to try again: the same request may be sent again.
    #[error("Stripe gave no definite answer: {0}")]
    Again(String),
    /// Stripe does not accept the key.
    #[error("Stripe does not accept the key: {0}")]
    Key(String),
    /// An object named in the request does not exist any more.
    #[error("Stripe does not have the named object: {0}")]
    Missing(String),
    /// An object is not as this version knows it.
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(String),
    /// A saved card cannot be charged. Stripe names the payment intent, if it made one.
    #[error("the card cannot be charged: {text}")]
    Card { intent: Option<String>, text: String },
    /// Stripe refused. Asking again does not help.
    #[error("Stripe refused: {0}")]
    Rejected(String),
}

impl Stripe {
    /// A client with a fixed secret key of a Stripe account. `url`: an address other than Stripe's
    /// own, ending in a slash.
    ///
    /// # Errors
    /// [`StripeError::Rejected`] if the key or the address cannot be used.
    pub fn new(key: &str, url: Option<&str>) -> Result<Stripe, StripeError> {
        let known = Known { key: key.into(), client: client(key, url)? };
        let (key, url) = (Secret::fixed(key), url.map(str::to_owned));
        Ok(Stripe { key, url, known: Arc::new(Mutex::new(known)) })
    }

    /// A client with a key that is replaced from time to time: if Stripe does not accept the known
    /// key, the secret is read again. `url` as of [`Stripe::new`].
    ///
    /// # Errors
    /// As of [`Stripe::new`]; [`StripeError::Again`] if the secret cannot be read.
    pub async fn by_secret(
        key: Secret,
        url: Option<&str>,
        now: Instant,
    ) -> Result<Stripe, StripeError> {
        let text = key.get(now).await.map_err(|e| StripeError::Again(e.to_string()))?;
        Ok(Stripe { key, ..Stripe::new(&text, url)? })
    }

    /// Whether the key moves real money.
    pub fn is_live(&self) -> bool {
        is_live(&self.known().key)
    }

    /// The address where the customer pays for `order`. A repeated request gets the same session:
    /// the order's id is the key of the request.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn checkout(&self, order: &Order, now: Instant) -> Result<String, StripeError> {
        let customer = order.customer.as_deref();
        let begin = |customer| self.asked(now, move |client| begin(client, order, customer));
        match begin(customer).await {
            // The customer was deleted at Stripe: that must not stop a purchase.
            Err(StripeError::Missing(_)) if customer.is_some() => begin(None).await,
            begun => begun,
        }
    }

    /// Sends a request with the known key; if Stripe does not accept it and it was replaced, sends
    /// it once more.
    pub(super) async fn asked<T, F>(
        &self,
        now: Instant,
        ask: impl Fn(Client) -> F,
    ) -> Result<T, StripeError>
    where
        F: Future<Output = Result<T, StripeError>>,
    {
        let Known { key, client: known } = self.known();
        let refused = match ask(known).await {
            Err(StripeError::Key(text)) => text,
            answered => return answered,
        };
        let again = self.key.again(now).await.map_err(|e| StripeError::Again(e.to_string()))?;
        // A key of the other mode would take real money for a test, or none for an order.
        if again == key || is_live(&again) != is_live(&key) {
            return Err(StripeError::Key(refused));
        }
        let client = client(&again, self.url.as_deref())?;
        let known = Known { key: again, client: client.clone() };
        *self.known.lock().expect("no one panics with the lock") = known;
        ask(client).await
    }

    fn known(&self) -> Known {
        self.known.lock().expect("no one panics with the lock").clone()
    }
}

fn client(key: &str, url: Option<&str>) -> Result<Client, StripeError> {
    let builder = ClientBuilder::new(key.trim()).timeout(TIMEOUT);
    let builder = match url {
        Some(url) => builder.url(url),
        None => builder,
    };
    builder.build().map_err(failed)
}

fn is_live(key: &str) -> bool {
    ["sk_live_", "rk_live_"].iter().any(|prefix| key.trim().starts_with(prefix))
}

/// Begins a checkout, for a known customer of Stripe or for a new one.
async fn begin(
    client: Client,
    order: &Order,
    customer: Option<&str>,
) -> Result<String, StripeError> {
    let id = order.id.to_string();
    // The account is named where the customer pays and on the receipt: a person may have two
    // accounts open.
    let product = format!("{} credits for {}", order.credits, order.account);
    let metadata: HashMap<String, String> = [(ORDER, &id), (ACCOUNT, &order.account.to_string())]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into();
    let currency = order.price.currency.as_str().parse::<stripe_types::Currency>();
    let currency = currency.unwrap_or_else(|never| match never {});
    let minor = i64::try_from(order.price.minor);
    let minor = minor.map_err(|_| StripeError::Rejected(format!("{} is too much", order.price)))?;
    let price = CreateCheckoutSessionLineItemsPriceData {
        unit_amount: Some(minor),
        tax_behavior: order.tax.behavior.map(priced),
        product_data: Some(ProductData::new(product.clone())),
        ..CreateCheckoutSessionLineItemsPriceData::new(currency)
    };
    let item = CreateCheckoutSessionLineItems {
        price_data: Some(price),
        quantity: Some(1),
        ..CreateCheckoutSessionLineItems::new()
    };
    let payment = CreateCheckoutSessionPaymentIntentData {
        metadata: Some(metadata.clone()),
        description: Some(format!("{product}, order {id}")),
        ..CreateCheckoutSessionPaymentIntentData::new()
    };
    let invoice = CreateCheckoutSessionInvoiceCreation::new(order.invoice);
    // The customer pays the ordered amount: no other currency, no discounts, and no tax but the
    // one that the order says.
    let pricing = CreateCheckoutSessionAdaptivePricing { enabled: Some(false) };
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .client_reference_id(id.clone())
        .metadata(metadata)
        .payment_intent_data(payment)
        .adaptive_pricing(pricing)
        .invoice_creation(invoice)
        .line_items(vec![item])
        .success_url(back_to(&order.return_url, &format!("{CHECKOUT}={id}")))
        .cancel_url(back_to(&order.return_url, &format!("{CHECKOUT}={id}&{CANCELED}=1")));
    let request = taxed(request, order.tax, customer.is_some());
    // A key belongs to one request: the same order without its customer is another request.
    let (request, key) = match customer {
        Some(customer) => (request.customer(customer), format!("scrip-order-{id}-{customer}")),
        None => {
            let always = CreateCheckoutSessionCustomerCreation::Always;
            (request.customer_creation(always), format!("scrip-order-{id}"))
        }
    };
    let key = IdempotencyKey::new(key).map_err(|e| StripeError::Rejected(e.to_string()))?;
    let request = request.customize().request_strategy(RequestStrategy::Idempotent(key));
    // Boxed: the library's future is large, and so would be every future around it.
    let session = Box::pin(request.send(&client)).await.map_err(failed)?;
    session.url.ok_or_else(|| StripeError::Rejected("the session has no URL".to_owned()))
}

fn priced(behavior: TaxBehavior) -> CreateCheckoutSessionLineItemsPriceDataTaxBehavior {
    use CreateCheckoutSessionLineItemsPriceDataTaxBehavior as Behavior;
    match behavior {
        TaxBehavior::Exclusive => Behavior::Exclusive,
        TaxBehavior::Inclusive => Behavior::Inclusive,
    }
}

/// Asks Stripe for the tax of an order. A known customer's address and name are replaced by those
/// that the buyer types: without them Stripe refuses the request.
fn taxed(request: CreateCheckoutSession, tax: Tax, known: bool) -> CreateCheckoutSession {
    let request = match tax.behavior {
        Some(_) => request.automatic_tax(CreateCheckoutSessionAutomaticTax::new(true)),
        None => request,
    };
    let request = match tax.ids {
        true => request.tax_id_collection(CreateCheckoutSessionTaxIdCollection::new(true)),
        false => request,
    };
    if !known || tax == Tax::default() {
        return request;
    }
    request.customer_update(CreateCheckoutSessionCustomerUpdate {
        address: tax.behavior.map(|_| CreateCheckoutSessionCustomerUpdateAddress::Auto),
        name: tax.ids.then_some(CreateCheckoutSessionCustomerUpdateName::Auto),
        ..CreateCheckoutSessionCustomerUpdate::new()
    })
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stripe")
    }
}

/// The return address with `ours` in its query, in place of the fields of an earlier checkout. The
/// rest stays as it is, to the letter.
pub(super) fn back_to(return_url: &str, ours: &str) -> String {
    let (address, fragment) = return_url.split_at(return_url.find('#').unwrap_or(return_url.len()));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_ours = |pair: &str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
        name.is_some_and(|name| [CHECKOUT, CANCELED, SUBSCRIBED, TOPUP].contains(&&*name))
    };
    let others = query.split('&').filter(|pair| !pair.is_empty() && !is_ours(pair));
    let query: Vec<&str> = others.chain([ours]).collect();
    format!("{path}?{}{fragment}", query.join("&"))
}

/// Sends a request. The answer is as it was sent, without the library's types.
pub(super) async fn sent(client: Client, request: RequestBuilder) -> Result<Value, StripeError> {
    answered(client, request.customize()).await
}

/// Sends a request once for `key`: sent again, it gets the same answer for a day.
pub(super) async fn sent_once(
    client: Client,
    request: RequestBuilder,
    key: &str,
) -> Result<Value, StripeError> {
    let key = IdempotencyKey::new(key).map_err(|e| StripeError::Rejected(e.to_string()))?;
    answered(client, request.customize().request_strategy(RequestStrategy::Idempotent(key))).await
}

async fn answered(
    client: Client,
    request: CustomizableStripeRequest<miniserde::json::Value>,
) -> Result<Value, StripeError> {
    // Boxed: the library's future is large, and so would be every future around it.
    let answer = Box::pin(request.send(&client)).await.map_err(failed)?;
    serde_json::from_str(&miniserde::json::to_string(&answer)).map_err(|_| unread("JSON"))
}

pub(super) fn unread(field: &str) -> StripeError {
    StripeError::Rejected(format!("Stripe's answer cannot be read: {field}"))
}

fn failed(error: stripe_rust::StripeError) -> StripeError {
    use stripe_rust::StripeError as E;
    match error {
        // Only Stripe's own words for the error: a message may name a customer.
        E::Stripe(errors, status) => {
            let code = errors.code.as_ref().map_or("", |code| code.as_str());
            let text = format!("{} {code} ({status})", errors.type_.as_str());
            match status {
                401 => StripeError::Key(text),
                402 => {
                    let intent = errors.payment_intent.map(|intent| intent.id.to_string());
                    StripeError::Card { intent, text }
                }
                _ if errors.code == Some(ApiErrorsCode::ResourceMissing) => {
                    StripeError::Missing(text)
                }
                409 | 424 | 429 | 500.. => StripeError::Again(text),
                _ => StripeError::Rejected(text),
            }
        }
        E::ConfigError(text) | E::JSONDeserialize(text) => StripeError::Rejected(text),
        E::ClientError(text) => StripeError::Again(text),
        E::Timeout => StripeError::Again("timeout".to_owned()),
    }
}
