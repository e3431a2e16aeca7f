//! The chart of the README: write units of a debit, and credits off.

use std::fmt::Write;

use crate::compare::{Comparison, PLAYERS, Row};
use crate::contender::Place;

/// Pixels.
const WIDTH: f64 = 760.0;
const TOP: f64 = 60.0;
const STEP: f64 = 34.0;
const BARS_FROM: f64 = 236.0;
const LONGEST: f64 = 250.0;

const STYLE: &str = "
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .small { font-size: 12px }
  .scrip { fill: #1a7f5a }
  .rival { fill: #8c959f }
  .off { fill: #c0262d; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .scrip { fill: #3fb68b }
    .rival { fill: #6e7681 }
    .off { fill: #ff7b72 }
  }";

/// The chart of the contenders on the embedded table, which every machine has.
pub fn svg(comparison: &Comparison) -> String {
    let on_table = |row: &&Row| row.place == Place::Embedded;
    let rows: Vec<&Row> = comparison.rows.iter().filter(on_table).collect();
    let units = |row: &Row| row.mixed.write_units();
    let most = rows.iter().map(|row| units(row)).fold(1.0, f64::max);
    let height = TOP + STEP * rows.len() as f64;
    let (title, how) = (
        format!(
            "DynamoDB write units of a debit, and credits off after {} debits",
            comparison.plan.debits
        ),
        format!(
            "{PLAYERS} callers, half of the debits of one account, 7 % sent again, 1 % of the \
             store's replies lost"
        ),
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n<style>{STYLE}\n</style>\n<text class=\"title\" x=\"0\" \
         y=\"20\">{title}</text>\n<text class=\"small\" x=\"0\" y=\"42\">{how}</text>\n"
    );
    for (row, place) in rows.into_iter().zip(0..) {
        let (top, verdict) = (TOP + STEP * f64::from(place), row.mixed.verdict);
        let class = if row.name.starts_with("Scrip") { "scrip" } else { "rival" };
        let length = LONGEST * units(row) / most;
        let off = if verdict.credits_off == 0 { "" } else { " class=\"off\"" };
        let _ = writeln!(
            svg,
            "<text x=\"0\" y=\"{}\">{}</text>\n<rect class=\"{class}\" x=\"{BARS_FROM}\" \
             y=\"{top}\" width=\"{length:.0}\" height=\"22\" rx=\"3\"/>\n<text{off} x=\"{:.0}\" \
             y=\"{}\">{:.2}, {} credits off</text>",
            top + 16.0,
            row.name,
            BARS_FROM + length + 8.0,
            top + 16.0,
            units(row),
            verdict.credits_off,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
