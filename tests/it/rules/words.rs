//! The words of documents and texts: each concept has one, and none of these.

use std::path::Path;

use super::docs::documents;

/// Words that are not used, and the ones to use.
const NOT_USED: [(&str, &str); 19] = [
    ("besides", "and, also, or a sentence of its own"),
    ("for ever", "never deleted"),
    ("hear of", "get, or receive"),
    ("heard of", "reported"),
    ("heed", "follow"),
    ("in vain", "without success"),
    ("lest", "so that … not"),
    ("mend", "repair"),
    ("mended", "repaired"),
    ("no use", "does not help"),
    ("ought", "must"),
    ("reckon", "compute"),
    ("reckons", "computes"),
    ("settle", "advance"),
    ("settled", "advanced; the entry kind is time_passed"),
    ("settles", "advances"),
    ("thereby", "a sentence of its own"),
    ("whoever", "the caller that"),
    ("wont", "used to"),
];

/// Texts that callers, customers and operators read beside the documents.
const TEXTS: [&str; 7] = [
    "openapi.yaml",
    "template.yaml",
    "console/files/en.js",
    "functions/page/texts/en.json",
    "shared/src/domain/refusal.rs",
    "shared/src/http/problem.rs",
    "shared/src/http/refused.rs",
];

#[test]
fn documents_and_texts_use_none_of_the_listed_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let texts = TEXTS.map(|name| {
        let text = std::fs::read_to_string(root.join(name)).expect("a text");
        (name.to_owned(), text)
    });
    let mut found = Vec::new();
    for (name, text) in documents().into_iter().chain(texts) {
        let text = text.to_lowercase();
        for (word, instead) in NOT_USED {
            let word = format!(r"\b{word}\b");
            let word = regex::Regex::new(&word).expect("a pattern");
            for (line, number) in text.lines().zip(1..) {
                if word.is_match(line) {
                    found.push(format!("{name}:{number}: {word}: say {instead}"));
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
