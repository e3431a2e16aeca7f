//! The ledger as CSV (RFC 4180), for spreadsheets.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};
use lambda_http::{Body, Response};
use serde::Serialize;

use super::line::Line;
use crate::domain::entry::By;
use crate::domain::{Credits, Instant, OperationId, Seq};

/// The header row: the fields of [`Row`] in their order. Written by hand, as it is there even where
/// no row is.
const COLUMNS: [&str; 24] = [
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
];

/// One entry. What does not apply to it is empty.
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
    /// Why money moved; of an advance, what it did, in words with blanks between them.
    cause: String,
}

/// What says that a file is UTF-8. Excel takes one without it for the code page of its country.
const BOM: char = '\u{FEFF}';

/// A 200 with a row for each entry, and where the next ones are.
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
        action: line.action,
        quantity: line.quantity,
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
    }
}

fn causes(line: &Line<'_>) -> String {
    let parts = line.parts.iter().flatten().map(|part| part.cause);
    let mut causes: Vec<&str> = line.cause.into_iter().chain(parts).collect();
    causes.dedup();
    causes.join(" ")
}

/// A caller's text such that no spreadsheet takes it, or a part of it, for a formula and runs it: what
/// begins like one has a `'` before it.
///
/// Where numbers have a comma, a spreadsheet begins a cell after each `;`, whatever quotes are around
/// it; others do after a tab.
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

/// Whether the first of what is seen of a cell begins a formula: in full width, too, as keyboards of
/// East Asia write it. Blanks of any kind are passed over, and so are quotes, which may be the file's.
fn is_formula(cell: &str) -> bool {
    const BEGINS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let is_seen =
        |c: &char| BEGINS.contains(c) || c.is_alphanumeric() || (c.is_ascii_graphic() && *c != '"');
    cell.chars().find(is_seen).is_some_and(|first| BEGINS.contains(&first))
}
