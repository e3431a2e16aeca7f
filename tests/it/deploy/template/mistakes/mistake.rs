//! What a mistake is.

use serde_json::Value;

/// A mistake: the check that must find it, a part of its complaint, the place, and the change. Null
/// removes the value at the place.
pub(super) type Mistake = (&'static str, &'static str, &'static str, fn() -> Value);

pub(super) const NOTHING: fn() -> Value = || Value::Null;
