//! Values in a catalog's file: amounts, names, and what is dated.

use serde::Deserialize;

use crate::domain::catalog::CatalogError;
use crate::domain::credits::{Credits, CreditsError};
use crate::domain::dated::Dated;
use crate::domain::period::{Day, week};

pub(super) const NO_NAME: &str = "must be 1 to 64 lower-case letters, digits and underscores";

/// A value for always, or several with the Mondays from which they are in force.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be true or false, or a list of { from, is }")]
pub(super) enum Switch {
    Always(bool),
    Dated(Vec<IsFrom>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IsFrom {
    from: Option<String>,
    is: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be credits, or a list of { from, credits }")]
pub(super) enum Size {
    Always(String),
    Dated(Vec<SizeFrom>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SizeFrom {
    from: Option<String>,
    credits: String,
}

/// A dated value of which each part was read; `none` is in force before the first date.
pub(super) fn dated<T: Copy + PartialEq>(
    key: String,
    none: T,
    parts: Vec<(Option<String>, T)>,
) -> Result<Dated<T>, CatalogError> {
    let (mut first, mut then) = (None, Vec::new());
    for (from, value) in parts {
        match from {
            None if first.is_none() && then.is_empty() => first = Some(value),
            None => return Err(wrong(key, "only the first of a list may omit `from`")),
            Some(from) => {
                let monday = Day::parse(&from).map(Day::start);
                let monday = monday.filter(|at| week(*at).start == *at);
                let problem = format!("from {from}: must be a Monday such as \"2026-12-07\"");
                then.push((monday.ok_or_else(|| wrong(key.clone(), problem))?, value));
            }
        }
    }
    if first.is_none() && then.is_empty() {
        return Err(wrong(key, "must not be empty"));
    }
    let ordered = Dated::new(first.unwrap_or(none), then);
    ordered.ok_or_else(|| wrong(key, "the dates must be in order"))
}

impl Switch {
    /// Before its first date it has the opposite of the value from then on.
    pub(super) fn check(self, key: String) -> Result<Dated<bool>, CatalogError> {
        match self {
            Switch::Always(is) => Ok(Dated::always(is)),
            Switch::Dated(parts) => {
                let none = parts.first().is_some_and(|part| !part.is);
                dated(key, none, parts.into_iter().map(|part| (part.from, part.is)).collect())
            }
        }
    }
}

impl Size {
    pub(super) fn check(self, key: String) -> Result<Dated<Credits>, CatalogError> {
        match self {
            Size::Always(credits) => Ok(Dated::always(amount(key, &credits)?)),
            Size::Dated(parts) => {
                let read = |part: SizeFrom| match part.credits.as_str() {
                    "0" => Ok((part.from, Credits::ZERO)),
                    text => Ok((part.from, amount(key.clone(), text)?)),
                };
                let parts = parts.into_iter().map(read).collect::<Result<_, CatalogError>>()?;
                dated(key.clone(), Credits::ZERO, parts)
            }
        }
    }
}

pub(super) fn yes() -> Switch {
    Switch::Always(true)
}

pub(super) fn wrong(key: impl Into<String>, problem: impl Into<String>) -> CatalogError {
    CatalogError { key: key.into(), problem: problem.into() }
}

pub(super) fn amount(key: String, text: &str) -> Result<Credits, CatalogError> {
    text.parse().map_err(|e: CreditsError| wrong(key, e.to_string()))
}

pub(super) fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
