//! Reads the request for a Checkout Session.

use serde_json::{Value, json};
use shared::domain::{Currency, Instant, Money};

use super::customer;
use super::memory::Memory;
use super::prices;
use super::session::{self, NewSession};
use super::wire::{Form, Reply, amount, error, inner, missing, number, seconds, text};

/// The currency of a session that names none.
const CURRENCY: &str = "usd";
/// The most days that a trial may have, the same as Stripe's.
const MAX_TRIAL_DAYS: i64 = 730;

/// `POST checkout/sessions`.
pub(super) fn create(memory: &mut Memory, form: &Form, now: Instant) -> Reply {
    match read(memory, form, now) {
        Ok(new) => (200, session::create(memory, new, now)),
        Err(refused) => refused,
    }
}

fn read(memory: &mut Memory, form: &Form, now: Instant) -> Result<NewSession, Reply> {
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let mode = field("mode");
    let inner_name = match mode.as_str() {
        "payment" => "payment_intent_data",
        "subscription" => "subscription_data",
        "setup" => "setup_intent_data",
        _ => return Err((400, error("mode: payment, subscription or setup.", None))),
    };
    let customer = customer::of_form(memory, form)?;
    let item = match mode.as_str() {
        "setup" => Item::nothing(form)?,
        "subscription" => Item::recurring(memory, form, now)?,
        _ => Item::once(form)?,
    };
    let behavior = "[trial_settings][end_behavior][missing_payment_method]";
    Ok(NewSession {
        order: form.get("client_reference_id").map_or(Value::Null, |id| json!(id)),
        metadata: inner(form, "metadata"),
        inner_metadata: inner(form, &format!("{inner_name}[metadata]")),
        product: item.product,
        minor: item.minor,
        currency: item.currency,
        price: item.price,
        quantity: item.quantity,
        trial_days: trial_days(form)?,
        without_card: form
            .get(&format!("subscription_data{behavior}"))
            .map_or("create_invoice", String::as_str)
            .to_owned(),
        success_url: field("success_url"),
        cancel_url: field("cancel_url"),
        customer,
        customer_creation: field("customer_creation"),
        invoice: field("invoice_creation[enabled]") == "true",
        saves_card: field("payment_intent_data[setup_future_usage]") == "off_session",
        is_taxed: field("automatic_tax[enabled]") == "true",
        tax_behavior: item.tax_behavior,
        mode,
    })
}

fn trial_days(form: &Form) -> Result<Option<i64>, Reply> {
    let Some(days) = form.get("subscription_data[trial_period_days]") else { return Ok(None) };
    let days = days.parse().ok().filter(|days| (1..=MAX_TRIAL_DAYS).contains(days));
    let message = format!("trial_period_days: a number from 1 to {MAX_TRIAL_DAYS}.");
    days.map(Some).ok_or_else(|| (400, error(&message, None)))
}

/// The item that is bought.
struct Item {
    product: String,
    minor: u64,
    currency: String,
    price: Value,
    quantity: u64,
    tax_behavior: String,
}

impl Item {
    fn once(form: &Form) -> Result<Item, Reply> {
        let data = |name: &str| {
            form.get(&format!("line_items[0][price_data]{name}")).cloned().unwrap_or_default()
        };
        let quantity = quantity(form)?;
        let Money { currency, minor } = amount(&data("[unit_amount]"), &data("[currency]"))?;
        Ok(Item {
            product: data("[product_data][name]"),
            minor,
            currency: currency.to_string(),
            price: Value::Null,
            quantity,
            tax_behavior: data("[tax_behavior]"),
        })
    }

    /// A price that exists, or one that the request makes.
    fn recurring(memory: &mut Memory, form: &Form, now: Instant) -> Result<Item, Reply> {
        let quantity = quantity(form)?;
        let price = match form.get("line_items[0][price]") {
            Some(id) => prices::find(memory, id).ok_or_else(|| (400, missing("price", id)))?,
            None => {
                let interval = form.get("line_items[0][price_data][recurring][interval]");
                let interval = interval.map_or("", String::as_str);
                if !["day", "week", "month", "year"].contains(&interval) {
                    let message = "line_items[0] must have a price, or price_data with recurring.";
                    return Err((400, error(message, None)));
                }
                let once = Item::once(form)?;
                let id = memory.name("price");
                let price = prices::object(
                    &id,
                    &once.product,
                    once.minor,
                    &once.currency,
                    interval,
                    Some(once.tax_behavior).filter(|set| !set.is_empty()).as_deref(),
                    seconds(now),
                );
                memory.prices.push(price.clone());
                price
            }
        };
        Ok(Item {
            product: prices::words(&price),
            minor: number(&price, "unit_amount"),
            currency: text(&price, "currency").to_owned(),
            quantity,
            tax_behavior: text(&price, "tax_behavior").to_owned(),
            price,
        })
    }

    /// A card is saved, and nothing is bought.
    fn nothing(form: &Form) -> Result<Item, Reply> {
        let currency = form.get("currency").map_or(CURRENCY, String::as_str);
        let known = currency.parse::<Currency>();
        let currency = known.map_err(|_| (400, error("currency: an unknown one.", None)))?;
        Ok(Item {
            product: "Save a card".to_owned(),
            minor: 0,
            currency: currency.to_string(),
            price: Value::Null,
            quantity: 1,
            tax_behavior: String::new(),
        })
    }
}

fn quantity(form: &Form) -> Result<u64, Reply> {
    let quantity = form.get("line_items[0][quantity]").map_or("1", String::as_str);
    let quantity = quantity.parse::<u32>().ok().filter(|quantity| *quantity > 0);
    let quantity = quantity.ok_or_else(|| (400, error("quantity: a whole number.", None)))?;
    Ok(quantity.into())
}
