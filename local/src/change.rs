//! Describes the change of a request in a few words, from its route and its answer alone.

use console::Style;
use serde_json::Value;
use shared::domain::Credits;

/// The outcome of a request, which selects its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// It had been done before.
    Replayed,
    /// It was only read.
    Read,
    /// It was refused.
    Refused,
    /// It failed, and the fault is ours.
    Failed,
}

impl Tone {
    /// The style at a terminal.
    pub fn style(self) -> Style {
        match self {
            Tone::Done => Style::new().green(),
            Tone::Replayed => Style::new().magenta(),
            Tone::Read => Style::new().dim(),
            Tone::Refused => Style::new().yellow(),
            Tone::Failed => Style::new().red(),
        }
    }
}

/// A change in words, such as `-1 credit -> 2499`, and its tone.
///
/// `route` is the template's: it tells whether a receipt's credits were added or taken.
pub fn of(method: &str, route: &str, status: u16, replayed: bool, body: &Value) -> (String, Tone) {
    let tone = match status {
        500.. => Tone::Failed,
        400.. => Tone::Refused,
        _ if replayed => Tone::Replayed,
        _ if method == "GET" => Tone::Read,
        _ => Tone::Done,
    };
    let words = match tone {
        Tone::Failed | Tone::Refused => text(body, "/code").to_owned(),
        Tone::Replayed => "replayed".to_owned(),
        Tone::Read | Tone::Done => done(route, body),
    };
    (words, tone)
}

/// Credits with their unit: `1 credit`, `2499 credits`.
pub fn credits(amount: &str) -> String {
    format!("{amount} {}", if amount == "1" { "credit" } else { "credits" })
}

fn done(route: &str, body: &Value) -> String {
    let amount = text(body, "/credits");
    let kind = match route.rsplit('/').next().unwrap_or_default() {
        "debits" => format!("-{}", credits(amount)),
        "batch" => match spent(body) {
            Some(spent) => format!("-{}", credits(&spent.to_string())),
            None => String::new(),
        },
        "refund" => format!("+{}", credits(text(body, "/returned"))),
        "grants" => format!("+{}", credits(amount)),
        "holds" => format!("{amount} held"),
        "capture" => format!("{amount} charged"),
        "release" => "released".to_owned(),
        "extend" => "extended".to_owned(),
        "freeze" => "frozen".to_owned(),
        "unfreeze" => "unfrozen".to_owned(),
        "waive" => format!("{amount} of debt waived"),
        "{account}" => text(body, "/plan").to_owned(),
        "quotes" => format!("would cost {amount}"),
        "balance" => format!("{} available", text(body, "/available")),
        "ledger" => match body["entries"].as_array() {
            Some(entries) if entries.len() == 1 => "1 entry".to_owned(),
            Some(entries) => format!("{} entries", entries.len()),
            None => String::new(),
        },
        "checkouts" => format!("{} ordered", credits(amount)),
        "sessions" => "a session".to_owned(),
        "clock" => text(body, "/now").to_owned(),
        _ => String::new(),
    };
    let last = body["receipts"].as_array().and_then(|receipts| receipts.last());
    match text(last.unwrap_or(body), "/balance/available") {
        "" => kind,
        available => format!("{kind} -> {available}"),
    }
}

/// The credits of all receipts of a batch.
fn spent(body: &Value) -> Option<Credits> {
    let receipts = body["receipts"].as_array()?.iter();
    receipts.map(|receipt| text(receipt, "/credits").parse::<Credits>().ok()).sum()
}

fn text<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
