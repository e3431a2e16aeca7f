//! Catalogs for tests: the built-in one with some of its text changed.

use std::path::{Path, PathBuf};

use shared::decide::catalog_version;
use shared::domain::instant::Span;
use shared::domain::{Catalog, CatalogFiles, Instant};

use super::Stack;

/// This catalog, with the built-in rate tables.
pub fn files(catalog: impl Into<String>) -> CatalogFiles {
    CatalogFiles { catalog: catalog.into(), ..CatalogFiles::built_in() }
}

/// The default catalog as version 2, which begins with these lines.
pub fn beginning_with(lines: &str) -> String {
    Catalog::DEFAULT.replacen("version = 1\n", &format!("version = 2\n{lines}\n"), 1)
}

/// Publishes a catalog that follows the one in force, and waits until it is read.
pub async fn publish(stack: &Stack, catalog: &str) {
    let context = stack.context();
    let current = context.catalog().await;
    let change = catalog_version::publish(&current, &files(catalog), Instant::EPOCH);
    context.store.commit(&change.expect("a catalog")).await.expect("published");
    stack.clock.set(context.clock.now() + Span::from_s(61));
}

/// A catalog in a folder of its own, as `scrip` reads it. The folder is removed with the value.
pub struct Written {
    folder: PathBuf,
    file: PathBuf,
}

impl Written {
    pub fn new(name: &str, files: &CatalogFiles) -> Written {
        let folder = std::env::temp_dir().join(format!("scrip-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("rates")).expect("a folder");
        for (name, text) in &files.rates {
            std::fs::write(folder.join(format!("rates/{name}.toml")), text).expect("a file");
        }
        let file = folder.join("catalog.toml");
        std::fs::write(&file, &files.catalog).expect("a file");
        Written { folder, file }
    }

    pub fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// This catalog and the built-in rate tables in a folder.
pub fn in_folder(name: &str, catalog: impl Into<String>) -> Written {
    Written::new(name, &files(catalog))
}
