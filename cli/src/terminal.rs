//! What a person at a terminal reads and answers: tables, plain texts, questions.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// A text that a caller sent, as it may be printed: a terminal follows none of it.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        // Marks that change the direction of what follows them.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => c.escape_unicode().to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Prints a text, which ends its own lines.
///
/// # Errors
/// If nobody reads on, as in `scrip ledger acme | head`.
pub fn put(text: impl fmt::Display) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(text.to_string().as_bytes())
}

/// Prints JSON, as one line.
///
/// # Errors
/// As [`put`].
pub fn put_json(value: &impl Serialize) -> std::io::Result<()> {
    put(format_args!("{}\n", serde_json::to_string(value)?))
}

/// Which side of its column a text is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    /// For amounts: their units are below each other.
    Right,
}

/// Rows of texts in aligned columns. No text is cut. Without rows it has no heading either.
#[derive(Clone, Debug)]
pub struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(columns: &[(&str, Side)]) -> Table {
        let (names, sides): (Vec<&str>, Vec<Side>) = columns.iter().copied().unzip();
        Table { sides, rows: vec![names.into_iter().map(str::to_owned).collect()] }
    }

    /// Adds a row, with a text for each column.
    pub fn row(&mut self, texts: impl IntoIterator<Item = String>) {
        self.rows.push(texts.into_iter().map(|text| plain(&text)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let texts = self.rows.iter().filter_map(|row| row.get(column));
            texts.map(|text| text.chars().count()).max().unwrap_or_default()
        };
        if self.rows.len() == 1 {
            return Ok(());
        }
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        for row in &self.rows {
            let cells =
                row.iter().zip(&self.sides).zip(&widths).map(|((text, side), width)| match side {
                    Side::Left => format!("{text:<width$}"),
                    Side::Right => format!("{text:>width$}"),
                });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Whether a person can be asked.
pub fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether the person at the terminal answers yes.
pub fn agrees(question: &str) -> bool {
    eprint!("{question}");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
