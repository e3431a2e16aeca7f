//! The catalogs that price the calls of an audit, each version read once for all accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::context::Context;
use shared::domain::Catalog;
use shared::store::StoreError;

/// The most versions that are kept: what one more account names is read again.
const MOST: usize = 32;

/// Catalogs by version; None: that one cannot be read.
#[derive(Debug, Default)]
pub struct Catalogs(BTreeMap<u32, Option<Arc<Catalog>>>);

impl Catalogs {
    /// Reads those of these versions that are not kept. All of them are kept until the next call,
    /// as many as they are.
    ///
    /// # Errors
    /// [`StoreError`] if one cannot be read at all. One that is absent or broken is a difference of
    /// the entries that name it.
    pub(crate) async fn load(
        &mut self,
        context: &Context,
        versions: &[u32],
    ) -> Result<(), StoreError> {
        for version in versions {
            if self.0.contains_key(version) {
                continue;
            }
            if self.0.len() >= MOST {
                self.0.retain(|kept, _| versions.contains(kept));
            }
            let catalog = match context.catalog_of(*version).await {
                Ok(catalog) => Some(catalog),
                Err(StoreError::Broken { .. }) => None,
                Err(error) => return Err(error),
            };
            self.0.insert(*version, catalog);
        }
        Ok(())
    }

    pub(crate) fn of(&self, version: u32) -> Option<&Catalog> {
        self.0.get(&version)?.as_deref()
    }
}
