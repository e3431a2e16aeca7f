//! Fields of the API's answers, as a person reads them.

use serde_json::Value;
use shared::domain::Credits;

/// The text of a field: of a number its digits, of a list its parts. Empty: there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The text of a field, or `-` if there is none.
pub(super) fn or_dash(value: &Value) -> String {
    Some(text(value)).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

/// An amount, which may be 0 or less.
pub(crate) fn credits(value: &Value) -> Credits {
    let text = value.as_str().unwrap_or_default();
    let amount = text.trim_start_matches('-').parse().unwrap_or(Credits::ZERO);
    if text.starts_with('-') { -amount } else { amount }
}

/// An amount with its sign.
pub(super) fn signed(value: &Value) -> String {
    let text = text(value);
    match text.as_str() {
        "0" => String::new(),
        _ if text.starts_with('-') => text,
        _ => format!("+{text}"),
    }
}

/// A plan with its status and its seats, and what is due to come after it.
pub(super) fn plan(of: &Value) -> String {
    let seats = match &of["seats"] {
        Value::Null => String::new(),
        seats => format!(", {seats} seats"),
    };
    let next = match &of["next"] {
        Value::Null => String::new(),
        then => format!("; then {}", next(then)),
    };
    format!("{}, {}{seats}{next}", text(&of["plan"]), text(&of["status"]))
}

/// The change of plan that is due to come.
fn next(next: &Value) -> String {
    format!("{} at {}", plan(next), text(&next["at"]))
}
