//! Reads Stripe's objects about payments of ours.
//!
//! Webhooks and lists use this one reader. It reads only the few fields that decide about credits,
//! so that changes elsewhere in Stripe's objects park nothing. These fields it reads strictly: a
//! wrong or missing field is an error, never a guess.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::named::Named;
use crate::domain::payment::{
    Dispute, DisputeStage, Facts, IntentId, PaymentNotice, Refund, RefundStage,
};
use crate::domain::subscription::SubscriptionId;
use crate::domain::tax::Priced;
use crate::domain::topup::InvoiceId;
use crate::domain::{Money, OperationId};

/// The metadata keys with which a payment names its order and its account.
pub const ORDER: &str = "scrip_order";
pub const ACCOUNT: &str = "scrip_account";
/// The metadata key with which the page that saves a card names the consent.
pub const CONSENT: &str = "scrip_consent";
/// The metadata key with which a subscription says that it is a top-up plan.
pub const TOP_UP: &str = "scrip_topup";
/// and with which version of the catalog it was begun.
pub const CATALOG: &str = "scrip_catalog";

/// The longest receipt address that is kept, in bytes: Stripe's have about 200.
pub(super) const MAX_URL: usize = 1024;

/// Whether an address is one of Stripe's own, over https.
pub fn is_stripes(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let ours = host == "stripe.com" || host.ends_with(".stripe.com");
    url.scheme() == "https" && ours && url.port().is_none() && url.username().is_empty()
}

/// What an object says that changes something here.
#[expect(clippy::large_enum_variant, reason = "one at a time, and nearly all are payments")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Payment(PaymentNotice),
    /// A page that saves a card is done: this setup intent says which card, and for what.
    CardSaved(String),
    /// Something about this subscription: Stripe is asked about the rest.
    Subscription(SubscriptionId),
    /// An invoice of a top-up plan was paid: Stripe is asked about the rest.
    Invoice(InvoiceId),
}

/// What an object says. None: it is not about anything of ours.
///
/// Refunds and disputes do not name the owner of their payment; the payment's id tells whether it
/// is ours.
///
/// # Errors
/// If a field that decides about credits is missing or wrong.
pub fn said(object: Value, live: bool) -> Result<Option<Said>, serde_json::Error> {
    read(object, live).map_err(without_value)
}

fn read(object: Value, live: bool) -> Result<Option<Said>, serde_json::Error> {
    let kind = object.get("object").and_then(Value::as_str).unwrap_or_default().to_owned();
    let payment = match kind.as_str() {
        "subscription" => return serde_json::from_value::<Subscription>(object)?.said(),
        "invoice" => return serde_json::from_value::<Invoice>(object)?.said(),
        "checkout.session" => {
            let session = serde_json::from_value::<Session>(object)?;
            match session.saved() {
                Some(saved) => return Ok(Some(saved)),
                None => session.said(live),
            }
        }
        "payment_intent" => serde_json::from_value::<Intent>(object)?.said(live),
        "charge" => serde_json::from_value::<Charge>(object)?.said(live),
        "refund" => serde_json::from_value::<RefundObject>(object)?.said(live),
        "dispute" => serde_json::from_value::<DisputeObject>(object)?.said(live),
        other => Err(wrong("object", other)),
    };
    Ok(payment?.map(Said::Payment))
}

type Read = Result<Option<PaymentNotice>, serde_json::Error>;
type Metadata = Option<BTreeMap<String, String>>;

impl Named {
    fn intent(self) -> Result<IntentId, serde_json::Error> {
        let id = self.id();
        id.parse().map_err(|_| wrong("payment_intent", &id))
    }

    /// It does not decide about credits, so a malformed one counts as none.
    fn customer(self) -> Option<String> {
        let id = self.id();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        Some(id).filter(|id| id.starts_with("cus_") && id.len() <= 64 && id.bytes().all(plain))
    }
}

/// The error for a field with an unknown value.
fn wrong(field: &str, value: &str) -> serde_json::Error {
    serde::de::Error::custom(format!("{field} is {}", word(value)))
}

/// The text if it looks like a word of Stripe's: an id, a type, a status. Any other text is never
/// logged.
pub(super) fn word(text: &str) -> &str {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    match begins && text.len() <= 64 && text.bytes().all(plain) {
        true => text,
        false => "no word",
    }
}

/// The error in our own words, without the value: the value may be anything, and the error is
/// logged and shown to operators. `invalid type: string "4242", expected u64` becomes `a value is
/// not u64`.
pub(super) fn without_value(error: serde_json::Error) -> serde_json::Error {
    let own = |text: String| serde::de::Error::custom(text);
    if error.is_syntax() || error.is_eof() {
        let (line, column) = (error.line(), error.column());
        return own(format!("it cannot be read as JSON, see line {line}, column {column}"));
    }
    let text = error.to_string();
    let expected = text.rsplit_once(", expected ").map(|(_, expected)| expected);
    let quoting = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    match (quoting.iter().any(|words| text.starts_with(*words)), expected) {
        (true, Some(expected)) => own(format!("a value is not {expected}")),
        (true, None) => own("a value is invalid".to_owned()),
        // A missing or repeated field is named.
        (false, _) => error,
    }
}

/// The facts that name the order; None if it is not one of ours.
fn of_order(metadata: &Metadata, live: bool) -> Option<Facts> {
    let metadata = metadata.as_ref()?;
    let order = OperationId::parse(metadata.get(ORDER)?)?;
    let accounts = metadata.get(ACCOUNT).into_iter().cloned().collect();
    Some(Facts { orders: [order].into(), accounts, modes: [live].into(), ..Facts::default() })
}

fn money(currency: &str, minor: u64) -> Result<Money, serde_json::Error> {
    let currency = currency.parse().map_err(|_| wrong("currency", currency))?;
    Ok(Money { currency, minor })
}

#[derive(Deserialize)]
struct Session {
    id: Option<String>,
    metadata: Metadata,
    setup_intent: Option<Named>,
    status: Option<String>,
    payment_status: String,
    payment_intent: Option<Named>,
    amount_subtotal: Option<u64>,
    amount_total: Option<u64>,
    // These two are read of a session with tax alone.
    #[serde(default)]
    automatic_tax: Value,
    #[serde(default)]
    total_details: Value,
    currency: Option<String>,
    customer: Option<Named>,
}

impl Session {
    /// The setup intent of a page of ours that saved a card.
    fn saved(&self) -> Option<Said> {
        let (Named::Id(intent) | Named::Object { id: intent }) = self.setup_intent.as_ref()?;
        let is_ours = self.metadata.as_ref()?.contains_key(CONSENT);
        let is_saved = is_ours && self.status.as_deref() == Some("complete");
        is_saved.then(|| Said::CardSaved(intent.clone()))
    }

    fn said(self, live: bool) -> Read {
        let Some(facts) = of_order(&self.metadata, live) else { return Ok(None) };
        if self.status.as_deref() == Some("expired") {
            let order = facts.orders.first().copied();
            return Ok(order.map(|order| PaymentNotice::Expired { order }));
        }
        let facts = Facts { priced: self.priced()?, ..facts };
        let Some(intent) = self.payment_intent else {
            // A session has no payment before the customer has paid, and none afterwards if there
            // was nothing to pay.
            return match (self.status.as_deref(), self.payment_status.as_str()) {
                (Some("complete"), "no_payment_required") => {
                    let currency = self.currency.unwrap_or_default();
                    let paid = [money(&currency, self.amount_total.unwrap_or(0))?].into();
                    let customer = self.customer.and_then(Named::customer);
                    let facts = Facts { submitted: true, paid, customer, ..facts };
                    let missing = || serde::de::Error::missing_field("id");
                    let intent = Named::Id(self.id.ok_or_else(missing)?).intent()?;
                    Ok(Some(PaymentNotice::Payment { intent, facts }))
                }
                (Some("complete"), _) => Err(serde::de::Error::missing_field("payment_intent")),
                _ => Ok(None),
            };
        };
        let paid = match self.payment_status.as_str() {
            "paid" => {
                let amount = self.amount_total.zip(self.currency);
                let missing = || serde::de::Error::missing_field("amount_total");
                let (minor, currency) = amount.ok_or_else(missing)?;
                Some(money(&currency, minor)?)
            }
            "unpaid" => None,
            other => return Err(wrong("payment_status", other)),
        };
        let submitted = self.status.as_deref() == Some("complete");
        let customer = self.customer.and_then(Named::customer);
        let paid = paid.into_iter().collect();
        let facts = Facts { submitted, paid, customer, ..facts };
        Ok(Some(PaymentNotice::Payment { intent: intent.intent()?, facts }))
    }

    /// The price and the tax, if Stripe computed one. Before the customer is done both still change
    /// with the address.
    fn priced(&self) -> Result<BTreeSet<Priced>, serde_json::Error> {
        let done = self.status.as_deref() == Some("complete");
        if !done || self.automatic_tax["enabled"] != true {
            return Ok(BTreeSet::new());
        }
        let missing = |field| move || serde::de::Error::missing_field(field);
        let price = self.amount_subtotal.ok_or_else(missing("amount_subtotal"))?;
        let currency = self.currency.as_deref().ok_or_else(missing("currency"))?;
        let tax_minor = self.total_details["amount_tax"].as_u64();
        let tax_minor = tax_minor.ok_or_else(missing("total_details.amount_tax"))?;
        Ok([Priced { price: money(currency, price)?, tax_minor }].into())
    }
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    metadata: Metadata,
    status: String,
    amount_received: u64,
    currency: String,
}

impl Intent {
    fn said(self, live: bool) -> Read {
        let Some(facts) = of_order(&self.metadata, live) else { return Ok(None) };
        let facts = match self.status.as_str() {
            "succeeded" => {
                let paid = money(&self.currency, self.amount_received)?;
                Facts { paid: [paid].into(), ..facts }
            }
            "processing" => Facts { submitted: true, ..facts },
            "canceled" => Facts { failed: true, ..facts },
            _ => facts,
        };
        Ok(Some(PaymentNotice::Payment { intent: Named::Id(self.id).intent()?, facts }))
    }
}

#[derive(Deserialize)]
struct Charge {
    id: String,
    metadata: Metadata,
    status: String,
    captured: bool,
    amount_captured: u64,
    amount_refunded: u64,
    currency: String,
    payment_intent: Option<Named>,
    receipt_url: Option<String>,
}

impl Charge {
    fn said(self, live: bool) -> Read {
        let order = of_order(&self.metadata, live);
        // A refunded charge that does not name an order may belong to a payment of ours.
        if order.is_none() && self.amount_refunded == 0 {
            return Ok(None);
        }
        let Some(intent) = self.payment_intent else { return Ok(None) };
        let mut facts = order.unwrap_or_default();
        if self.status == "succeeded" && self.captured && !facts.orders.is_empty() {
            facts.paid.insert(money(&self.currency, self.amount_captured)?);
            facts.receipt = self.receipt_url.filter(|url| url.len() <= MAX_URL);
        }
        if self.amount_refunded > 0 {
            let money = money(&self.currency, self.amount_refunded)?;
            facts.returned.insert(self.id, money);
        }
        Ok(Some(PaymentNotice::Payment { intent: intent.intent()?, facts }))
    }
}

#[derive(Deserialize)]
struct RefundObject {
    id: String,
    status: Option<String>,
    amount: u64,
    currency: String,
    payment_intent: Option<Named>,
}

impl RefundObject {
    fn said(self, live: bool) -> Read {
        let Some(intent) = self.payment_intent else { return Ok(None) };
        let stage = match self.status.as_deref() {
            // Stripe takes the money from our balance as soon as the refund is under way.
            None | Some("pending" | "requires_action" | "succeeded") => RefundStage::Going,
            Some("failed" | "canceled") => RefundStage::Undone,
            Some(other) => return Err(wrong("status", other)),
        };
        let money = money(&self.currency, self.amount)?;
        let refunds = [(self.id, Refund { stage, money })].into();
        let facts = Facts { refunds, modes: [live].into(), ..Facts::default() };
        Ok(Some(PaymentNotice::Payment { intent: intent.intent()?, facts }))
    }
}

#[derive(Deserialize)]
struct DisputeObject {
    id: String,
    status: String,
    amount: u64,
    currency: String,
    payment_intent: Option<Named>,
}

impl DisputeObject {
    fn said(self, live: bool) -> Read {
        let Some(intent) = self.payment_intent else { return Ok(None) };
        let stage = match self.status.as_str() {
            // An inquiry, or one that ended in a refund, which has its own notice.
            "warning_needs_response"
            | "warning_under_review"
            | "warning_closed"
            | "charge_refunded"
            | "prevented" => DisputeStage::Inquiry,
            "needs_response" | "under_review" => DisputeStage::Open,
            "lost" => DisputeStage::Lost,
            "won" => DisputeStage::Won,
            other => return Err(wrong("status", other)),
        };
        let money = money(&self.currency, self.amount)?;
        let disputes = [(self.id, Dispute { stage, money })].into();
        let facts = Facts { disputes, modes: [live].into(), ..Facts::default() };
        Ok(Some(PaymentNotice::Payment { intent: intent.intent()?, facts }))
    }
}

#[derive(Deserialize)]
struct Subscription {
    id: String,
}

impl Subscription {
    fn said(self) -> Result<Option<Said>, serde_json::Error> {
        self.id.parse().map(|id| Some(Said::Subscription(id))).map_err(|_| wrong("id", &self.id))
    }
}

#[derive(Deserialize)]
struct Invoice {
    id: Option<String>,
    status: Option<String>,
    parent: Option<InvoiceParent>,
}

#[derive(Deserialize)]
struct InvoiceParent {
    subscription_details: Option<InvoiceSubscription>,
}

#[derive(Deserialize)]
struct InvoiceSubscription {
    subscription: Named,
    metadata: Metadata,
}

impl Invoice {
    fn said(self) -> Result<Option<Said>, serde_json::Error> {
        let of = self.parent.and_then(|parent| parent.subscription_details);
        let Some(InvoiceSubscription { subscription, metadata }) = of else { return Ok(None) };
        let is_topup = metadata.is_some_and(|metadata| metadata.contains_key(TOP_UP));
        if is_topup && self.status.as_deref() == Some("paid") {
            let id = self.id.unwrap_or_default();
            return id.parse().map(|id| Some(Said::Invoice(id))).map_err(|_| wrong("id", &id));
        }
        let (Named::Id(id) | Named::Object { id }) = subscription;
        Subscription { id }.said()
    }
}
