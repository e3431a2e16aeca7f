//! The languages of the page: one table of texts each.

use std::sync::{LazyLock, OnceLock};

use minijinja::Environment;
use serde_json::{Map, Value};
use shared::domain::Locale;
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

    /// The language of a customer's request. `session`: theirs, if it is known.
    pub(super) fn of_call(call: &Call<'_>, session: Option<&Session>) -> &'static Language {
        let locale = session.and_then(|session| session.locale.as_ref());
        Language::of_customer(locale.map(Locale::as_str), call.header("accept-language"))
    }

    /// The language of a customer: the one that the session names, or else the first of the
    /// browser's that is here. `accept_language`: the header, whose languages stand in the
    /// customer's order.
    fn of_customer(locale: Option<&str>, accept_language: Option<&str>) -> &'static Language {
        let accepted = accept_language.into_iter().flat_map(|tags| tags.split(','));
        let mut tags = locale.into_iter().chain(accepted);
        let found = tags.find_map(|tag| {
            let tag = tag.split(';').next()?.trim();
            let named = |language: &&Language| {
                let tag = tag.to_ascii_lowercase();
                let own = language.tag.to_ascii_lowercase();
                tag == own || tag.strip_prefix(&own).is_some_and(|rest| rest.starts_with('-'))
            };
            LANGUAGES.iter().find(named)
        });
        found.unwrap_or(&LANGUAGES[0])
    }
}
