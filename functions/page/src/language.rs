//! The languages of the page: one table of texts each.

use std::sync::{LazyLock, OnceLock};

use minijinja::Environment;
use serde_json::{Map, Value};
use shared::domain::{Locale, Locales};
use shared::http::Call;
use shared::session::Session;

/// The name and the text of each file in `texts/`.
const TABLES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// A language of the page.
pub(super) struct Language {
    /// Its tag: `de`.
    pub tag: String,
    /// All texts by key, with `lang` and `dir`.
    pub texts: Value,
    /// The separators of groups of digits and of decimals.
    pub separators: (String, String),
    /// The templates with these texts: they are parsed when the first page needs them.
    pub templates: OnceLock<Environment<'static>>,
}

/// All languages; the first is for customers whose languages are not here.
static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let mut all: Vec<Language> = TABLES.iter().map(|(_, table)| Language::of(table)).collect();
    all.sort_by_key(|language| language.tag != "en");
    all
});

impl Language {
    fn of(table: &str) -> Language {
        let mut table: Value = serde_json::from_str(table).expect("the build has read it");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let numbers = &table["numbers"];
        let separators = (text(&numbers["group"]), text(&numbers["decimal"]));
        let mut texts = Map::new();
        for part in ["element", "script", "page"] {
            texts.append(table[part].as_object_mut().expect("a part"));
        }
        for key in ["lang", "dir"] {
            texts.insert(key.to_owned(), table[key].take());
        }
        let tag = text(&texts["lang"]);
        Language { tag, texts: texts.into(), separators, templates: OnceLock::new() }
    }

    /// The language of a customer's request: the one that the session names, or else the first of
    /// the browser's that is here. `session`: theirs, if it is known.
    pub(super) fn of_call(call: &Call<'_>, session: Option<&Session>) -> &'static Language {
        let named = session.and_then(|session| session.locale.as_ref());
        let accepted = call.header("accept-language").map(Locales::accepted).unwrap_or_default();
        let is = |locale: &Locale| {
            let named = |tag: &str| locale.and_wider().any(|wider| wider.as_str() == tag);
            LANGUAGES.iter().find(|language| named(&language.tag))
        };
        named.into_iter().chain(accepted.iter()).find_map(is).unwrap_or(&LANGUAGES[0])
    }
}
