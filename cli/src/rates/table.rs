//! The file of a rate table, as people review it: what `RateTable` has, and costs and comments.

use std::collections::BTreeMap;
use std::fmt;

use shared::domain::Credits;
use shared::domain::meters::Meter;
use shared::domain::rates::{ModelNumber, RateTable, Rates};
use toml::{Table, Value};

use super::names::is_with_date;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The meters of a call that are its context, in a new table.
const CONTEXT: [Meter; 7] = [
    Meter::Input,
    Meter::CachedInput,
    Meter::CacheWrite,
    Meter::CacheWrite1h,
    Meter::InputAudio,
    Meter::CachedInputAudio,
    Meter::InputImage,
];
/// The comment at the top of a new table.
const HEADER: &str = "\
# A rate is the credits of a million. Meters exclude each other: a token is counted by one of them.
# `context` lists the meters whose sum decides the tier of a call. `number` identifies a model in
# the ledger: it never changes and is never reused.
";

/// A rate table with all that its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateFile {
    /// The comment at its top, with its line ends.
    header: String,
    pub source: Option<String>,
    pub cost_currency: Option<String>,
    context: Vec<Meter>,
    pub models: BTreeMap<String, ModelRates>,
}

/// A model as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelRates {
    /// The comment above it, with its line ends.
    comment: String,
    pub number: ModelNumber,
    pub dated: bool,
    pub retired: bool,
    pub names: Vec<String>,
    pub rates: BTreeMap<Meter, Rate>,
    pub tiers: BTreeMap<u64, BTreeMap<Meter, Rate>>,
}

/// The credits of a million, and what the provider takes for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    pub credits: Credits,
    pub cost: Option<String>,
}

impl RateFile {
    /// A table without models.
    pub fn new() -> RateFile {
        let (header, context) = (HEADER.to_owned(), CONTEXT.to_vec());
        let models = BTreeMap::new();
        RateFile { header, source: None, cost_currency: None, context, models }
    }

    /// Reads a table.
    ///
    /// # Errors
    /// Names the key that is wrong, or the comment that would be lost when it is written.
    pub fn read(text: &str) -> Result<RateFile, Error> {
        let checked = RateTable::parse(text).map_err(|e| format!("{}: {}", e.key, e.problem))?;
        let file: Table = text.parse()?;
        let (header, mut comments) = comments(text)?;
        let models = checked.models.iter().map(|(name, model)| {
            let own = &file["models"][name.as_str()];
            let names = own.get("names").and_then(Value::as_array).into_iter().flatten();
            let rates = ModelRates {
                comment: comments.remove(&heading(name)).unwrap_or_default().1,
                number: model.number,
                dated: model.dated,
                retired: model.retired,
                names: names.filter_map(Value::as_str).map(str::to_owned).collect(),
                rates: rates(&model.rates, own),
                tiers: model
                    .tiers
                    .iter()
                    .map(|(above, tier)| (*above, rates(tier, &own[format!("above_{above}")])))
                    .collect(),
            };
            (name.clone(), rates)
        });
        let models = models.collect();
        if let Some((line, _)) = comments.into_values().find(|(_, comment)| !comment.is_empty()) {
            return Err(lost(line));
        }
        let text = |key: &str| file.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(RateFile {
            header,
            source: text("source"),
            cost_currency: text("cost_currency"),
            context: checked.context.into_iter().collect(),
            models,
        })
    }

    /// The model that `name` means, and its own name: an exact name, or one with a date behind it.
    pub fn model(&self, name: &str) -> Option<(&str, &ModelRates)> {
        let has = |means: &dyn Fn(&str, &ModelRates) -> bool| {
            let all = |(own, model): &(&String, &ModelRates)| {
                model.names.iter().chain([*own]).any(|one| means(one, model))
            };
            self.models.iter().find(all).map(|(own, model)| (own.as_str(), model))
        };
        has(&|one, _| one == name)
            .or_else(|| has(&|one, model| model.dated && is_with_date(name, one)))
    }
}

impl ModelRates {
    /// The rate of `meter` in calls with a context above `above`: that of the tier, or of the next
    /// below it that names the meter.
    pub fn rate_above(&self, above: u64, meter: Meter) -> Option<&Rate> {
        let tiers = self.tiers.range(..=above).rev().map(|(_, rates)| rates);
        tiers.chain([&self.rates]).find_map(|rates| rates.get(&meter))
    }
}

impl Default for RateFile {
    fn default() -> RateFile {
        RateFile::new()
    }
}

fn rates(checked: &Rates, file: &Value) -> BTreeMap<Meter, Rate> {
    let rates = checked.iter().map(|(meter, credits)| {
        let cost = file[meter.name()].get("cost").and_then(Value::as_str).map(str::to_owned);
        (*meter, Rate { credits: *credits, cost })
    });
    rates.collect()
}

/// Comments by the heading that they are above, each with the number of its last line.
type Comments = BTreeMap<String, (usize, String)>;

/// The comment at the top, and those above headings.
///
/// # Errors
/// If there is a comment elsewhere.
fn comments(text: &str) -> Result<(String, Comments), Error> {
    let (mut header, mut above) = (None, Comments::new());
    let mut open = (0, String::new());
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.starts_with('#') {
            open.0 = number;
            open.1.extend([line, "\n"]);
        } else if has_comment(line) {
            return Err(lost(number));
        } else if !line.is_empty() && header.is_none() {
            header = Some(std::mem::take(&mut open).1);
        } else if line.starts_with('[') {
            above.insert(line.to_owned(), std::mem::take(&mut open));
        } else if !line.is_empty() && !open.1.is_empty() {
            return Err(lost(open.0));
        }
    }
    match open.1.is_empty() {
        true => Ok((header.unwrap_or_default(), above)),
        false => Err(lost(open.0)),
    }
}

fn lost(line: usize) -> Error {
    format!(
        "line {line}: an import keeps the comments at the top and directly above a model: move \
         this one"
    )
    .into()
}

/// Whether a line has a comment behind its value.
fn has_comment(line: &str) -> bool {
    let (mut within, mut escaped) = (false, false);
    for c in line.chars() {
        match c {
            '#' if !within => return true,
            '"' if !escaped => within = !within,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

/// The heading of a model's part of the file.
fn heading(name: &str) -> String {
    format!("[models.{}]", quoted(name))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(texts: impl Iterator<Item = impl AsRef<str>>) -> String {
    let texts: Vec<String> = texts.map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// The table as its file has it: models by name, meters in their order.
impl fmt::Display for RateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header)?;
        for (key, text) in [("source", &self.source), ("cost_currency", &self.cost_currency)] {
            if let Some(text) = text {
                writeln!(f, "{key} = {}", quoted(text))?;
            }
        }
        writeln!(f, "context = {}", list(self.context.iter().map(|meter| meter.name())))?;
        for (name, model) in &self.models {
            write!(f, "\n{}{}\nnumber = {}\n", model.comment, heading(name), model.number)?;
            if model.dated {
                writeln!(f, "dated = true")?;
            }
            if model.retired {
                writeln!(f, "retired = true")?;
            }
            if !model.names.is_empty() {
                writeln!(f, "names = {}", list(model.names.iter()))?;
            }
            put_rates(f, &model.rates)?;
            for (above, tier) in &model.tiers {
                writeln!(f, "\n[models.{}.above_{above}]", quoted(name))?;
                put_rates(f, tier)?;
            }
        }
        Ok(())
    }
}

/// One rate a line, so that one that changes is one line of a review.
fn put_rates(f: &mut fmt::Formatter<'_>, rates: &BTreeMap<Meter, Rate>) -> fmt::Result {
    let width = rates.keys().map(|meter| meter.name().len()).max().unwrap_or_default();
    for (meter, Rate { credits, cost }) in rates {
        let cost = cost.as_ref().map(|cost| format!(", cost = {}", quoted(cost)));
        let cost = cost.unwrap_or_default();
        writeln!(f, "{:width$} = {{ credits = \"{credits}\"{cost} }}", meter.name())?;
    }
    Ok(())
}
