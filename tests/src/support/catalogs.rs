//! Catalogs for tests: the built-in one with some of its text changed.

use std::path::PathBuf;

use shared::domain::CatalogFiles;

/// This catalog, with the built-in rate tables.
pub fn files(catalog: impl Into<String>) -> CatalogFiles {
    CatalogFiles { catalog: catalog.into(), ..CatalogFiles::built_in() }
}

/// The same in a folder of its own, as `scrip` reads it.
pub fn in_folder(name: &str, catalog: impl Into<String>) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("scrip-{}-{name}", std::process::id()));
    let CatalogFiles { catalog, rates } = files(catalog);
    std::fs::create_dir_all(folder.join("rates")).expect("a folder");
    for (name, text) in rates {
        std::fs::write(folder.join(format!("rates/{name}.toml")), text).expect("a file");
    }
    let file = folder.join("catalog.toml");
    std::fs::write(&file, catalog).expect("a file");
    file
}
