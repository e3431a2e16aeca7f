//! The ledger as JSON, or as CSV.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::csv;
use super::line::{Line, lines};
use super::reply::{json, to_json};
use crate::domain::Catalog;
use crate::domain::ledger::PostedEntry;
use crate::domain::viewer::Viewer;

#[derive(Serialize)]
struct Listing<'a> {
    entries: Vec<Line<'a>>,
    next_cursor: Option<String>,
}

/// The format of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Csv,
}

impl Form {
    /// The format that an `Accept` header names first. JSON if it names none of them.
    pub fn of(accept: Option<&str>) -> Form {
        let mut named = accept.unwrap_or_default().split(',').filter_map(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            match kind.to_ascii_lowercase().as_str() {
                "application/json" => Some(Form::Json),
                "text/csv" => Some(Form::Csv),
                _ => None,
            }
        });
        named.next().unwrap_or(Form::Json)
    }
}

/// Entries, the latest first, and the place of the next ones.
pub fn listing(
    form: Form,
    pending: Option<&PostedEntry>,
    posted: &[PostedEntry],
    next_cursor: Option<String>,
    catalog: &Catalog,
    viewer: Viewer,
) -> Response<Body> {
    match form {
        Form::Json => json(listing_json(pending, posted, next_cursor, catalog, viewer)),
        Form::Csv => csv::ok(lines(pending, posted, catalog, viewer), next_cursor),
    }
}

/// The listing, as JSON.
pub fn listing_json(
    pending: Option<&PostedEntry>,
    posted: &[PostedEntry],
    next_cursor: Option<String>,
    catalog: &Catalog,
    viewer: Viewer,
) -> String {
    let entries = lines(pending, posted, catalog, viewer).collect();
    to_json(&Listing { entries, next_cursor })
}
