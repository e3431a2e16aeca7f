//! Taxes by the customer's country.

use serde_json::{Value, json};

use super::customer;
use super::memory::Memory;
use super::wire::{Form, Reply, error};

/// The countries with a tax, and its percent. Others have none.
pub(super) const COUNTRIES: [(&str, u64); 3] = [("DE", 19), ("FR", 20), ("US", 0)];

/// The tax of an amount, as Stripe counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tax {
    /// On top of the amount.
    pub exclusive: u64,
    /// Within it.
    pub inclusive: u64,
}

/// The tax of `minor` in a country, rounded half up. `behavior`: of the price, `inclusive` or not.
pub(super) fn tax(minor: u64, country: &str, behavior: &str) -> Tax {
    let percent = COUNTRIES.iter().find(|(code, _)| *code == country);
    let percent = percent.map_or(0, |(_, percent)| *percent);
    let share = |whole: u64| (minor * percent + whole / 2) / whole;
    match behavior {
        "inclusive" => Tax { exclusive: 0, inclusive: share(100 + percent) },
        _ => Tax { exclusive: share(100), inclusive: 0 },
    }
}

/// `POST tax/calculations`.
pub(super) fn calculate(memory: &mut Memory, form: &Form) -> Reply {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let known = match customer::of_form(memory, form) {
        Ok(id) => customer::country(memory, &id),
        Err(refused) => return refused,
    };
    let named = form.get("customer_details[address][country]").cloned();
    let Some(country) = named.or(known) else {
        let code = Some("customer_tax_location_invalid");
        return (400, error("The customer's location is not known.", code));
    };
    let Ok(minor) = field("line_items[0][amount]").parse::<u64>() else {
        return (400, error("line_items[0][amount] is required.", Some("parameter_missing")));
    };
    let Tax { exclusive, inclusive } = tax(minor, &country, field("line_items[0][tax_behavior]"));
    let id = memory.name("taxcalc");
    let calculation = json!({
        "id": id, "object": "tax.calculation", "livemode": false,
        "amount_total": minor + exclusive, "currency": field("currency"),
        "customer": form.get("customer"),
        "customer_details": { "address": { "country": country } },
        "tax_amount_exclusive": exclusive, "tax_amount_inclusive": inclusive,
    });
    (200, calculation)
}

/// The breakdown of a session's or an invoice's tax.
pub(super) fn breakdown(tax: Tax) -> Value {
    match tax.exclusive + tax.inclusive {
        0 => json!([]),
        amount => json!([{ "amount": amount, "tax_behavior":
            if tax.inclusive > 0 { "inclusive" } else { "exclusive" },
            "tax_rate_details": null, "taxability_reason": "standard_rated",
            "taxable_amount": null, "type": "tax_rate_details" }]),
    }
}
