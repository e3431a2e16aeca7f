//! The catalogs that a function keeps in memory: the one in force, as it was last read, and earlier
//! ones, by which holds and older calls are priced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::decide::catalog_version;
use crate::domain::instant::Span;
use crate::domain::{Catalog, CatalogFiles, Instant};
use crate::store::{Outcome, Store, StoreError, no_catalog};

/// How many catalogs that are not in force are kept: an audit goes through the ledgers of many
/// accounts, whose calls were priced by the same ones.
const EARLIER: usize = 32;

/// The catalogs in memory, shared by all that clone it.
#[derive(Clone, Debug)]
pub(super) struct Catalogs(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    in_force: Arc<Catalog>,
    /// Whether it comes from the table, not from the binary.
    published: bool,
    /// When it was read.
    read_at: Instant,
    /// When a request last began to read it.
    tried_at: Instant,
    /// Versions that are not in force.
    earlier: BTreeMap<u32, Arc<Catalog>>,
}

impl Kept {
    fn keep_earlier(&mut self, catalog: Arc<Catalog>) {
        if self.earlier.len() >= EARLIER {
            self.earlier.pop_first();
        }
        self.earlier.insert(catalog.version, catalog);
    }
}

impl Catalogs {
    /// `in_force` as it was read at `now`, from the table if it is `published`.
    pub(super) fn new(in_force: Catalog, published: bool, now: Instant) -> Catalogs {
        Catalogs(Arc::new(Mutex::new(Kept {
            in_force: Arc::new(in_force),
            published,
            read_at: now,
            tried_at: now,
            earlier: BTreeMap::new(),
        })))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no one panics with the lock")
    }

    /// When the one in force was read.
    pub(super) fn read_at(&self) -> Instant {
        self.kept().read_at
    }

    /// The catalog in force. It is read again if nobody tried to within `fresh`, or it was read
    /// longer ago than `oldest`; if that fails, the last one stays in force.
    pub(super) async fn in_force(
        &self,
        store: &Store,
        now: Instant,
        (fresh, oldest): (Span, Span),
    ) -> Arc<Catalog> {
        {
            let mut kept = self.kept();
            let tried = kept.tried_at <= now && now - kept.tried_at < fresh;
            if tried && now - kept.read_at < oldest {
                return kept.in_force.clone();
            }
            // The request that finds it stale reads it; the others use the last one meanwhile.
            kept.tried_at = now;
        }
        let changed = match self.changed(store).await {
            Ok(files) => files.map(|files| Catalog::parse(&files)).transpose(),
            Err(error) => {
                tracing::warn!(%error, "the catalog could not be refreshed");
                return self.kept().in_force.clone();
            }
        };
        let mut kept = self.kept();
        match changed {
            Ok(None) => kept.read_at = now,
            Ok(Some(catalog)) => {
                let before = std::mem::replace(&mut kept.in_force, Arc::new(catalog));
                if kept.published {
                    kept.keep_earlier(before);
                }
                (kept.published, kept.read_at) = (true, now);
            }
            Err(error) => tracing::error!(%error, "the published catalog is invalid"),
        }
        kept.in_force.clone()
    }

    /// The files of the catalog in force, if it is another one than the one in memory: only then are
    /// its rate tables read, too.
    async fn changed(&self, store: &Store) -> Result<Option<CatalogFiles>, StoreError> {
        let Some(in_force) = store.catalog_in_force().await? else { return Ok(None) };
        let known = {
            let kept = self.kept();
            kept.published && kept.in_force.version == in_force.version
        };
        if known {
            return Ok(None);
        }
        store.catalog_files(in_force).await.map(Some)
    }

    /// The catalog that was published under a version. It is read once, unless too many others are
    /// read after it.
    pub(super) async fn of(&self, store: &Store, version: u32) -> Result<Arc<Catalog>, StoreError> {
        {
            let kept = self.kept();
            if kept.in_force.version == version {
                return Ok(kept.in_force.clone());
            }
            if let Some(catalog) = kept.earlier.get(&version) {
                return Ok(catalog.clone());
            }
        }
        let files = store.catalog_of(version).await?;
        let files = files.ok_or_else(|| no_catalog(version, "is absent".to_owned()))?;
        let catalog = Catalog::parse(&files);
        let catalog = Arc::new(catalog.map_err(|error| no_catalog(version, error.to_string()))?);
        self.kept().keep_earlier(catalog.clone());
        Ok(catalog)
    }

    /// Writes the built-in catalog into the table, if the table has none.
    pub(super) async fn put_first(&self, store: &Store) {
        if self.kept().published {
            return;
        }
        let files = CatalogFiles::built_in();
        let catalog = Catalog::parse(&files).expect("the one that is built in is right");
        let first = match store.commit(&catalog_version::first(&catalog, &files)).await {
            Ok(first) => first,
            Err(error) => {
                return tracing::warn!(%error, "the first catalog was not stored; retrying later");
            }
        };
        let mut kept = self.kept();
        match first {
            Outcome::Done(_) => kept.published = true,
            // The table has another one: it is read at the next request.
            _ => kept.tried_at = Instant::EPOCH,
        }
    }
}
