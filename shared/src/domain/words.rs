//! Words of the product: what customers read of an action, a plan or a pack, by language.

use std::collections::BTreeMap;

use super::locale::{Locale, Locales};

/// A text in one or more languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// For who reads none of the languages that it is in: the English one, or else the first.
    fallback: String,
    by_language: BTreeMap<Locale, String>,
}

/// What customers read of something in the catalog. It may change at any time: nothing is computed
/// from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    pub name: Words,
    pub about: Option<Words>,
}

/// A unit of an action, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitWords {
    pub one: Words,
    pub other: Words,
}

impl Words {
    /// One text for readers of every language.
    pub fn plain(text: impl Into<String>) -> Words {
        Words { fallback: text.into(), by_language: BTreeMap::new() }
    }

    /// A text in these languages. None: there is no language.
    pub fn by_language(by_language: BTreeMap<Locale, String>) -> Option<Words> {
        let english = by_language.iter().find(|(locale, _)| locale.as_str() == "en");
        let fallback = english.or(by_language.first_key_value())?.1.clone();
        Some(Words { fallback, by_language })
    }

    /// A key of the catalog as a person would write it: `dynamic_video` as `Dynamic video`.
    pub fn of_key(key: &str) -> Words {
        let words = key.replace('_', " ");
        let mut letters = words.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        Words::plain(first + letters.as_str())
    }

    /// The text for this reader: in the first of their languages that it is in, with or without
    /// their region; or else in English, or else in any.
    pub fn get(&self, reader: &Locales) -> &str {
        let mut read = reader.iter().flat_map(Locale::and_wider);
        let found = read.find_map(|locale| self.by_language.get(&locale));
        found.unwrap_or(&self.fallback)
    }
}

impl Naming {
    /// Of something that the catalog gives no name.
    pub fn of_key(key: &str) -> Naming {
        Naming { name: Words::of_key(key), about: None }
    }
}
