//! `catalog diff` and `catalog publish`: change the catalog without a deploy.

use std::collections::BTreeMap;
use std::path::Path;

use shared::context::Context;
use shared::decide::catalog_version;
use shared::domain::Catalog;
use shared::store::Outcome;
use toml::{Table, Value};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The differences between the catalog in `file` and the one in force: a line for each key whose
/// value differs, as both catalogs write it.
///
/// # Errors
/// If the file cannot be read, or may not follow the catalog in force: the error names the key.
pub async fn diff(context: &Context, file: &Path) -> Result<Vec<String>, Error> {
    let (current, text) = (context.catalog().await, read(file)?);
    catalog_version::publish(&current, &text, context.clock.now())?;
    let in_force = context.store.catalog().await?;
    let in_force = in_force.as_deref().unwrap_or(Catalog::DEFAULT);
    Ok(differences(&keys(in_force)?, &keys(&text)?))
}

fn differences(current: &BTreeMap<String, String>, next: &BTreeMap<String, String>) -> Vec<String> {
    let gone = current.iter().filter_map(|(key, was)| match next.get(key) {
        None => Some((key, format!("- {key} = {was}"))),
        Some(is) if is != was => Some((key, format!("  {key} = {was} -> {is}"))),
        Some(_) => None,
    });
    let new = next.iter().filter(|(key, _)| !current.contains_key(*key));
    let new = new.map(|(key, is)| (key, format!("+ {key} = {is}")));
    let lines: BTreeMap<&String, String> = gone.chain(new).collect();
    lines.into_values().collect()
}

/// The values of a catalog by their keys, such as `plans.free.weekly`.
fn keys(catalog: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut found = BTreeMap::new();
    let mut tables = vec![(String::new(), catalog.parse::<Table>()?)];
    while let Some((above, table)) = tables.pop() {
        for (name, value) in table {
            match value {
                Value::Table(below) => tables.push((format!("{above}{name}."), below)),
                value => {
                    found.insert(format!("{above}{name}"), written(&value));
                }
            }
        }
    }
    Ok(found)
}

/// A value as a catalog writes it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(is) => is.to_string(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let pairs = table.iter().map(|(name, value)| format!("{name} = {}", written(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Float(_) | Value::Datetime(_) => unreachable!("no catalog has such a value"),
    }
}

/// Puts the catalog in `file` in force. Functions use it within a minute.
///
/// # Errors
/// As [`diff`]; and if another catalog was published meanwhile. The catalog is unchanged then.
pub async fn publish(context: &Context, file: &Path) -> Result<(), Error> {
    let change =
        catalog_version::publish(&*context.catalog().await, &read(file)?, context.clock.now())?;
    match context.store.commit(&change).await? {
        Outcome::Done(_) => Ok(()),
        _ => Err("another catalog was published meanwhile: check the diff again".into()),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()).into())
}
