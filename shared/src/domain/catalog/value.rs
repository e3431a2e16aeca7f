//! Single values of the catalog's file, and the error for a wrong one.

use super::CatalogError;
use crate::domain::credits::{Credits, CreditsError};

pub(super) fn wrong(key: impl Into<String>, problem: impl Into<String>) -> CatalogError {
    CatalogError { key: key.into(), problem: problem.into() }
}

pub(super) fn amount(key: String, text: &str) -> Result<Credits, CatalogError> {
    text.parse().map_err(|e: CreditsError| wrong(key, e.to_string()))
}
