//! The ledger as CSV (RFC 4180), for spreadsheets.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};
use lambda_http::{Body, Response};
use serde::Serialize;

use super::line::Line;
use crate::domain::entry::By;
use crate::domain::{Credits, Instant, OperationId, Seq};

/// The header row: the fields of [`Row`] in their order. Written by hand, because it is there even
/// if there are no rows.
const COLUMNS: [&str; 31] = [
    "seq",
    "at",
    "kind",
    "id",
    "key",
    "action",
    "quantity",
    "credits",
    "available",
    "held",
    "balance_available",
    "balance_held",
    "by",
    "user",
    "reference",
    "reason",
    "message",
    "hold",
    "debit",
    "order",
    "debt",
    "expires_at",
    "catalog",
    "cause",
    "actor",
    "beyond",
    "uncharged",
    "model",
    "meters",
    "subjects",
    "limits",
];

/// One entry. A column that does not apply to it is empty.
#[derive(Serialize)]
struct Row<'a> {
    seq: Seq,
    at: Instant,
    kind: &'static str,
    id: OperationId,
    key: Option<Cow<'a, str>>,
    action: Option<&'a str>,
    quantity: Option<u64>,
    credits: Option<Credits>,
    available: Credits,
    held: Credits,
    balance_available: Credits,
    balance_held: Credits,
    by: By,
    user: Option<Cow<'a, str>>,
    reference: Option<Cow<'a, str>>,
    reason: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    hold: Option<OperationId>,
    debit: Option<OperationId>,
    order: Option<OperationId>,
    debt: Option<Credits>,
    expires_at: Option<Instant>,
    catalog: u32,
    /// Why money moved. For an advance: what it did, in words with spaces between them.
    cause: String,
    actor: Option<Cow<'a, str>>,
    beyond: Option<Credits>,
    uncharged: Option<Credits>,
    model: Option<Cow<'a, str>>,
    /// The counts by meter, with spaces between them.
    meters: String,
    /// With spaces between them.
    subjects: Cow<'a, str>,
    /// The limits that it counts for, with their windows and spaces between them.
    limits: Cow<'a, str>,
}

/// The mark of a UTF-8 file. Excel reads a file without it in the code page of its country.
const BOM: char = '\u{FEFF}';

/// A 200 with a row for each entry, and the place of the next ones.
pub(super) fn ok<'a>(
    lines: impl Iterator<Item = Line<'a>>,
    next_cursor: Option<String>,
) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", "text/csv; charset=utf-8")
        .header("cache-control", "no-store");
    let response = match next_cursor {
        Some(cursor) => response.header("next-cursor", cursor),
        None => response,
    };
    response.body(Body::Text(table(lines))).expect("status and headers are valid")
}

fn table<'a>(lines: impl Iterator<Item = Line<'a>>) -> String {
    let mut writer = WriterBuilder::new();
    let writer = writer.has_headers(false).terminator(Terminator::CRLF);
    let mut writer = writer.from_writer(Vec::new());
    writer.write_record(COLUMNS).expect("memory takes every row");
    for line in lines {
        writer.serialize(row(&line)).expect("rows are plain values");
    }
    let bytes = writer.into_inner().expect("memory takes every row");
    let rows = String::from_utf8(bytes).expect("rows are text");
    format!("{BOM}{rows}")
}

fn row<'a>(line: &Line<'a>) -> Row<'a> {
    Row {
        seq: line.seq,
        at: line.at,
        kind: line.kind,
        id: line.id,
        key: line.key.map(neutral),
        action: line.bought.action,
        quantity: line.bought.quantity,
        credits: line.credits,
        available: line.available,
        held: line.held,
        balance_available: line.balance.available,
        balance_held: line.balance.held,
        by: line.by,
        user: line.user.map(neutral),
        reference: line.reference.map(neutral),
        reason: line.reason.map(neutral),
        message: line.message.map(neutral),
        hold: line.hold,
        debit: line.debit,
        order: line.order,
        debt: line.debt,
        expires_at: line.expires_at,
        catalog: line.catalog,
        cause: causes(line),
        actor: line.actor.map(neutral),
        beyond: line.beyond,
        uncharged: line.uncharged,
        model: line.bought.model.map(neutral),
        meters: line.bought.meters.map(|meters| meters.to_string()).unwrap_or_default(),
        subjects: listed(line.subjects.iter().map(ToString::to_string)),
        limits: listed(
            line.limits.iter().map(|limit| format!("{}/{}", limit.of, limit.per.name())),
        ),
    }
}

/// Texts with spaces between them.
fn listed<'a>(texts: impl Iterator<Item = String>) -> Cow<'a, str> {
    let texts = texts.collect::<Vec<_>>().join(" ");
    neutral(&texts).into_owned().into()
}

fn causes(line: &Line<'_>) -> String {
    let parts = line.parts.iter().flatten().map(|part| part.cause);
    let mut causes: Vec<&str> = line.cause.into_iter().chain(parts).collect();
    causes.dedup();
    causes.join(" ")
}

/// Makes a caller's text safe: no spreadsheet runs it, or a part of it, as a formula. A text that
/// begins like a formula gets a `'` before it.
///
/// Where numbers have a decimal comma, a spreadsheet begins a cell after each `;`, even inside
/// quotes; others do so after a tab.
fn neutral(text: &str) -> Cow<'_, str> {
    const CELLS: [char; 4] = [';', '\t', '\r', '\n'];
    if !text.split(CELLS).any(is_formula) {
        return text.into();
    }
    let cells = text.split_inclusive(CELLS);
    cells
        .fold(String::new(), |said, cell| said + if is_formula(cell) { "'" } else { "" } + cell)
        .into()
}

/// Whether the first visible character of a cell begins a formula, also in full width, as East
/// Asian keyboards write it. Skips spaces of any kind, and quotes, which may be those of the file.
fn is_formula(cell: &str) -> bool {
    const BEGINS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let is_seen =
        |c: &char| BEGINS.contains(c) || c.is_alphanumeric() || (c.is_ascii_graphic() && *c != '"');
    cell.chars().find(is_seen).is_some_and(|first| BEGINS.contains(&first))
}
