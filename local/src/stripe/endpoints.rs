//! The webhook's endpoints of the local Stripe. Only their secrets matter: there is one webhook.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::known::SECRET;
use super::memory::Memory;
use super::objects::{API_VERSION, shown};
use super::wire::error;

/// Answers a request at `webhook_endpoints` and `webhook_endpoints/{id}`.
pub(super) fn route(
    memory: &mut Memory,
    method: &str,
    id: &str,
    form: &BTreeMap<String, String>,
) -> (u16, Value) {
    let kinds: Vec<&String> = form
        .iter()
        .filter(|(name, _)| name.starts_with("enabled_events["))
        .map(|(_, kind)| kind)
        .collect();
    match (method, id.strip_prefix('/')) {
        ("GET", None) => {
            let data: Vec<Value> = memory.endpoints.iter().cloned().map(shown).collect();
            (200, json!({ "object": "list", "has_more": false, "data": data }))
        }
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
        ("POST" | "DELETE", Some(id)) => {
            let place = memory.endpoints.iter().position(|endpoint| endpoint["id"] == id);
            match place {
                None => (404, error("No such webhook endpoint.", Some("resource_missing"))),
                Some(place) if method == "DELETE" => {
                    memory.endpoints.remove(place);
                    (200, json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
                }
                Some(place) => {
                    memory.endpoints[place]["enabled_events"] = json!(kinds);
                    memory.endpoints[place]["status"] = "enabled".into();
                    (200, shown(memory.endpoints[place].clone()))
                }
            }
        }
        _ => (404, error("Unrecognized request URL.", None)),
    }
}
