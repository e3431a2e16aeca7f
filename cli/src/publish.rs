//! `catalog diff` and `catalog publish`: change the catalog without a deploy.

use std::path::Path;

use shared::context::Context;
use shared::decide::catalog_version;
use shared::domain::Catalog;
use shared::store::Outcome;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The differences between the catalog in `file` and the one in force, one per line.
///
/// # Errors
/// If the file cannot be read, or may not follow the catalog in force: the error names the key.
pub async fn diff(context: &Context, file: &Path) -> Result<Vec<String>, Error> {
    let (current, text) = (context.catalog().await, read(file)?);
    catalog_version::publish(&current, &text, context.clock.now())?;
    Ok(catalog_version::diff(&current, &Catalog::parse(&text)?))
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
