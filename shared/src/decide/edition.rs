//! Editions: which catalog may follow another, and what is different in it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Edition, Expect, Row, RowWrite, Seen, Write};
use crate::domain::Catalog;
use crate::domain::catalog::CatalogError;

/// The write that puts the catalog in `text` in force after `current`.
///
/// # Errors
/// [`CatalogError`] names the key that is wrong, or that breaks what entries and accounts rely on:
/// the version counts up by one, an action keeps its number for ever, and neither an action nor a
/// plan is taken out. An action that is no longer sold says `retired = true`.
pub fn publish(current: &Catalog, text: &str) -> Result<Write, CatalogError> {
    let next = Catalog::parse(text)?;
    let wrong = |key: String, problem: String| Err(CatalogError { key, problem });
    if next.version != current.version + 1 {
        let problem = format!("must be {}, one more than in force", current.version + 1);
        return wrong("version".to_owned(), problem);
    }
    for (name, action) in &current.actions {
        let Some(after) = next.actions.get(name) else {
            let problem = "is in the ledger for ever; say retired = true instead".to_owned();
            return wrong(format!("actions.{name}"), problem);
        };
        if after.number != action.number {
            let problem = format!("must stay {}: entries name the action by it", action.number);
            return wrong(format!("actions.{name}.number"), problem);
        }
    }
    if let Some(name) = current.plans.keys().find(|name| !next.plans.contains_key(*name)) {
        let problem = "must stay: accounts may be on it".to_owned();
        return wrong(format!("plans.{name}"), problem);
    }
    let edition = Edition { version: next.version, text: text.to_owned() };
    let before = Seen::Version(u64::from(current.version));
    let rows = vec![
        RowWrite::Put(Row::Catalog(edition.clone()), Expect::AbsentOr(before)),
        RowWrite::Put(Row::CatalogVersion(edition), Expect::Absent),
    ];
    Ok(Write { account: None, rows })
}

/// What is different in `next`, a line each, for a person to read.
pub fn diff(current: &Catalog, next: &Catalog) -> Vec<String> {
    let mut lines = Vec::new();
    if current.contact_url != next.contact_url {
        lines.push(format!("contact_url: {} -> {}", current.contact_url, next.contact_url));
    }
    if current.spending_in_debt != next.spending_in_debt {
        let (before, after) = (current.spending_in_debt, next.spending_in_debt);
        lines.push(format!("spending_in_debt: {before} -> {after}"));
    }
    if current.invoices != next.invoices {
        lines.push(format!("invoices: {} -> {}", current.invoices, next.invoices));
    }
    compare("plans", &current.plans, &next.plans, &mut lines);
    compare("actions", &current.actions, &next.actions, &mut lines);
    compare("packs", &current.packs, &next.packs, &mut lines);
    lines
}

fn compare<T: PartialEq + Debug>(
    table: &str,
    current: &BTreeMap<String, T>,
    next: &BTreeMap<String, T>,
    lines: &mut Vec<String>,
) {
    for (name, before) in current {
        match next.get(name) {
            None => lines.push(format!("- {table}.{name}")),
            Some(after) if after != before => {
                lines.push(format!("  {table}.{name}: {before:?} -> {after:?}"));
            }
            Some(_) => {}
        }
    }
    let added = next.iter().filter(|(name, _)| !current.contains_key(*name));
    lines.extend(added.map(|(name, after)| format!("+ {table}.{name}: {after:?}")));
}
