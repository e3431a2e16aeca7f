//! The document of a run: `docs/reference/benchmarks.md`.

use crate::compare::{Comparison, MANY, PLAIN, PLAYERS, Row, Shape};
use crate::contender::Place;
use crate::meter::{CALL, LOST_ONE_IN};
use crate::timing::{CALLERS, Timed, median};

/// The document without figures.
const TEMPLATE: &str = include_str!("../benchmarks.md");

/// The document with the figures of a run.
pub fn document(comparison: &Comparison) -> String {
    let Comparison { plan, machine, rows, versions, left_out } = comparison;
    let hardware = format!(
        "{}, {} cores, {} GB, {}; servers' files on {}. Load average of the minute before the run: \
         {}",
        machine.processor,
        machine.cores,
        machine.memory_gb,
        machine.system,
        machine.disk,
        machine.load,
    );
    let list = |lines: &[String]| match lines {
        [] => "nothing".to_owned(),
        lines => lines.join("; "),
    };
    let fields = [
        ("day", machine.day.clone()),
        ("commit", machine.commit.clone()),
        ("machine", hardware),
        ("build", format!("{}, profile `{}`", machine.compiler, machine.profile)),
        ("versions", list(versions)),
        ("left_out", list(left_out)),
        ("seed", plan.seed.to_string()),
        ("accounts", plan.accounts.to_string()),
        ("debits", plan.debits.to_string()),
        ("plain", PLAIN.to_string()),
        ("players", PLAYERS.to_string()),
        ("lost_one_in", LOST_ONE_IN.to_string()),
        ("call_ms", CALL.as_millis().to_string()),
        ("tables", tables(rows)),
        ("servers", servers(rows)),
        ("times", times(comparison)),
    ];
    let replaced = |text: String, (name, value): &(&str, String)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    };
    fields.iter().fold(TEMPLATE.to_owned(), replaced)
}

fn tables(rows: &[Row]) -> String {
    let mut lines = vec![
        "| contender | on | credits off | wrong refusals | write units: plain; workload | \
         read units: plain; workload | round trips: plain; workload |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for row in rows.iter().filter(|row| row.place != Place::Server) {
        let (Row { name, place, plain, mixed, .. }, verdict) = (row, row.mixed.verdict);
        lines.push(format!(
            "| {name} | {place} | {} | {} | {:.3}; {:.2} | {:.3}; {:.2} | {:.3}; {:.2} |",
            verdict.credits_off,
            verdict.wrong_refusals,
            plain.write_units(),
            mixed.write_units(),
            plain.read_units(),
            mixed.read_units(),
            plain.round_trips(),
            mixed.round_trips(),
        ));
    }
    lines.join("\n")
}

fn servers(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.place == Place::Server).collect();
    if rows.is_empty() {
        return "None was compared in this run.".to_owned();
    }
    let mut lines = vec![
        "| contender | credits off | wrong refusals | bytes logged: plain; workload | \
         fsyncs: plain; workload | round trips: plain; workload |"
            .to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for row in rows {
        let (Row { name, plain, mixed, .. }, verdict) = (row, row.mixed.verdict);
        let each = |value: fn(&crate::contender::Logged) -> Option<u64>, digits: usize| {
            [plain, mixed].map(|played| match played.logged.as_ref().and_then(value) {
                Some(count) => format!("{:.digits$}", count as f64 / played.debits()),
                None => "–".to_owned(),
            })
        };
        let ([bytes, mixed_bytes], [fsyncs, mixed_fsyncs]) =
            (each(|logged| Some(logged.bytes), 0), each(|logged| logged.fsyncs, 2));
        lines.push(format!(
            "| {name} | {} | {} | {bytes}; {mixed_bytes} | {fsyncs}; {mixed_fsyncs} | {:.3}; {:.2} \
             |",
            verdict.credits_off,
            verdict.wrong_refusals,
            plain.round_trips(),
            mixed.round_trips(),
        ));
    }
    lines.join("\n")
}

fn times(comparison: &Comparison) -> String {
    let Comparison { plan, rows, .. } = comparison;
    if plan.rounds == 0 {
        return "Nothing was timed in this run: its machine was not quiet (`--rounds 0`)."
            .to_owned();
    }
    let mut parts = vec![format!(
        "{} rounds of windows of {} ms, interleaved. A ratio is that of the debits a second \
         to those of the first row in the same round: median, least and most.",
        plan.rounds,
        plan.window.as_millis(),
    )];
    for place in [Place::Embedded, Place::DynamoDbLocal, Place::Server] {
        let there: Vec<&Row> = rows.iter().filter(|row| row.place == place).collect();
        let Some(first) = there.first() else { continue };
        for is_one_account in [true, false] {
            let accounts = match is_one_account {
                true => "one account".to_owned(),
                false => format!("{MANY} accounts"),
            };
            parts.push(format!("### On {place}, {accounts}"));
            let shape = |callers| Shape { is_one_account, callers };
            let header = CALLERS.map(|callers| format!(" {callers} at once |")).concat();
            let mut lines = vec![format!("| contender |{header}"), "|---|---|---|---|".to_owned()];
            for row in &there {
                let cells = CALLERS.map(|callers| {
                    let (own, base) = (&row.times[&shape(callers)], &first.times[&shape(callers)]);
                    format!(" {} |", cell(own, base, row.name == first.name))
                });
                lines.push(format!("| {} |{}", row.name, cells.concat()));
            }
            parts.push(lines.join("\n"));
        }
    }
    parts.join("\n\n")
}

/// The windows of a contender beside those of the first one.
fn cell(own: &[Timed], base: &[Timed], is_first: bool) -> String {
    let middle = |value: fn(&Timed) -> f64| median(own.iter().map(value).collect());
    let (p50_ms, p99_ms) = (middle(|timed| timed.p50_ms), middle(|timed| timed.p99_ms));
    let rate = middle(|timed| timed.debits_per_s);
    let ratios = own.iter().zip(base).map(|(own, base)| own.debits_per_s / base.debits_per_s);
    let ratios: Vec<f64> = ratios.collect();
    let (least, most) = ratios.iter().fold((f64::MAX, 0.0), |(least, most): (f64, f64), ratio| {
        (least.min(*ratio), most.max(*ratio))
    });
    let ratio = match is_first {
        true => "1".to_owned(),
        false => format!("{:.2} ({least:.2} to {most:.2})", median(ratios)),
    };
    format!("{ratio}: {rate:.0}/s; p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms")
}
