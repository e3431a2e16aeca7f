//! The names that genai-prices gives a model, as a rate table can have them: exact names, and names
//! with a date behind them.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::domain::rates::undated;

/// The names of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Its exact names, without its id. If it is dated, some are others of them with a date.
    pub exact: BTreeSet<String>,
    /// Whether a date may be behind each.
    pub dated: bool,
    /// What a rate table cannot express.
    pub patterns: Vec<String>,
}

/// The names that `clause`, the file's condition on names, accepts for the model `id`.
pub fn read(id: &str, clause: &Value) -> Names {
    let mut conditions = Vec::new();
    collect(clause, &mut conditions);
    let texts = |kind: &str| -> Vec<&str> {
        let of_kind = conditions.iter().filter(|(named, _)| *named == kind);
        of_kind.filter_map(|(_, value)| value.as_str()).collect()
    };
    let mut exact: BTreeSet<String> = texts("equals").into_iter().map(str::to_owned).collect();
    exact.insert(id.to_owned());
    let mut names = Names { exact, dated: false, patterns: Vec::new() };
    // The shortest first: it is the name, where a longer one is the same with half a date.
    let mut beginnings = texts("starts_with");
    beginnings.sort_by_key(|beginning| beginning.len());
    for beginning in beginnings {
        let dated = names.exact.contains(without_date_begun(beginning));
        if dated || is_name(beginning) {
            names.dated = true;
        } else {
            names.patterns.push(format!("starts with {beginning}"));
        }
        if !dated && is_name(beginning) {
            names.exact.insert(beginning.to_owned());
        }
    }
    for pattern in texts("regex") {
        match names.exact.iter().any(|name| is_dated(pattern, name)) {
            true => names.dated = true,
            false => names.patterns.push(format!("matches {pattern}")),
        }
    }
    let other = conditions.iter().filter(|(kind, value)| {
        !(["equals", "starts_with", "regex"].contains(kind) && value.is_string())
    });
    names.patterns.extend(other.map(|(kind, value)| {
        format!("{} {}", kind.replace('_', " "), value.as_str().unwrap_or("something"))
    }));
    names.exact.remove(id);
    names
}

/// The alternatives of a condition, each by its kind and its text.
fn collect<'a>(clause: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    for (kind, value) in clause.as_object().into_iter().flatten() {
        match (kind.as_str(), value) {
            ("or", Value::Array(clauses)) => clauses.iter().for_each(|one| collect(one, found)),
            (kind, value) => found.push((kind, value)),
        }
    }
}

/// Whether what names begin with can be a whole name: nothing of it says that more must follow, as
/// it does for models that a customer has tuned.
fn is_name(beginning: &str) -> bool {
    !beginning.ends_with(['-', '@', ':', '.']) && !beginning.starts_with("ft:")
}

/// A beginning without the hyphen, or the hyphen and the year, with which a date begins.
fn without_date_begun(beginning: &str) -> &str {
    let (name, date) = beginning.rsplit_once('-').unwrap_or((beginning, "none"));
    let begun = date.is_empty() || date.len() >= 4 && date.bytes().all(|b| b.is_ascii_digit());
    if begun { name } else { beginning }
}

/// Whether a regular expression is a name and a date.
fn is_dated(pattern: &str, name: &str) -> bool {
    let name = name.replace('.', r"\.");
    [r"\d{8}", r"\d{4}-\d{2}-\d{2}"].iter().any(|date| pattern == format!("^{name}-{date}$"))
}

/// Whether `name` is `own` with a date behind it.
pub fn is_with_date(name: &str, own: &str) -> bool {
    undated(name) == Some(own)
}
