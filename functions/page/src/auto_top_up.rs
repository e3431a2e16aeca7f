//! The auto top-up of an account, for the page.

use serde_json::{Value, json};
use shared::domain::Instant;
use shared::domain::auto_top_up::AutoTopUp;
use shared::http::auto_top_up::{Beside, auto_top_up_json};

/// What the route answers, with its money as a person writes it.
pub(super) fn shown(auto: Option<&AutoTopUp>, now: Instant) -> Value {
    let text = auto_top_up_json(auto, Beside::default(), now);
    let mut shown: Value = serde_json::from_str(&text).expect("replies are JSON");
    if let Some(auto) = auto {
        let at_most = auto.consent.terms.at_most;
        let charged = auto.month.at(now).charged(at_most.currency);
        shown["setting"]["at_most"] = json!(at_most.decimal());
        shown["charged"]["decimal"] = json!(charged.decimal());
    }
    shown
}
