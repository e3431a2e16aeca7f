//! The rows of the ledger: each effect of an advance is a row with its own title.

use serde_json::{Value, json};
use shared::domain::ledger::PostedEntry;
use shared::domain::part::{Did, EntryPart};
use shared::domain::{Credits, GrantKind};

use super::limits;

/// The rows of entries, the latest first. `lines`: the same entries as the routes list them.
pub(super) fn rows<'a>(
    posted: impl Iterator<Item = &'a PostedEntry>,
    lines: impl Iterator<Item = Value>,
) -> Vec<Value> {
    posted.zip(lines).flat_map(|(posted, line)| of(posted, line)).collect()
}

fn of(posted: &PostedEntry, line: Value) -> Vec<Value> {
    let parts = posted.entry.parts();
    if parts.is_empty() {
        return vec![row(posted, line)];
    }
    let mut left = posted.available;
    let rows = parts.iter().rev().map(|part| {
        let row = part_row(&line, part, left);
        left -= part.available;
        row
    });
    rows.collect()
}

/// The row of an entry as a whole.
pub(super) fn row(posted: &PostedEntry, mut line: Value) -> Value {
    if let Some((_, meters)) = posted.entry.kind.call() {
        // In the order of the meters, which an object of a template has not.
        let counts = meters.shown().into_iter();
        let counts = counts.map(|(meter, count)| (format!("count_{meter}"), count));
        line["counts"] = json!(counts.collect::<Vec<_>>());
    }
    if posted.entry.kind.name() == "limit_set" {
        line["limit"] = line["limits"][0].take();
        line["limit"]["name"] = json!(line["limit"]["of"].as_str().map(limits::named));
    }
    line["title"] = match posted.entry.cause() {
        Some(cause) => json!(format!("did_{cause}")),
        None => json!(format!("kind_{}", posted.entry.kind.name())),
    };
    line
}

/// The row of one part of the entry of an advance. `left`: what is available after it.
pub(super) fn part_row(line: &Value, part: &EntryPart, left: Credits) -> Value {
    json!({
        "seq": line["seq"], "at": line["at"], "kind": line["kind"], "pending": line["pending"],
        "by": line["by"], "title": title(part),
        // The title of a grant that arrives names its kind already.
        "grant": part.kind.filter(|_| part.did == Did::Expired).map(GrantKind::name),
        "available": part.available, "balance": { "available": left },
        "debt": (!part.debt.is_zero()).then_some(part.debt),
    })
}

/// The key of the text that says what was done.
fn title(part: &EntryPart) -> String {
    match (part.did, part.kind) {
        (Did::Renewed, Some(GrantKind::Weekly)) => "did_renewed_weekly".to_owned(),
        (Did::Renewed, _) => "did_renewed_plan".to_owned(),
        (did, _) => format!("did_{}", did.name()),
    }
}
