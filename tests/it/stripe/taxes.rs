//! Taxes by the customer's country: of sessions, of invoices, and computed beforehand.

use local::stripe::{Country, Effect};
use serde_json::{Value, json};

use super::{Local, text};

fn pack(behavior: &str) -> String {
    format!(
        "mode=payment&line_items[0][price_data][unit_amount]=4999&customer_creation=always&\
         line_items[0][price_data][currency]=eur&automatic_tax[enabled]=true&\
         line_items[0][price_data][tax_behavior]={behavior}"
    )
}

#[test]
fn a_session_adds_the_tax_or_contains_it_rounded_half_up() {
    use Country::{France, Germany, UnitedStates};
    for (behavior, country, total, tax) in [
        // 949.81 and 999.8; 798.16 and 833.16.
        ("exclusive", Germany, 5949, 950),
        ("exclusive", France, 5999, 1000),
        ("exclusive", UnitedStates, 4999, 0),
        ("inclusive", Germany, 4999, 798),
        ("inclusive", France, 4999, 833),
        ("inclusive", UnitedStates, 4999, 0),
    ] {
        let local = Local::at("2026-01-31T14:23:00Z");
        let id = local.session(&pack(behavior));
        let session = local.get(&format!("checkout/sessions/{id}"));
        assert_eq!(session["automatic_tax"]["status"], "requires_location_inputs");
        local.act(&id, Effect::Country { country });
        local.act(&id, Effect::Pay);
        let session = local.get(&format!("checkout/sessions/{id}"));
        assert_eq!(session["automatic_tax"]["status"], "complete");
        let amounts = [
            &session["amount_subtotal"],
            &session["amount_total"],
            &session["total_details"]["amount_tax"],
        ];
        assert_eq!(amounts, [&json!(4999), &json!(total), &json!(tax)], "{behavior} {country:?}");
        assert_eq!(local.stripe.objects("charges")[0]["amount"], total);
    }
}

#[test]
fn half_a_cent_of_tax_is_rounded_up() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let form = "currency=eur&customer_details[address][country]=DE&\
                line_items[0][reference]=a&line_items[0][amount]=";
    // 9.5, 9.31 and 9.69.
    for (amount, tax) in [(50, 10), (49, 9), (51, 10)] {
        let made = local.post("tax/calculations", &format!("{form}{amount}"));
        assert_eq!(made["tax_amount_exclusive"], tax, "{amount}");
        assert_eq!(made["amount_total"], amount + tax);
    }
    let inclusive = format!("{form}4900&line_items[0][tax_behavior]=inclusive");
    let made = local.post("tax/calculations", &inclusive);
    let amounts = ["amount_total", "tax_amount_exclusive", "tax_amount_inclusive"];
    assert_eq!(amounts.map(|name| made[name].as_u64()), [Some(4900), Some(0), Some(782)]);
}

#[test]
fn a_customer_who_was_taxed_once_is_taxed_alike_from_then_on() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_pro_month", "automatic_tax[enabled]=true");
    let customer = text(&local.subscription(&id), "customer");
    let total = |at: usize| local.stripe.objects("invoices")[at]["total"].take();
    // Who chose no country is in Germany: 49.00 and 19 %.
    assert_eq!(total(0), 5831);
    local.set_clock("2026-02-28T14:23:00Z");
    assert_eq!(total(1), 5831);
    let form = format!(
        "currency=usd&customer={customer}&line_items[0][amount]=1000&line_items[0][reference]=a"
    );
    assert_eq!(local.post("tax/calculations", &form)["tax_amount_exclusive"], 190);
    local.act(&customer, Effect::Country { country: Country::UnitedStates });
    local.set_clock("2026-03-31T14:23:00Z");
    assert_eq!(total(2), 4900);
}

#[test]
fn a_tax_of_an_unknown_place_is_refused() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let customer = text(&local.post("customers", ""), "id");
    let form = format!("currency=usd&customer={customer}&line_items[0][amount]=1000");
    let (status, refused) = local.send("POST", "tax/calculations", None, &form);
    let code = &refused["error"]["code"];
    assert_eq!((status, code), (400, &Value::from("customer_tax_location_invalid")));
}
