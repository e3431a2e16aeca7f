//! The tables of texts: every language has all of them, with the same values and its own forms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::support::{Answer, Stack, request};

/// The texts of each language, by `part.key` and, where it has forms, `part.key.form`.
fn tables() -> BTreeMap<String, BTreeMap<String, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/page/texts");
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the texts") {
        let path = entry.expect("an entry").path();
        let table = std::fs::read_to_string(&path).expect("a table");
        let table: Value = serde_json::from_str(&table).expect("JSON");
        let mut texts = BTreeMap::new();
        for part in ["element", "script", "page"] {
            collect(part, &table[part], &mut texts);
        }
        tables.insert(table["lang"].as_str().expect("a tag").to_owned(), texts);
    }
    tables
}

fn collect(key: &str, value: &Value, texts: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            texts.insert(key.to_owned(), text.clone());
        }
        Value::Object(parts) => {
            for (name, value) in parts {
                collect(&format!("{key}.{name}"), value, texts);
            }
        }
        _ => panic!("{key} is no text"),
    }
}

/// The places for values in a text.
fn places(text: &str) -> BTreeSet<&str> {
    let place = Regex::new(r"\{\w*\}").expect("a pattern");
    place.find_iter(text).map(|found| found.as_str()).collect()
}

/// Languages that say singular and plural as English does. The test asks for the forms of another.
const FORMS: [&str; 2] = ["one", "other"];

#[test]
fn every_language_has_each_text_with_its_values_and_forms() {
    let tables = tables();
    let english = &tables["en"];
    let mut wrong = Vec::new();
    for (lang, texts) in tables.iter().filter(|(lang, _)| *lang != "en") {
        for (key, text) in english {
            let Some(own) = texts.get(key) else {
                wrong.push(format!("{lang}.json lacks {key}: {text}"));
                continue;
            };
            if places(own) != places(text) {
                wrong.push(format!("{lang}.json: {key} has other values: {text} / {own}"));
            }
            // Names such as Stripe stay; a sentence does not.
            if own == text && places(text).is_empty() && text.contains(' ') {
                wrong.push(format!("{lang}.json: {key} is English: {text}"));
            }
        }
        for key in texts.keys().filter(|key| !english.contains_key(*key)) {
            wrong.push(format!("{lang}.json has {key}, which English lacks"));
        }
    }
    for (lang, texts) in &tables {
        for key in texts.keys() {
            let Some((text, form)) = key.rsplit_once('.').filter(|(text, _)| text.contains('.'))
            else {
                continue;
            };
            let all = FORMS.iter().all(|form| texts.contains_key(&format!("{text}.{form}")));
            if !FORMS.contains(&form) || !all {
                wrong.push(format!("{lang}.json: {text} has other forms than {FORMS:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A page as a browser that asks for these languages gets it.
async fn page(stack: &Stack, path: &str, cookie: &str, languages: &str) -> Answer {
    let mut get = request("GET", path, None, "");
    for (name, value) in [("cookie", cookie), ("accept-language", languages)] {
        get.headers_mut().insert(name, value.parse().expect("a header"));
    }
    stack.send(get).await
}

#[tokio::test]
async fn the_page_speaks_the_first_language_of_the_browser_that_is_here() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.debit("acme", "some", "711.5").await;
    let cookie = stack.visitor("acme").await.cookie;
    for (languages, tag, says) in [
        ("de-AT,de;q=0.9,en;q=0.8", "lang=\"de\" dir=\"ltr\"", [">1.788,5<", "Credits verfügbar"]),
        ("fr, de;q=0.5", "lang=\"de\" dir=\"ltr\"", [">1.788,5<", "Zurück"]),
        ("fr", "lang=\"en\" dir=\"ltr\"", [">1,788.5<", "credits available"]),
        ("en-GB,de", "lang=\"en\" dir=\"ltr\"", [">1,788.5<", "credits available"]),
        ("ar-EG, ar", "lang=\"en\" dir=\"ltr\"", [">1,788.5<", "Back"]),
        ("ar-XB", "lang=\"ar-XB\" dir=\"rtl\"", [">1,788.5<", "\u{200f}credits available"]),
    ] {
        let shown = page(&stack, "/", &cookie, languages).await;
        let html = shown.body.as_str().expect("a page");
        for part in [tag, says[0], says[1]] {
            assert!(html.contains(part), "{languages}: no {part} in {html}");
        }
    }
    let ended = page(&stack, "/", "", "de").await;
    assert!(ended.body.as_str().is_some_and(|html| html.contains("Diese Sitzung ist beendet")));
}
