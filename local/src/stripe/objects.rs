//! The objects of the local Stripe by their ids and in lists, and those within them.

use serde_json::{Value, json};

use super::invoice;
use super::memory::Memory;
use super::prices;
use super::subscription::of_invoice;
use super::wire::{Form, Reply, error, missing, place, shown, text};

/// The most objects of one list, the same as Stripe's.
const MOST: usize = 100;
/// The most types of events that one request names, the same as Stripe's.
const MAX_TYPES: usize = 20;

/// The objects of a path: `charges`.
pub(super) fn of<'a>(memory: &'a Memory, path: &str) -> Option<&'a Vec<Value>> {
    Some(match path {
        "checkout/sessions" => &memory.sessions,
        "payment_intents" => &memory.intents,
        "charges" => &memory.charges,
        "refunds" => &memory.refunds,
        "disputes" => &memory.disputes,
        "customers" => &memory.customers,
        "payment_methods" => &memory.payment_methods,
        "setup_intents" => &memory.setup_intents,
        "subscriptions" => &memory.subscriptions,
        "subscription_schedules" => &memory.schedules,
        "invoices" => &memory.invoices,
        "events" => &memory.events,
        _ => return None,
    })
}

/// The paths whose objects other objects may name.
const PATHS: [&str; 8] = [
    "subscriptions",
    "invoices",
    "customers",
    "payment_intents",
    "charges",
    "payment_methods",
    "setup_intents",
    "subscription_schedules",
];

/// `GET {path}/{id}`, with the objects within it that the request asks for.
pub(super) fn get(memory: &Memory, path: &str, id: &str, query: &Form) -> Reply {
    let found = match path {
        "prices" => prices::find(memory, id),
        _ => of(memory, path).and_then(|all| place(all, &json!(id)).map(|at| all[at].clone())),
    };
    let Some(mut object) = found else {
        let kind = path.trim_end_matches('s').replace("checkout/session", "checkout session");
        return (404, missing(&kind, id));
    };
    if path == "events" {
        object["pending_webhooks"] = pending(memory, id).into();
    }
    for expanded in asked(query) {
        let names: Vec<&str> = expanded.split('.').collect();
        expand(memory, &mut object, &names);
    }
    (200, shown(object))
}

/// The number of endpoints that have not accepted an event: the newest one until it has, and each
/// earlier one, as if nobody had stored its secret.
fn pending(memory: &Memory, id: &str) -> usize {
    let waits = |(waiting, _): &(String, u32)| waiting.contains(&format!("\"{id}\""));
    let newest = usize::from(memory.waiting.iter().any(waits));
    newest + memory.endpoints.len().saturating_sub(1)
}

fn asked(query: &Form) -> impl Iterator<Item = &String> {
    query.iter().filter(|(name, _)| name.starts_with("expand[")).map(|(_, path)| path)
}

/// Puts an object in the place of its id: `latest_invoice.payments` has two names.
fn expand(memory: &Memory, object: &mut Value, names: &[&str]) {
    let Some((name, rest)) = names.split_first() else { return };
    if object["object"] == "invoice" && *name == "payments" {
        object["payments"] = invoice::payments(object);
    }
    if let Value::Array(all) = &mut object[*name] {
        all.iter_mut().for_each(|one| expand(memory, one, rest));
        return;
    }
    if object[*name].is_string() {
        let id = object[*name].clone();
        let mut found = PATHS.iter().filter_map(|path| {
            let all = of(memory, path)?;
            place(all, &id).map(|at| all[at].clone())
        });
        if let Some(whole) = found.next() {
            object[*name] = whole;
        }
    }
    if object[*name].is_object() {
        let mut whole = object[*name].take();
        expand(memory, &mut whole, rest);
        object[*name] = shown(whole);
    }
}

/// `GET {path}`: a page of a list, the latest first.
pub(super) fn list(memory: &Memory, path: &str, all: &[Value], query: &Form) -> Reply {
    let seconds = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
    let created = seconds("created[gte]").unwrap_or(0)..seconds("created[lt]").unwrap_or(i64::MAX);
    let kinds: Vec<&String> =
        query.iter().filter(|(name, _)| name.starts_with("types[")).map(|(_, kind)| kind).collect();
    if kinds.len() > MAX_TYPES {
        return (400, error("Too many types.", None));
    }
    let asked = |object: &&Value| {
        let kind = |kind: &&String| object["type"] == ***kind;
        object["created"].as_i64().is_some_and(|second| created.contains(&second))
            && (kinds.is_empty() || kinds.iter().any(kind))
            && fits(object, query)
    };
    let limit = query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10).min(MOST);
    let latest_first = all.iter().rev();
    let objects: Vec<&Value> = match query.get("starting_after") {
        Some(after) if !all.iter().any(|object| object["id"] == **after) => {
            return (404, error("No such object.", Some("resource_missing")));
        }
        Some(after) => {
            let rest = latest_first.skip_while(|object| object["id"] != **after).skip(1);
            rest.filter(asked).collect()
        }
        None => latest_first.filter(asked).collect(),
    };
    let page = objects.iter().take(limit).map(|object| {
        let mut object = (*object).clone();
        for expanded in self::asked(query) {
            let names: Vec<&str> = expanded.split('.').collect();
            if let Some(("data", names)) = names.split_first().map(|(data, rest)| (*data, rest)) {
                expand(memory, &mut object, names);
            }
        }
        shown(object)
    });
    let data: Vec<Value> = page.collect();
    let more = objects.len() > data.len();
    (200, json!({ "object": "list", "url": format!("/v1/{path}"), "has_more": more, "data": data }))
}

/// Whether an object has the owner and the status that a list asks for. A list of subscriptions
/// leaves out those that ended, unless it asks for them.
fn fits(object: &Value, query: &Form) -> bool {
    let owner = |name: &str| query.get(name).is_none_or(|id| object[name] == **id);
    let of = match query.get("subscription") {
        Some(id) if object["object"] == "invoice" => of_invoice(object) == id.as_str(),
        _ => true,
    };
    let status = match (query.get("status").map(String::as_str), text(object, "object")) {
        (None, "subscription") => object["status"] != "canceled",
        (None | Some("all"), _) => true,
        (Some(status), _) => object["status"] == status,
    };
    owner("customer") && owner("payment_intent") && of && status
}
