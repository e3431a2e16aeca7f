//! Names that customers read: of what is in the catalog, and of an account.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::context::Context;
use shared::domain::words::Naming;
use shared::domain::{AccountId, Catalog, Locales};
use shared::failure::Failure;
use shared::http::Problem;
use shared::query;

/// The name of an account, or else its id.
pub(super) async fn of_account(context: &Context, account: &AccountId) -> Result<String, Problem> {
    let row = query::directory::row(context, account).await.map_err(Failure::from)?;
    Ok(row.and_then(|row| row.name).unwrap_or_else(|| account.to_string()))
}

/// The names of all that the catalog names, by kind and by key.
pub(super) fn names(catalog: &Catalog, reader: &Locales) -> Value {
    fn of<'a>(
        named: impl Iterator<Item = (&'a String, &'a Naming)>,
        reader: &Locales,
    ) -> BTreeMap<&'a str, &'a str> {
        named.map(|(key, naming)| (key.as_str(), naming.name.get(reader))).collect()
    }
    json!({
        "action": of(catalog.actions.iter().map(|(key, action)| (key, &action.naming)), reader),
        "plan": of(catalog.plans.iter().map(|(key, plan)| (key, &plan.naming)), reader),
        "pack": of(catalog.packs.iter().map(|(key, pack)| (key, &pack.naming)), reader),
        "topup": of(catalog.topups.iter().map(|(key, topup)| (key, &topup.naming)), reader),
    })
}

/// Whom the customer talks to. Without a label the page has one of its own.
pub(super) fn contact(subscriptions: &Value, catalog: &Catalog) -> Value {
    let own = &subscriptions["contact"];
    if own.is_null() { json!({ "label": null, "url": catalog.contact_url }) } else { own.clone() }
}
