//! Forms, fields and errors, as Stripe reads and writes them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::{Currency, Instant, Money};

/// The fields of a request, by their names: `line_items[0][quantity]`.
pub(super) type Form = BTreeMap<String, String>;
/// A status of HTTP, and the body with it.
pub(super) type Reply = (u16, Value);

pub(super) fn form(bytes: &[u8]) -> Form {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// The fields `name[...]` as an object.
pub(super) fn inner(form: &Form, name: &str) -> Value {
    let start = format!("{name}[");
    let fields = form.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(&start)?.strip_suffix(']')?.to_owned(), json!(value)))
    });
    Value::Object(fields.collect())
}

pub(super) fn error(message: &str, code: Option<&str>) -> Value {
    json!({ "error": { "type": "invalid_request_error", "code": code, "message": message } })
}

pub(super) fn missing(kind: &str, id: &str) -> Value {
    error(&format!("No such {kind}: '{id}'"), Some("resource_missing"))
}

/// A time as Stripe writes it.
pub(super) fn seconds(now: Instant) -> i64 {
    now.ms().div_euclid(1000)
}

pub(super) fn instant(second: i64) -> Instant {
    Instant::from_ms(second * 1000)
}

pub(super) fn number(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or_default()
}

/// A field that holds a time, in seconds.
pub(super) fn second(object: &Value, field: &str) -> i64 {
    object[field].as_i64().unwrap_or_default()
}

pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// The place of the object with this id.
pub(super) fn place(objects: &[Value], id: &Value) -> Option<usize> {
    objects.iter().position(|object| !id.is_null() && object["id"] == *id)
}

/// An object without the fields that only the local Stripe uses.
pub(super) fn shown(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| !name.starts_with("local_"));
    }
    object
}

/// One object with the fields of both.
pub(super) fn merged(mut object: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more);
    }
    object
}

/// An amount of an object in its currency. No object has an unknown currency.
pub(super) fn money(object: &Value, field: &str) -> Money {
    let currency = object["currency"].as_str().and_then(|code| code.parse::<Currency>().ok());
    let currency = currency.expect("it was made in a known currency");
    Money { currency, minor: object[field].as_u64().unwrap_or_default() }
}

/// An amount that Stripe charges.
pub(super) fn amount(minor: &str, currency: &str) -> Result<Money, Reply> {
    let read = minor.parse().ok().zip(currency.parse::<Currency>().ok());
    let Some((minor, currency)) = read else {
        return Err((400, error("An amount and a currency are required.", None)));
    };
    let money = Money { currency, minor };
    let refused = |problem| (400, error(&format!("Invalid amount: {problem}."), None));
    money.chargeable().map_err(refused).map(|()| money)
}
