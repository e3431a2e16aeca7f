//! A pseudo-language, made of English: it shows which text is not in the table, by its missing
//! brackets, and what does not turn in a language that is written from right to left.

use serde_json::Value;

/// The parts of a table that have texts.
const PARTS: [&str; 3] = ["element", "script", "page"];

/// The table of `ar-XB`, the tag of the Unicode project for such a language.
pub(crate) fn of(mut english: Value) -> Value {
    english["lang"] = "ar-XB".into();
    english["dir"] = "rtl".into();
    for part in PARTS {
        bracket(&mut english[part]);
    }
    english
}

/// Puts each text into brackets, between marks of a right-to-left text.
fn bracket(texts: &mut Value) {
    match texts {
        Value::String(text) => *text = format!("\u{27e6}\u{200f}{text}\u{200f}\u{27e7}"),
        Value::Object(texts) => texts.values_mut().for_each(bracket),
        _ => panic!("a table has texts, and texts by form"),
    }
}
