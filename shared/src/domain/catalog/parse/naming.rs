//! Reads what the catalog's file calls things: texts, each in one or more languages.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::values::wrong;
use crate::domain::brand::HttpsUrlError;
use crate::domain::catalog::{CatalogError, Contact};
use crate::domain::locale::{Locale, LocaleError};
use crate::domain::words::{Naming, UnitWords, Words};

/// The longest name and the longest description, in characters.
const NAME_CHARS: usize = 80;
const ABOUT_CHARS: usize = 300;

/// A text, or a table of it by language.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a text, or a table such as { en = \"…\", de = \"…\" }")]
pub(super) enum WordsFile {
    Plain(String),
    ByLanguage(BTreeMap<String, String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitsFile {
    one: WordsFile,
    other: WordsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactFile {
    label: WordsFile,
    url: String,
}

impl WordsFile {
    pub(super) fn name(self, key: String) -> Result<Words, CatalogError> {
        self.check(key, NAME_CHARS)
    }

    fn check(self, key: String, most: usize) -> Result<Words, CatalogError> {
        match self {
            WordsFile::Plain(text) => Ok(Words::plain(one_text(key, text, most)?)),
            WordsFile::ByLanguage(table) => {
                let mut by_language = BTreeMap::new();
                for (language, text) in table {
                    let key = format!("{key}.{language}");
                    let locale = language.parse::<Locale>();
                    let locale = locale.map_err(|e: LocaleError| wrong(&key, e.to_string()))?;
                    let text = one_text(key.clone(), text, most)?;
                    if by_language.insert(locale, text).is_some() {
                        return Err(wrong(key, "is repeated"));
                    }
                }
                let words = Words::by_language(by_language);
                words.ok_or_else(|| wrong(key, "must have at least one language"))
            }
        }
    }
}

/// A text of one line.
pub(super) fn one_text(key: String, text: String, most: usize) -> Result<String, CatalogError> {
    let fits = (1..=most).contains(&text.chars().count());
    match fits && !text.trim().is_empty() && !text.chars().any(char::is_control) {
        true => Ok(text),
        false => {
            Err(wrong(key, format!("must be 1 to {most} characters without control characters")))
        }
    }
}

/// The naming of `table.key`, such as `actions.chat`: without a name it is called by its key.
pub(super) fn naming(
    (table, key): (&str, &str),
    name: Option<WordsFile>,
    about: Option<WordsFile>,
) -> Result<Naming, CatalogError> {
    let at = |field: &str| format!("{table}.{key}.{field}");
    let name = name.map(|name| name.name(at("name"))).transpose()?;
    let about = about.map(|about| about.check(at("about"), ABOUT_CHARS)).transpose()?;
    Ok(Naming { name: name.unwrap_or_else(|| Words::of_key(key)), about })
}

impl UnitsFile {
    pub(super) fn check(self, key: &str) -> Result<UnitWords, CatalogError> {
        let one = self.one.name(format!("{key}.one"))?;
        Ok(UnitWords { one, other: self.other.name(format!("{key}.other"))? })
    }
}

impl ContactFile {
    pub(super) fn check(self, key: &str) -> Result<Contact, CatalogError> {
        let label = self.label.name(format!("{key}.label"))?;
        let url = self.url.parse();
        let url = url.map_err(|e: HttpsUrlError| wrong(format!("{key}.url"), e.to_string()))?;
        Ok(Contact { label, url })
    }
}
