//! `catalog diff` and `catalog publish`: change the catalog without a deploy.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use shared::context::Context;
use shared::decide::catalog_version;
use shared::domain::{Catalog, CatalogFiles};
use shared::store::Outcome;
use toml::{Table, Value};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A key whose value differs, with its values as both catalogs have them. None: one has no such
/// key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Such as `plans.free.weekly`.
    pub key: String,
    pub in_force: Option<Value>,
    pub file: Option<Value>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changed { key, in_force, file } = self;
        match (in_force.as_ref().map(written), file.as_ref().map(written)) {
            (Some(was), None) => write!(f, "- {key} = {was}"),
            (None, Some(is)) => write!(f, "+ {key} = {is}"),
            (was, is) => {
                let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
                write!(f, "  {key} = {was} -> {is}")
            }
        }
    }
}

/// The differences between the catalog in `file` and the one in force.
///
/// # Errors
/// If the file cannot be read, or may not follow the catalog in force: the error names the key.
pub async fn diff(context: &Context, file: &Path) -> Result<Vec<Changed>, Error> {
    let (current, files) = (context.catalog().await, read(file)?);
    catalog_version::publish(&current, &files, context.clock.now())?;
    let in_force = context.store.catalog().await?.unwrap_or_else(CatalogFiles::built_in);
    Ok(differences(keys(&in_force)?, keys(&files)?))
}

fn differences(was: BTreeMap<String, Value>, is: BTreeMap<String, Value>) -> Vec<Changed> {
    let mut sides: BTreeMap<String, [Option<Value>; 2]> = BTreeMap::new();
    for (side, values) in [was, is].into_iter().enumerate() {
        for (key, value) in values {
            sides.entry(key).or_default()[side] = Some(value);
        }
    }
    let changed = sides.into_iter().filter(|(_, [was, is])| was != is);
    changed.map(|(key, [in_force, file])| Changed { key, in_force, file }).collect()
}

/// The values of a catalog and its rate tables by their keys. The names of models, which have dots
/// and slashes, are quoted.
fn keys(files: &CatalogFiles) -> Result<BTreeMap<String, Value>, Error> {
    let mut found = BTreeMap::new();
    add(&mut found, "", files.catalog.parse()?, |name| name.to_owned());
    for (table, text) in &files.rates {
        let mut rates = text.parse::<Table>()?;
        if let Some(Value::Table(models)) = rates.remove("models") {
            let above = format!("rates.{table}.models.");
            add(&mut found, &above, models, |name| format!("{name:?}"));
        }
        add(&mut found, &format!("rates.{table}."), rates, |name| name.to_owned());
    }
    Ok(found)
}

/// Adds the values below the key `above`; `shown` is how the names there are written.
fn add(found: &mut BTreeMap<String, Value>, above: &str, table: Table, shown: fn(&str) -> String) {
    for (name, value) in table {
        let key = format!("{above}{}", shown(&name));
        match value {
            Value::Table(below) => add(found, &format!("{key}."), below, |name| name.to_owned()),
            value => {
                found.insert(key, value);
            }
        }
    }
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

/// Puts the catalog in `file` in force, with its rate tables. Functions use it within a minute.
///
/// # Errors
/// As [`diff`]; and if another catalog was published meanwhile. The catalog is unchanged then.
pub async fn publish(context: &Context, file: &Path) -> Result<(), Error> {
    // Entries may name the built-in one, and be priced by it later: a hold is.
    context.put_first_catalog().await;
    let change =
        catalog_version::publish(&*context.catalog().await, &read(file)?, context.clock.now())?;
    match context.store.commit(&change).await? {
        Outcome::Done(_) => Ok(()),
        _ => Err("another catalog was published meanwhile: check the diff again".into()),
    }
}

/// The catalog in `file`, and the rate tables that it names: `rates/<name>.toml` beside it.
fn read(file: &Path) -> Result<CatalogFiles, Error> {
    let text = |file: &Path| -> Result<String, Error> {
        std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()).into())
    };
    let catalog = text(file)?;
    let mut rates = BTreeMap::new();
    for name in Catalog::tables(&catalog)? {
        let table = text(&file.with_file_name("rates").join(format!("{name}.toml")))?;
        rates.insert(name, table);
    }
    Ok(CatalogFiles { catalog, rates })
}
