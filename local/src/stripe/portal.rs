//! Sessions of the customer portal.

use serde_json::json;
use shared::domain::Instant;

use super::customer;
use super::memory::Memory;
use super::wire::{Form, Reply, error, seconds};

/// `POST billing_portal/sessions`.
pub(super) fn create(memory: &mut Memory, form: &Form, now: Instant) -> Reply {
    let customer = match customer::of_form(memory, form) {
        Ok(id) if id.is_null() => {
            return (400, error("Missing required param: customer.", Some("parameter_missing")));
        }
        Ok(id) => id,
        Err(refused) => return refused,
    };
    let id = memory.name("bps");
    let session = json!({
        "id": id, "object": "billing_portal.session", "livemode": false, "created": seconds(now),
        "configuration": "bpc_local", "customer": customer, "customer_account": null,
        "flow": null, "locale": null, "on_behalf_of": null,
        "return_url": form.get("return_url"),
        "url": format!("{}/_local/stripe/{id}", memory.base),
    });
    memory.portals.push(session.clone());
    (200, session)
}
