//! Blocks of the documents that a run writes: `UPDATE_EXPECT=1` writes them again.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Panics unless the block `name` of a document is `text`; with `UPDATE_EXPECT=1` it becomes that.
///
/// A block stands between `<!-- measured: NAME -->` and `<!-- end -->`, each on a line of its own.
pub(super) fn assert_held(document: &str, name: &str, text: &str) {
    // Two tests may write blocks of one document.
    static WRITING: Mutex<()> = Mutex::new(());
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let whole = std::fs::read_to_string(&path).expect("a document");
    let start = format!("<!-- measured: {name} -->\n");
    let (before, rest) = whole.split_once(&start).expect("the start of the block");
    let (held, after) = rest.split_once("<!-- end -->").expect("the end of the block");
    if held.trim() == text.trim() {
        return;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let text = format!("{before}{start}\n{}\n\n<!-- end -->{after}", text.trim());
        std::fs::write(path, text).expect("written");
        return;
    }
    let why = "differs from the run: UPDATE_EXPECT=1 writes it again";
    panic!("the block {name} of {document} {why}\n\nheld:\n{held}\nmeasured:\n{text}");
}

/// A table of Markdown: a heading, the sides of its columns, and rows.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let sides = vec!["---".to_owned(); heading.len()];
    let rows = rows.iter().map(|row| line(row)).collect::<String>();
    format!("{}|{}|\n{rows}", line(&heading), sides.join("|"))
}

/// A number without zeros at its end, and with at most so many decimals. Empty: none.
pub(super) fn shown(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if text == "0" { String::new() } else { text }
}

/// A whole number in groups of three digits.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
