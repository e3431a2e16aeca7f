//! Whole numbers in JSON.

use serde_json::Value;

/// A whole number in any JSON form: `1`, `1.0` and `1e0` are one number (RFC 8259, 6), and some
/// languages write the second.
pub fn whole(value: &Value) -> Option<i128> {
    let Value::Number(number) = value else { return None };
    // A whole number that was not written as an integer prints with `.0`.
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}
