//! The webhook's endpoints of the local Stripe. Only their secrets matter: there is one webhook.

use serde_json::{Value, json};

use super::known::SECRET;
use super::memory::{API_VERSION, Memory};
use super::wire::{Form, Reply, error, place, shown};

/// `GET webhook_endpoints`.
pub(super) fn list(memory: &Memory) -> Reply {
    let data: Vec<Value> = memory.endpoints.iter().cloned().map(shown).collect();
    (200, json!({ "object": "list", "has_more": false, "data": data }))
}

/// Answers a change at `webhook_endpoints` and `webhook_endpoints/{id}`.
pub(super) fn change(memory: &mut Memory, method: &str, id: Option<&str>, form: &Form) -> Reply {
    let kinds: Vec<&String> = form
        .iter()
        .filter(|(name, _)| name.starts_with("enabled_events["))
        .map(|(_, kind)| kind)
        .collect();
    match (method, id) {
        ("POST", None) => {
            let (id, version) = (memory.name("we"), form.get("api_version"));
            let secret = format!("whsec_{id}");
            let mut made = json!({
                "id": id, "object": "webhook_endpoint", "url": form.get("url"),
                "status": "enabled", "enabled_events": kinds, "livemode": false,
                "api_version": version.map_or(API_VERSION, String::as_str), SECRET: secret,
            });
            memory.endpoints.push(made.clone());
            made["secret"] = secret.into();
            (200, shown(made))
        }
        ("POST" | "DELETE", Some(id)) => match place(&memory.endpoints, &json!(id)) {
            None => (404, error("No such webhook endpoint.", Some("resource_missing"))),
            Some(at) if method == "DELETE" => {
                memory.endpoints.remove(at);
                (200, json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
            }
            Some(at) => {
                memory.endpoints[at]["enabled_events"] = json!(kinds);
                memory.endpoints[at]["status"] = "enabled".into();
                (200, shown(memory.endpoints[at].clone()))
            }
        },
        _ => (404, error("Unrecognized request URL.", None)),
    }
}
