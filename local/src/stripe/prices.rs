//! The prices that the local Stripe has, as a merchant makes them at Stripe beforehand.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::memory::Memory;
use super::wire::{money, text};

/// The start of 2026, when the prices were made, in seconds.
const MADE_S: i64 = 1_767_225_600;

/// A price that always exists.
struct KnownPrice {
    id: &'static str,
    /// The product, as the customer reads it.
    product: &'static str,
    minor: u64,
    currency: &'static str,
    interval: &'static str,
}

const fn row(
    id: &'static str,
    product: &'static str,
    minor: u64,
    currency: &'static str,
    interval: &'static str,
) -> KnownPrice {
    KnownPrice { id, product, minor, currency, interval }
}

const PRICES: [KnownPrice; 5] = [
    row("price_local_starter_month", "Starter", 1_900, "usd", "month"),
    row("price_local_pro_month", "Pro", 4_900, "usd", "month"),
    row("price_local_pro_year", "Pro", 49_000, "usd", "year"),
    row("price_local_pro_month_eur", "Pro", 4_500, "eur", "month"),
    row("price_local_team_seat", "Team, a seat", 1_200, "usd", "month"),
];

/// The id of a price that always exists, as its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct PriceId(usize);

impl PriceId {
    /// All of them.
    pub fn all() -> impl Iterator<Item = PriceId> {
        (0..PRICES.len()).map(PriceId)
    }

    pub fn as_str(self) -> &'static str {
        PRICES[self.0].id
    }

    /// The price, as a customer reads it: `Pro, 49.00 USD a month`.
    pub(super) fn label(self) -> String {
        words(&known(self))
    }
}

impl TryFrom<String> for PriceId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<PriceId, &'static str> {
        PriceId::all().find(|known| known.as_str() == id).ok_or("there is no such price")
    }
}

impl From<PriceId> for &'static str {
    fn from(id: PriceId) -> &'static str {
        id.as_str()
    }
}

impl KnownPrice {
    fn object(&self) -> Value {
        let KnownPrice { id, product, minor, currency, interval } = self;
        object(id, product, *minor, currency, interval, Some("exclusive"), MADE_S)
    }
}

/// A price of Stripe's. `made_s`: when, in seconds.
pub(super) fn object(
    id: &str,
    product: &str,
    minor: u64,
    currency: &str,
    interval: &str,
    tax_behavior: Option<&str>,
    made_s: i64,
) -> Value {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let product_id: String = product.chars().map(word).collect();
    json!({
        "id": id, "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": made_s, "currency": currency, "custom_unit_amount": null, "livemode": false,
        "lookup_key": null, "metadata": {}, "nickname": product,
        "product": format!("prod_local_{product_id}"),
        "recurring": { "interval": interval, "interval_count": 1, "meter": null,
            "trial_period_days": null, "usage_type": "licensed" },
        "tax_behavior": tax_behavior.unwrap_or("unspecified"), "tiers_mode": null,
        "transform_quantity": null,
        "type": "recurring", "unit_amount": minor, "unit_amount_decimal": minor.to_string(),
    })
}

/// A price that always exists.
pub(super) fn known(id: PriceId) -> Value {
    PRICES[id.0].object()
}

/// The price with this id.
pub(super) fn find(memory: &Memory, id: &str) -> Option<Value> {
    let known = PRICES.iter().find(|price| price.id == id).map(KnownPrice::object);
    known.or_else(|| memory.prices.iter().find(|price| price["id"] == id).cloned())
}

/// A price, as a customer reads it.
pub(super) fn words(price: &Value) -> String {
    let (name, interval) = (text(price, "nickname"), text(&price["recurring"], "interval"));
    format!("{name}, {} a {interval}", money(price, "unit_amount"))
}
